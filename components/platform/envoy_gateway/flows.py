"""The traffic that passes in the gateway's namespace; everything else is denied there."""

from collections.abc import Mapping, Sequence

from pulumi_kubernetes.networking.v1 import (
    NetworkPolicyPeerArgsDict,
    NetworkPolicyPortArgsDict,
    NetworkPolicySpecArgsDict,
)

from components.manifests import Manifest
from components.partition import NAMESPACE_NAME_LABEL, peer
from components.platform.envoy_gateway.names import CONTROLLER_LABELS, LISTENER_PORT, PART, PROXY_LABELS, XDS_PORT
from components.platform.namespaces import platform_metadata
from components.platform.routes import ROUTED_LABELS, ROUTED_PORT
from stacks.profile import Profile


def policies(profile: Profile, namespace: str, routed: Sequence[str]) -> dict[str, Manifest[NetworkPolicySpecArgsDict]]:
    """Build the policies, by name.

    Args:
        profile: the provider's capabilities.
        namespace: where controller and proxies run.
        routed: namespaces that hold routes, and the tools they lead to.
    """
    specs = {"controller": _controller(profile), "proxies": _proxies(profile, routed)}
    return {name: Manifest(platform_metadata(name, namespace, PART), spec) for name, spec in specs.items()}


def _controller(profile: Profile) -> NetworkPolicySpecArgsDict:
    """Proxies ask it; it asks the Kubernetes API."""
    server = profile.cluster.api_server
    return {
        "pod_selector": {"match_labels": CONTROLLER_LABELS},
        "policy_types": ["Ingress", "Egress"],
        "ingress": [{"from_": [_pods(PROXY_LABELS)], "ports": _tcp(XDS_PORT)}],
        "egress": [{"to": [{"ip_block": {"cidr": cidr}} for cidr in server.cidrs], "ports": _tcp(server.port)}],
    }


def _proxies(profile: Profile, routed: Sequence[str]) -> NetworkPolicySpecArgsDict:
    """Anyone reaches the listener; proxies reach the tools, the controller, and the DNS that names it."""
    tools: NetworkPolicyPeerArgsDict = {
        "namespace_selector": {
            "match_expressions": [{"key": NAMESPACE_NAME_LABEL, "operator": "In", "values": sorted(routed)}]
        },
        "pod_selector": {"match_labels": ROUTED_LABELS},
    }
    dns: list[NetworkPolicyPortArgsDict] = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    return {
        "pod_selector": {"match_labels": PROXY_LABELS},
        "policy_types": ["Ingress", "Egress"],
        "ingress": [{"ports": _tcp(LISTENER_PORT)}],
        "egress": [
            {"to": [_pods(CONTROLLER_LABELS)], "ports": _tcp(XDS_PORT)},
            {"to": [tools], "ports": _tcp(ROUTED_PORT)},
            {"to": [peer(profile.cluster.dns)], "ports": dns},
        ],
    }


def _pods(labels: Mapping[str, str]) -> NetworkPolicyPeerArgsDict:
    return {"pod_selector": {"match_labels": labels}}


def _tcp(port: int) -> list[NetworkPolicyPortArgsDict]:
    return [{"protocol": "TCP", "port": port}]
