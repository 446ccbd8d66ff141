"""JupyterLab: one server for each member, on the member's own volume.

The pod is the one a hub would spawn: base path ``/user/<member>/``, entry point without arguments of ours, home on a
claim of its own. What a hub will add is who starts it and how the member signs in.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apps.v1 import StatefulSet, StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgsDict,
    PodSpecArgsDict,
    ProbeArgsDict,
    Secret,
    Service,
    ServiceSpecArgsDict,
    VolumeArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict

from components.manifests import Manifest
from components.naming import namespace_name, tool_labels
from components.partition import SERVICE_ACCOUNT, peer
from stacks.profile import PodSelector, Profile
from workspaces.model import JupyterLab as JupyterLabTool
from workspaces.model import Member, Workspace
from workspaces.sizes import SIZES

TOOL = "jupyterlab"
HTTP_PORT = 8888
"""Port of the server in the image, see images/jupyterlab."""
RESEARCHER = 1000
"""User and group of the image, see images/base."""
START_SECONDS = 120
"""How long a server may take to answer; 12 to 29 seconds were measured on two cores with cold caches."""


@dataclass(frozen=True)
class ServerManifests:
    """The objects of one member's server, as they are declared; the token is not among them."""

    home: Manifest[PersistentVolumeClaimSpecArgsDict]
    token: ObjectMetaArgsDict
    service: Manifest[ServiceSpecArgsDict]
    server: Manifest[StatefulSetSpecArgsDict]
    allow_entry: Manifest[NetworkPolicySpecArgsDict] | None


def base_path(member: Member) -> str:
    """Path under which a member's server answers, as JupyterHub has it."""
    return f"/user/{member.name}/"


def sign_in_url(workspace: Workspace, member: Member, profile: Profile) -> str:
    """Where the member opens JupyterLab: the sign-in page, which leads on to it."""
    lab = f"{base_path(member)}lab"
    return profile.url(_server_name(member), namespace_name(workspace), f"{base_path(member)}login?next={lab}")


def server_manifests(
    workspace: Workspace, tool: JupyterLabTool, member: Member, profile: Profile, image: str
) -> ServerManifests:
    """Build one member's server.

    Args:
        workspace: the project.
        tool: what the project asked of JupyterLab.
        member: whose server it is.
        profile: the provider's capabilities.
        image: reference of the JupyterLab image.
    """
    name, labels = _server_name(member), _labels(workspace, member)
    entry = profile.exposure.entry
    return ServerManifests(
        home=Manifest(_metadata(workspace, member, _home_name(member)), _home(workspace, profile)),
        token=_metadata(workspace, member, name),
        service=Manifest(_metadata(workspace, member, name), _service(labels)),
        server=Manifest(_metadata(workspace, member, name), _stateful_set(tool, member, labels, image)),
        allow_entry=Manifest(_metadata(workspace, member, f"{name}-from-entry"), _from(entry, labels))
        if entry
        else None,
    )


def _server_name(member: Member) -> str:
    return f"{TOOL}-{member.name}"


def _home_name(member: Member) -> str:
    return f"home-{member.name}"


def _labels(workspace: Workspace, member: Member) -> dict[str, str]:
    return tool_labels(workspace, TOOL, member.name)


def _metadata(workspace: Workspace, member: Member, name: str) -> ObjectMetaArgsDict:
    return {"name": name, "namespace": namespace_name(workspace), "labels": _labels(workspace, member)}


def _home(workspace: Workspace, profile: Profile) -> PersistentVolumeClaimSpecArgsDict:
    return {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": profile.storage.rwo.storage_class,
        "resources": {"requests": {"storage": f"{workspace.storage.home_gib}Gi"}},
    }


def _service(labels: dict[str, str]) -> ServiceSpecArgsDict:
    return {
        "type": "ClusterIP",
        "selector": labels,
        "ports": [{"name": "http", "port": 80, "target_port": "http", "protocol": "TCP"}],
    }


def _from(entry: PodSelector, labels: dict[str, str]) -> NetworkPolicySpecArgsDict:
    return {
        "pod_selector": {"match_labels": labels},
        "policy_types": ["Ingress"],
        "ingress": [{"from_": [peer(entry)], "ports": [{"protocol": "TCP", "port": "http"}]}],
    }


