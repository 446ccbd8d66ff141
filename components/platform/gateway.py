"""The way in: one gateway for the cluster, TLS only, one host for each tool.

The gateway is declared in Gateway API. Where the provider has a GatewayClass of its own, that is all there is;
otherwise Envoy Gateway serves the class (see `components.platform.envoy_gateway`). Routes are declared beside the tools
they lead to (see `components.platform.routes`), and only in namespaces that are named here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.certificates import Certificate, CertificateAuthority
from components.manifests import Manifest
from components.partition import NAMESPACE_NAME_LABEL
from components.platform.envoy_gateway.installation import (
    EnvoyGateway,
    EnvoyGatewayManifests,
    envoy_gateway_manifests,
)
from components.platform.envoy_gateway.names import CLASS, PART
from components.platform.namespaces import PlatformNamespace, platform_metadata
from components.platform.routes import API_VERSION, GATEWAY, GATEWAY_NAMESPACE, LISTENER, custom_resource
from components.platform.secrets import tls_secret
from stacks.profile import Profile

CLIENTS_API_VERSION = "gateway.envoyproxy.io/v1alpha1"
CERTIFICATE = "gateway-certificate"

CLAIMED_HEADERS = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP"]
"""What a client may claim about where it comes from; dropped, so that what tools log is what the gateway saw."""

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class GatewayManifests:
    """The gateway, and what serves it unless the provider does."""

    gateway: Manifest[Spec]
    certificate: ObjectMetaArgsDict | None
    """None where something else keeps the certificate."""
    hosts: str
    """The name that the certificate is for."""
    clients: Manifest[Spec] | None
    """How the listener treats browsers, in Envoy Gateway's own kind; a provider's gateway has its own ways."""
    installation: EnvoyGatewayManifests | None


def gateway_manifests(profile: Profile, images: Mapping[str, str], namespaces: Sequence[str]) -> GatewayManifests:
    """Build the gateway.

    Args:
        profile: the provider's capabilities.
        images: references of the images ``envoy`` and ``envoy-gateway``; unused where the provider has a gateway.
        namespaces: every namespace that holds routes.
    """
    asked = profile.exposure.gateway
    installs = asked.class_name is None
    return GatewayManifests(
        gateway=Manifest(_gateway_metadata(), _gateway(profile, namespaces)),
        certificate=None if asked.certificate_secret else platform_metadata(CERTIFICATE, GATEWAY_NAMESPACE, PART),
        hosts=profile.host("*"),
        clients=Manifest(platform_metadata(GATEWAY, GATEWAY_NAMESPACE, PART), _clients()) if installs else None,
        installation=envoy_gateway_manifests(profile, images, GATEWAY_NAMESPACE, namespaces) if installs else None,
    )


def _gateway_metadata() -> ObjectMetaArgsDict:
    # Ready means that traffic passes, not that the object is stored.
    return {
        **platform_metadata(GATEWAY, GATEWAY_NAMESPACE, PART),
        "annotations": {"pulumi.com/waitFor": "condition=Programmed"},
    }


def _gateway(profile: Profile, namespaces: Sequence[str]) -> Spec:
    asked = profile.exposure.gateway
    listener = {
        "name": LISTENER,
        "hostname": profile.host("*"),
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": asked.certificate_secret or CERTIFICATE}]},
        "allowedRoutes": {"kinds": [{"kind": "HTTPRoute"}], "namespaces": _named(namespaces)},
    }
    return {"gatewayClassName": asked.class_name or CLASS, "listeners": [listener]}


def _clients() -> Spec:
    """TLS 1.2 or newer (RFC 9325 §3.1.1), and never again without TLS."""
    year = {"name": "Strict-Transport-Security", "value": f"max-age={365 * 24 * 3600}"}
    return {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}],
        "tls": {"minVersion": "1.2"},
        "headers": {"earlyRequestHeaders": {"remove": CLAIMED_HEADERS}, "lateResponseHeaders": {"set": [year]}},
    }


def _named(namespaces: Sequence[str]) -> Spec:
    """Namespaces by the label that only Kubernetes itself can set."""
    named = {"key": NAMESPACE_NAME_LABEL, "operator": "In", "values": sorted(namespaces)}
    return {"from": "Selector", "selector": {"matchExpressions": [named]}}


class Gateway(pulumi.ComponentResource):
    """The gateway. It is ready when a browser can reach it."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        manifests: GatewayManifests,
        authority: CertificateAuthority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the gateway.

        Args:
            name: logical name of the component, unique in the stack.
            profile: the provider's capabilities.
            manifests: what `gateway_manifests` built.
            authority: who signs its certificate.
            opts: usual resource options; they make it wait for the kinds and for the namespaces that hold routes.
        """
        super().__init__("cloison:index:Gateway", name, {"profile": profile.name}, opts)
        namespace = PlatformNamespace(GATEWAY_NAMESPACE, PART, profile, pulumi.ResourceOptions(parent=self))
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        before: list[pulumi.Resource] = [namespace]
        if manifests.certificate:
            before.append(_certificate(self, name, manifests, manifests.certificate, authority, inside))
        if manifests.installation:
            before.append(EnvoyGateway(f"{name}-envoy", manifests.installation, inside))
        gateway = custom_resource(self, name, (API_VERSION, "Gateway"), manifests.gateway, before)
        if manifests.clients:
            custom_resource(
                self, f"{name}-clients", (CLIENTS_API_VERSION, "ClientTrafficPolicy"), manifests.clients, [gateway]
            )
        self.register_outputs({"hosts": manifests.hosts})


def _certificate(
    parent: pulumi.Resource,
    name: str,
    manifests: GatewayManifests,
    metadata: ObjectMetaArgsDict,
    authority: CertificateAuthority,
    inside: pulumi.ResourceOptions,
) -> Secret:
    signed = Certificate(
        f"{name}-certificate", authority, [manifests.hosts], opts=pulumi.ResourceOptions(parent=parent)
    )
    return tls_secret(f"{name}-certificate", metadata, signed, inside)
