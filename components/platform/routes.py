"""A tool's host at the gateway: the route, trust in the tool's certificate, and the one flow that it opens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict

from components.certificates import CertificateAuthority
from components.manifests import Manifest
from components.partition import peer
from components.platform.envoy_gateway.names import PROXY_LABELS
from stacks.profile import PodSelector, Profile

GATEWAY_NAMESPACE = "platform-gateway"
GATEWAY = "gateway"
"""Name of the gateway, and of the Service in front of it."""
LISTENER = "https"
API_VERSION = "gateway.networking.k8s.io/v1"

ROUTED_LABELS = {"cloison/routed": "true"}
"""What the gateway may reach: pods that routes lead to carry this."""
ROUTED_PORT = 8443
"""Where they listen, for TLS."""

ACCEPTED = 'jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True'
"""A route is ready when the gateway has taken it up, not when it is stored."""

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Backend:
    """A Service that a route leads to; it listens on 443, and its pods, for TLS, on `ROUTED_PORT`."""

    service: str
    namespace: str
    dns_domain: str
    labels: Mapping[str, str]
    """Labels of the route's objects."""

    @property
    def host(self) -> str:
        """The name in its certificate."""
        return f"{self.service}.{self.namespace}.svc.{self.dns_domain}"

    def metadata(self, name: str) -> ObjectMetaArgsDict:
        """Metadata of an object beside it."""
        return {"name": name, "namespace": self.namespace, "labels": self.labels}


@dataclass(frozen=True)
class RouteManifests:
    """The objects of a route, as they are declared."""

    route: Manifest[Spec]
    trust: Manifest[Spec]
    authority: ObjectMetaArgsDict
    allow_gateway: Manifest[NetworkPolicySpecArgsDict] | None
    """None where traffic enters on the pod's own node, which Kubernetes always admits."""


def route_manifests(host: str, backend: Backend, profile: Profile, paths: Sequence[str] = ("/",)) -> RouteManifests:
    """Build a route.

    Args:
        host: first label of its name below the gateway's domain.
        backend: where it leads.
        profile: the provider's capabilities.
        paths: prefixes that pass; everything else under the host is answered by 404 at the gateway.
    """
    name = f"{backend.service}-route"
    sender = entry(profile)
    return RouteManifests(
        route=Manifest(
            {**backend.metadata(name), "annotations": {"pulumi.com/waitFor": ACCEPTED}},
            _route(profile.host(host), backend, paths),
        ),
        trust=Manifest(backend.metadata(name), _trust(backend, name)),
        authority=backend.metadata(name),
        allow_gateway=Manifest(backend.metadata(f"{name}-from-gateway"), _from(sender)) if sender else None,
    )


def entry(profile: Profile) -> PodSelector | None:
    """The pods that traffic from outside comes from."""
    asked = profile.exposure.gateway
    if asked.class_name is None:
        return PodSelector(namespace=GATEWAY_NAMESPACE, pod_labels=PROXY_LABELS)
    return asked.entry


def _route(host: str, backend: Backend, paths: Sequence[str]) -> Spec:
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}} for path in paths],
        "backendRefs": [{"name": backend.service, "port": 443}],
        # Notebooks stream for as long as their cells run.
        "timeouts": {"request": "0s"},
    }
    parent = {"name": GATEWAY, "namespace": GATEWAY_NAMESPACE, "sectionName": LISTENER}
    return {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}


def _trust(backend: Backend, authority: str) -> Spec:
    """The gateway speaks TLS to the tool and believes no other authority than the stack's own."""
    return {
        "targetRefs": [{"group": "", "kind": "Service", "name": backend.service}],
        "validation": {
            "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": authority}],
            "hostname": backend.host,
        },
    }


def _from(sender: PodSelector) -> NetworkPolicySpecArgsDict:
    return {
        "pod_selector": {"match_labels": ROUTED_LABELS},
        "policy_types": ["Ingress"],
        "ingress": [{"from_": [peer(sender)], "ports": [{"protocol": "TCP", "port": ROUTED_PORT}]}],
    }


class Route(pulumi.ComponentResource):
    """A host at the gateway. It is ready when the gateway has taken it up.

    So it waits for the gateway, and the gateway for no component that holds a route: only for the namespaces.
    """

    def __init__(
        self,
        name: str,
        manifests: RouteManifests,
        authority: CertificateAuthority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the route.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `route_manifests` built.
            authority: who signed the tool's certificate.
            opts: usual resource options; they make it wait for the gateway and for its namespace.
        """
        super().__init__("cloison:index:Route", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        trusted = {"ca.crt": authority.certificate}
        known = ConfigMap(f"{name}-authority", metadata=manifests.authority, data=trusted, opts=child)
        trust = custom_resource(self, f"{name}-trust", (API_VERSION, "BackendTLSPolicy"), manifests.trust, [known])
        if manifests.allow_gateway:
            allowed = manifests.allow_gateway
            NetworkPolicy(f"{name}-from-gateway", metadata=allowed.metadata, spec=allowed.spec, opts=child)
        # After the trust: for a moment without it the gateway would speak plain text to the tool.
        custom_resource(self, name, (API_VERSION, "HTTPRoute"), manifests.route, [trust])
        self.register_outputs({"hosts": manifests.route.spec["hostnames"]})


def custom_resource(
    parent: pulumi.Resource,
    name: str,
    kind: tuple[str, str],
    manifest: Manifest[Spec],
    after: Sequence[pulumi.Resource],
) -> CustomResource:
    """Declare an object of a kind that Pulumi has no class for.

    Args:
        parent: the component it belongs to.
        name: logical name, unique in the stack.
        kind: version of its API, and its kind.
        manifest: the object.
        after: what it waits for.
    """
    return CustomResource(
        name,
        api_version=kind[0],
        kind=kind[1],
        metadata=manifest.metadata,
        spec=manifest.spec,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=after),
    )