def _stateful_set(tool: JupyterLabTool, member: Member, labels: dict[str, str], image: str) -> StatefulSetSpecArgsDict:
    return {
        "replicas": 1,
        "service_name": _server_name(member),
        "selector": {"match_labels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod(tool, member, image)},
    }


def _pod(tool: JupyterLabTool, member: Member, image: str) -> PodSpecArgsDict:
    return {
        "service_account_name": SERVICE_ACCOUNT,
        "automount_service_account_token": False,
        "enable_service_links": False,
        "termination_grace_period_seconds": 10,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": RESEARCHER,
            "run_as_group": RESEARCHER,
            "fs_group": RESEARCHER,
            # A recursive change of owner at every start takes minutes on a volume with many files.
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(tool, member, image)],
        "volumes": _volumes(member),
    }


def _container(tool: JupyterLabTool, member: Member, image: str) -> ContainerArgsDict:
    size = SIZES[tool.size]
    return {
        "name": TOOL,
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": ["jupyter", "lab"],
        "ports": [{"name": "http", "container_port": HTTP_PORT, "protocol": "TCP"}],
        "env": [{"name": "JUPYTERHUB_SERVICE_PREFIX", "value": base_path(member)}],
        "resources": {
            "requests": {"cpu": f"{size.cpu_request_milli}m", "memory": f"{size.memory_mib}Mi"},
            "limits": {"cpu": f"{size.cpu_limit_milli}m", "memory": f"{size.memory_mib}Mi"},
        },
        "security_context": {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [
            {"name": "home", "mount_path": "/home/researcher"},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - a path in the container, an emptyDir of its own
            {"name": "token", "mount_path": "/run/secrets/jupyterlab", "read_only": True},
        ],
        "startup_probe": {**_probe(member), "period_seconds": 1, "failure_threshold": START_SECONDS},
        "readiness_probe": {**_probe(member), "period_seconds": 10, "timeout_seconds": 5},
        "liveness_probe": {**_probe(member), "period_seconds": 30, "timeout_seconds": 5, "failure_threshold": 5},
    }


def _probe(member: Member) -> ProbeArgsDict:
    """Asks ``<base>api``: the one path that answers 200 without a token, whatever the base path."""
    return {"http_get": {"path": f"{base_path(member)}api", "port": "http"}}


def _volumes(member: Member) -> list[VolumeArgsDict]:
    return [
        {"name": "home", "persistent_volume_claim": {"claim_name": _home_name(member)}},
        {"name": "tmp", "empty_dir": {"size_limit": "1Gi"}},
        {
            "name": "token",
            # Readable by the server's group alone; Kubernetes owns the file as root.
            "secret": {"secret_name": _server_name(member), "default_mode": 0o440},
        },
    ]


class JupyterLab(pulumi.ComponentResource):
    """One member's JupyterLab server."""

    token: pulumi.Output[str]
    """What the member signs in with; secret."""

    def __init__(
        self,
        name: str,
        manifests: ServerManifests,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the server.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `server_manifests` built.
            opts: usual resource options; they make the server wait for its project's partition.
        """
        super().__init__("cloison:index:JupyterLab", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        claim, front, entry, workload = manifests.home, manifests.service, manifests.allow_entry, manifests.server
        home = PersistentVolumeClaim(f"{name}-home", metadata=claim.metadata, spec=claim.spec, opts=child)
        token = _token(self, name, manifests.token)
        if entry:
            NetworkPolicy(f"{name}-from-entry", metadata=entry.metadata, spec=entry.spec, opts=child)
        # Side by side with the server: a Service counts as ready only when a pod stands behind it.
        Service(name, metadata=front.metadata, spec=front.spec, opts=child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[home, token])
        StatefulSet(name, metadata=workload.metadata, spec=workload.spec, opts=after)
        self.token = pulumi.Output.secret(token.data.apply(_decoded_token))
        self.register_outputs({"token": self.token})


def _token(parent: pulumi.Resource, name: str, metadata: ObjectMetaArgsDict) -> Secret:
    """The token is drawn when the Secret is created and then left alone.

    It is given as ``data``: the Kubernetes provider folds ``stringData`` into it before it compares, so that ignoring
    changes of ``stringData`` would ignore nothing.
    """
    drawn = pulumi.Output.secret(b64encode(secrets.token_urlsafe(32).encode()).decode())
    keep = pulumi.ResourceOptions(parent=parent, ignore_changes=["data"])
    return Secret(f"{name}-token", metadata=metadata, type="Opaque", data={"token": drawn}, opts=keep)


def _decoded_token(data: Mapping[str, str]) -> str:
    return b64decode(data["token"]).decode()
