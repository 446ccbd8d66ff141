"""The servers that a project's hub starts: one pod at a time for each member, whichever tool they choose.

The program declares these pods to the last field and the hub only fills in the member's name and JupyterHub's own
environment, so what is reviewed, tested and covered by network policies is what runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    PersistentVolumeClaimSpecArgsDict,
    PodSpecArgsDict,
    PodTemplateSpecArgsDict,
)

from components.manifests import Manifest
from components.naming import MEMBER_LABEL, namespace_name, project_labels, service_host
from components.partition import SERVICE_ACCOUNT
from components.probes import TlsFiles, accepts, shakes_hands
from stacks.profile import Profile
from workspaces.model import JupyterLab, Member, RStudio, Workspace
from workspaces.sizes import SIZES

PORT = 8888
"""Port of the server in each tool's image."""
RESEARCHER = 1000
"""User and group of the images, see images/base."""
START_SECONDS = 120
"""How long a server may take to answer; 12 to 29 seconds were measured on two cores with cold caches."""

_READABLE = 0o440
"""By the group of the pod alone; Kubernetes owns the files as root."""
_TLS_FOLDER = "/run/secrets/tls"
_TLS = TlsFiles(f"{_TLS_FOLDER}/tls.crt", f"{_TLS_FOLDER}/tls.key", f"{_TLS_FOLDER}/ca.crt")

COMPONENT_LABEL = "app.kubernetes.io/component"
COMPONENT = "singleuser-server"
"""The word that KubeSpawner puts on every pod it starts and by which it finds them again."""

MEMBER_FIELD = "{unescaped_username}"
"""Where KubeSpawner writes the member's name (kubespawner.KubeSpawner: template fields)."""


@dataclass(frozen=True)
class ServerKind:
    """One tool as the hub offers it."""

    name: str
    title: str
    pod: PodTemplateSpecArgsDict


def server_kinds(workspace: Workspace, profile: Profile, images: Mapping[str, str]) -> list[ServerKind]:
    """What the members of a project may start.

    Args:
        workspace: the project.
        profile: the provider's capabilities.
        images: references of the tools' images, by tool.
    """
    kinds: list[ServerKind] = []
    host = service_host(server_name(MEMBER_FIELD), workspace, profile)
    if jupyterlab := workspace.tools.jupyterlab:
        arguments = [] if jupyterlab.terminals else ["--ServerApp.terminals_enabled=False"]
        container = _container(images["jupyterlab"], jupyterlab, host, arguments, _forbidden(jupyterlab))
        pod = _pod(workspace, "jupyterlab", container)
        kinds.append(ServerKind("jupyterlab", "JupyterLab: Python and R", pod))
    if rstudio := workspace.tools.rstudio:
        container = _container(images["rstudio"], rstudio, host, ["--ServerApp.default_url=/rstudio"], "")
        pod = _pod(workspace, "rstudio", container)
        kinds.append(ServerKind("rstudio", "RStudio", pod))
    return kinds


def server_labels(workspace: Workspace) -> dict[str, str]:
    """Labels of every server's pod; what network policies select."""
    return {**project_labels(workspace), COMPONENT_LABEL: COMPONENT}


def server_name(member: str) -> str:
    """Name of a member's server: of its pod, and of the Service that leads to it."""
    return f"server-{member}"


def secret_name(member: str) -> str:
    """Name of the Secret with the certificate of a member's server."""
    return f"server-tls-{member}"


def home_name(member: str) -> str:
    """Name of a member's own volume claim."""
    return f"home-{member}"


def home_manifest(
    workspace: Workspace, member: Member, profile: Profile
) -> Manifest[PersistentVolumeClaimSpecArgsDict]:
    """A member's own volume, whichever tool mounts it."""
    return Manifest(
        {
            "name": home_name(member.name),
            "namespace": namespace_name(workspace),
            "labels": {**project_labels(workspace), MEMBER_LABEL: member.name},
        },
        {
            "access_modes": ["ReadWriteOnce"],
            "storage_class_name": profile.storage.rwo.storage_class,
            "resources": {"requests": {"storage": f"{workspace.storage.home_gib}Gi"}},
        },
    )


def _forbidden(tool: JupyterLab) -> str:
    """What the project forbids in JupyterLab, as the image reads it from ``CLOISON_FORBIDDEN``."""
    allowed = {"downloads": tool.downloads, "terminals": tool.terminals, "uploads": tool.uploads}
    return " ".join(name for name, yes in allowed.items() if not yes)


def _pod(workspace: Workspace, name: str, container: ContainerArgsDict) -> PodTemplateSpecArgsDict:
    labels = {**server_labels(workspace), "app.kubernetes.io/name": name, MEMBER_LABEL: MEMBER_FIELD}
    spec: PodSpecArgsDict = {
        "service_account_name": SERVICE_ACCOUNT,
        "automount_service_account_token": False,
        "enable_service_links": False,
        "restart_policy": "OnFailure",
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
        "containers": [container],
        "volumes": [
            {"name": "home", "persistent_volume_claim": {"claim_name": home_name(MEMBER_FIELD)}},
            {"name": "tmp", "empty_dir": {"size_limit": "1Gi"}},
            {"name": "tls", "secret": {"secret_name": secret_name(MEMBER_FIELD), "default_mode": _READABLE}},
        ],
    }
    return {"metadata": {"labels": labels}, "spec": spec}


def _container(
    image: str, tool: JupyterLab | RStudio, host: str, arguments: list[str], forbidden: str
) -> ContainerArgsDict:
    size = SIZES[tool.size]
    return {
        # The names of the container and of its port are KubeSpawner's: it looks for them in running pods.
        "name": "notebook",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": ["jupyterhub-singleuser", *arguments],
        "env": [*_TLS_SETTINGS, *([_told(forbidden)] if forbidden else [])],
        "ports": [{"name": "notebook-port", "container_port": PORT, "protocol": "TCP"}],
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
            {"name": "tls", "mount_path": _TLS_FOLDER, "read_only": True},
        ],
        # That it answers requests the hub finds out itself before it leads anybody there.
        "startup_probe": {**accepts("notebook-port"), "period_seconds": 1, "failure_threshold": START_SECONDS},
        "readiness_probe": {**accepts("notebook-port"), "period_seconds": 10, "timeout_seconds": 5},
        "liveness_probe": {
            **shakes_hands(host, PORT, _TLS),
            "period_seconds": 30,
            "timeout_seconds": 5,
            "failure_threshold": 5,
        },
    }


_TLS_SETTINGS: list[EnvVarArgsDict] = [
    {"name": "JUPYTERHUB_SSL_CERTFILE", "value": _TLS.certificate},
    {"name": "JUPYTERHUB_SSL_KEYFILE", "value": _TLS.key},
    {"name": "JUPYTERHUB_SSL_CLIENT_CA", "value": _TLS.authority},
]
"""Where the single-user server looks for its certificate, and for the authority of its hub and of its clients."""


def _told(forbidden: str) -> EnvVarArgsDict:
    return {"name": "CLOISON_FORBIDDEN", "value": forbidden}
