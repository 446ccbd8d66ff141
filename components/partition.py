"""The walls of a project: its namespace, what it may consume, and the few flows that pass.

Everything a project owns lives in one namespace that enforces Pod Security ``restricted`` and denies all traffic, both
ways, except what a part of the workspace opens by a policy of its own (CNIL MR-007 SEC-ESP-1; SecNumCloud 3.2 §9.7.a
and §13.2). A namespace that exists already is never adopted: the cluster refuses to create it a second time.
"""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import (
    LimitRange,
    LimitRangeSpecArgsDict,
    Namespace,
    ResourceQuota,
    ResourceQuotaSpecArgsDict,
    ServiceAccount,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicyPeerArgsDict, NetworkPolicySpecArgsDict

from components.manifests import Manifest
from components.naming import (
    DATA_CLASS_LABEL,
    PERMIT_EXPIRES_LABEL,
    PERMIT_REFERENCE_ANNOTATION,
    TITLE_ANNOTATION,
    namespace_name,
    project_labels,
)
from stacks.profile import PodSecurity, PodSelector, Profile
from workspaces.model import Workspace
from workspaces.sizes import SIZES

SERVICE_ACCOUNT = "workspace"
"""The identity of every pod of a project; it holds no token for the Kubernetes API."""

HUB_PODS = 2
"""The hub and its proxy."""
HUB_DATABASE_GIB = 1
"""Size of the hub's own volume, in GiB: a few kilobytes for each member."""

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Set by Kubernetes on every namespace; nobody can give it another value."""

DENY_ALL: NetworkPolicySpecArgsDict = {"pod_selector": {}, "policy_types": ["Ingress", "Egress"]}
"""Closes a namespace both ways; every namespace that the program declares begins with it."""


@dataclass(frozen=True)
class PartitionManifests:
    """The objects of a partition, as they are declared."""

    namespace: ObjectMetaArgsDict
    quota: Manifest[ResourceQuotaSpecArgsDict]
    limits: Manifest[LimitRangeSpecArgsDict]
    service_account: ObjectMetaArgsDict
    default_deny: Manifest[NetworkPolicySpecArgsDict]
    allow_dns: Manifest[NetworkPolicySpecArgsDict]


def partition_manifests(workspace: Workspace, profile: Profile) -> PartitionManifests:
    """Build a project's partition."""
    return PartitionManifests(
        namespace=_namespace(workspace, profile),
        quota=Manifest(_metadata(workspace, "workspace"), {"hard": _hard_limits(workspace)}),
        limits=Manifest(_metadata(workspace, "workspace"), _limits()),
        service_account=_metadata(workspace, SERVICE_ACCOUNT),
        default_deny=Manifest(_metadata(workspace, "default-deny"), DENY_ALL),
        allow_dns=Manifest(_metadata(workspace, "allow-dns"), _dns_only(profile.cluster.dns)),
    )


def peer(pods: PodSelector) -> NetworkPolicyPeerArgsDict:
    """The pods of a selector as one peer of a network policy: namespace and labels together."""
    return {
        "namespace_selector": {"match_labels": {NAMESPACE_NAME_LABEL: pods.namespace}},
        "pod_selector": {"match_labels": pods.pod_labels},
    }


def _metadata(workspace: Workspace, name: str) -> ObjectMetaArgsDict:
    return {"name": name, "namespace": namespace_name(workspace), "labels": project_labels(workspace)}


def _namespace(workspace: Workspace, profile: Profile) -> ObjectMetaArgsDict:
    return {
        "name": namespace_name(workspace),
        "labels": {
            **project_labels(workspace),
            DATA_CLASS_LABEL: workspace.data_class,
            PERMIT_EXPIRES_LABEL: workspace.permit.expires.isoformat(),
            **pod_security_labels(profile.cluster.pod_security),
        },
        "annotations": {
            TITLE_ANNOTATION: workspace.title,
            PERMIT_REFERENCE_ANNOTATION: workspace.permit.reference,
        },
    }


def pod_security_labels(security: PodSecurity) -> dict[str, str]:
    """Labels by which a namespace enforces a Pod Security level, and audits and warns of it."""
    prefix = "pod-security.kubernetes.io"
    labels: dict[str, str] = {}
    for mode in ("enforce", "audit", "warn"):
        labels[f"{prefix}/{mode}"] = security.level
        labels[f"{prefix}/{mode}-version"] = security.version
    return labels


def _hard_limits(workspace: Workspace) -> dict[str, str]:
    """The workspace's quota where it names one, else what its tools need and no more."""
    needs, quota, members = workspace.needs, workspace.quota, len(workspace.members)
    cpu_limit = quota.cpu * 1000 if quota else needs.cpu_limit_milli
    memory = quota.memory_gib * 1024 if quota else needs.memory_mib
    return {
        "pods": str(members + HUB_PODS),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "requests.cpu": f"{needs.cpu_request_milli}m",
        "limits.cpu": f"{cpu_limit}m",
        "requests.memory": f"{memory}Mi",
        "limits.memory": f"{memory}Mi",
        "persistentvolumeclaims": str(members + 1),
        "requests.storage": f"{members * workspace.storage.home_gib + HUB_DATABASE_GIB}Gi",
    }


def _limits() -> LimitRangeSpecArgsDict:
    """Bounds for containers that state none, so that none escapes the quota."""
    small = SIZES["small"]
    return {
        "limits": [
            {
                "type": "Container",
                "default": {"cpu": f"{small.cpu_limit_milli}m", "memory": f"{small.memory_mib}Mi"},
                "default_request": {"cpu": f"{small.cpu_request_milli}m", "memory": f"{small.memory_mib}Mi"},
            }
        ]
    }


def _dns_only(dns: PodSelector) -> NetworkPolicySpecArgsDict:
    return {
        "pod_selector": {},
        "policy_types": ["Egress"],
        "egress": [
            {
                "to": [peer(dns)],
                "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
            }
        ],
    }


class Partition(pulumi.ComponentResource):
    """A project's namespace and walls. Whatever depends on it starts when all of them stand."""

    def __init__(
        self, name: str, workspace: Workspace, profile: Profile, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the partition.

        Args:
            name: logical name of the component, unique in the stack.
            workspace: the project.
            profile: the provider's capabilities.
            opts: usual resource options; the Kubernetes provider comes with them.
        """
        super().__init__("cloison:index:Partition", name, {"project": workspace.name, "profile": profile.name}, opts)
        manifests = partition_manifests(workspace, profile)
        namespace = Namespace(name, metadata=manifests.namespace, opts=pulumi.ResourceOptions(parent=self))
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        deny, dns, quota, limits = manifests.default_deny, manifests.allow_dns, manifests.quota, manifests.limits
        NetworkPolicy(f"{name}-default-deny", metadata=deny.metadata, spec=deny.spec, opts=inside)
        NetworkPolicy(f"{name}-allow-dns", metadata=dns.metadata, spec=dns.spec, opts=inside)
        ResourceQuota(f"{name}-quota", metadata=quota.metadata, spec=quota.spec, opts=inside)
        LimitRange(f"{name}-limits", metadata=limits.metadata, spec=limits.spec, opts=inside)
        ServiceAccount(
            f"{name}-service-account",
            metadata=manifests.service_account,
            automount_service_account_token=False,
            opts=inside,
        )
        self.register_outputs({"namespace": namespace_name(workspace)})
