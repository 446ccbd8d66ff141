"""Namespaces of the platform's own: as closed as a project's, opened by the part that lives in each."""

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict

from components.manifests import Manifest
from components.partition import DENY_ALL, pod_security_labels
from stacks.profile import Profile

PLATFORM_LABEL = "cloison/platform"


def platform_labels(part: str) -> dict[str, str]:
    """Labels on every object of a part of the platform."""
    return {PLATFORM_LABEL: part, "app.kubernetes.io/part-of": "platform"}


def platform_metadata(name: str, namespace: str, part: str) -> ObjectMetaArgsDict:
    """Metadata of an object of a part of the platform."""
    return {"name": name, "namespace": namespace, "labels": platform_labels(part)}


def namespace_manifest(name: str, part: str, profile: Profile) -> ObjectMetaArgsDict:
    """Build a namespace that enforces Pod Security ``restricted``."""
    return {"name": name, "labels": platform_labels(part) | pod_security_labels(profile.cluster.pod_security)}


def default_deny_manifest(namespace: str, part: str) -> Manifest[NetworkPolicySpecArgsDict]:
    """Build the policy that denies all traffic, both ways."""
    return Manifest(platform_metadata("default-deny", namespace, part), DENY_ALL)


class PlatformNamespace(pulumi.ComponentResource):
    """A namespace with its walls. Whatever depends on it starts when they stand."""

    def __init__(self, name: str, part: str, profile: Profile, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the namespace.

        Args:
            name: its name in the cluster, and of the component in the stack.
            part: the part of the platform that lives in it.
            profile: the provider's capabilities.
            opts: usual resource options; the Kubernetes provider comes with them.
        """
        super().__init__("cloison:index:PlatformNamespace", name, {"part": part}, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(name, metadata=namespace_manifest(name, part, profile), opts=child)
        deny = default_deny_manifest(name, part)
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        NetworkPolicy(f"{name}-default-deny", metadata=deny.metadata, spec=deny.spec, opts=inside)
        self.register_outputs({"namespace": name})
