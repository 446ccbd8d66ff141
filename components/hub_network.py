"""Who talks to whom in a project with a hub.

    gateway → proxy → hub, servers        servers → hub        hub → proxy's API, servers, issuer, Kubernetes' API

Everything else is closed by the partition. Policies select pods by the labels that the program itself gives to hub,
proxy and servers, in the one namespace that holds all three: where servers live elsewhere than their policies, the
policies select nothing and nobody notices (github.com/jupyterhub/zero-to-jupyterhub-k8s issue 3952).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi_kubernetes.networking.v1 import (
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyIngressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
    NetworkPolicySpecArgsDict,
)

from components import servers
from components.manifests import Manifest
from components.naming import namespace_name, project_labels
from components.partition import peer
from stacks.profile import ApiServer, PodSelector
from workspaces.model import Workspace

HUB_PORT = 8081
PROXY_API_PORT = 8001
"""Where the hub tells the proxy which path leads where."""


@dataclass(frozen=True)
class Destination:
    """Something outside the project: pods of the platform, or ranges of addresses."""

    port: int
    pods: PodSelector | None = None
    cidrs: Sequence[str] = ()

    def peers(self) -> list[NetworkPolicyPeerArgsDict]:
        """The destination as a network policy names it.

        Raises:
            ValueError: it names neither pods nor addresses; a policy without peers would open everything.
        """
        pods: list[NetworkPolicyPeerArgsDict] = [peer(self.pods)] if self.pods else []
        addresses: list[NetworkPolicyPeerArgsDict] = [{"ip_block": {"cidr": cidr}} for cidr in self.cidrs]
        if not pods and not addresses:
            raise ValueError(f"the destination at port {self.port} names neither pods nor addresses: give one of them")
        return pods + addresses


def component_labels(workspace: Workspace, component: str) -> dict[str, str]:
    """Labels of the hub's or the proxy's objects and pods."""
    return {
        **project_labels(workspace),
        "app.kubernetes.io/name": "jupyterhub",
        servers.COMPONENT_LABEL: component,
    }


def hub_policy(workspace: Workspace, api_server: ApiServer, issuer: Destination) -> Manifest[NetworkPolicySpecArgsDict]:
    """What reaches the hub and what the hub reaches."""
    return _policy(
        workspace,
        "hub",
        component_labels(workspace, "hub"),
        ingress=[_from([_proxy(workspace), _servers(workspace)], HUB_PORT)],
        egress=[
            _to([_proxy(workspace)], PROXY_API_PORT),
            _to([_servers(workspace)], servers.PORT),
            _to(Destination(api_server.port, cidrs=api_server.cidrs).peers(), api_server.port),
            _to(issuer.peers(), issuer.port),
        ],
    )


def proxy_policy(workspace: Workspace) -> Manifest[NetworkPolicySpecArgsDict]:
    """What the proxy reaches, and the hub's way to its API; the gateway's way in belongs to the route."""
    return _policy(
        workspace,
        "proxy",
        component_labels(workspace, "proxy"),
        ingress=[_from([_hub(workspace)], PROXY_API_PORT)],
        egress=[_to([_hub(workspace)], HUB_PORT), _to([_servers(workspace)], servers.PORT)],
    )


def servers_policy(workspace: Workspace) -> Manifest[NetworkPolicySpecArgsDict]:
    """What reaches members' servers and what they reach: the hub, and what the workspace file allows."""
    return _policy(
        workspace,
        "servers",
        servers.server_labels(workspace),
        ingress=[_from([_proxy(workspace), _hub(workspace)], servers.PORT)],
        egress=[
            _to([_hub(workspace)], HUB_PORT),
            *(_to([{"ip_block": {"cidr": str(each.cidr)}}], each.port) for each in workspace.egress),
        ],
    )


def _hub(workspace: Workspace) -> NetworkPolicyPeerArgsDict:
    return {"pod_selector": {"match_labels": component_labels(workspace, "hub")}}


def _proxy(workspace: Workspace) -> NetworkPolicyPeerArgsDict:
    return {"pod_selector": {"match_labels": component_labels(workspace, "proxy")}}


def _servers(workspace: Workspace) -> NetworkPolicyPeerArgsDict:
    return {"pod_selector": {"match_labels": servers.server_labels(workspace)}}


def _from(peers: list[NetworkPolicyPeerArgsDict], port: int) -> NetworkPolicyIngressRuleArgsDict:
    return {"from_": peers, "ports": [{"protocol": "TCP", "port": port}]}


def _to(peers: list[NetworkPolicyPeerArgsDict], port: int) -> NetworkPolicyEgressRuleArgsDict:
    return {"to": peers, "ports": [{"protocol": "TCP", "port": port}]}


def _policy(
    workspace: Workspace,
    name: str,
    selected: dict[str, str],
    *,
    ingress: list[NetworkPolicyIngressRuleArgsDict],
    egress: list[NetworkPolicyEgressRuleArgsDict],
) -> Manifest[NetworkPolicySpecArgsDict]:
    return Manifest(
        {"name": name, "namespace": namespace_name(workspace), "labels": project_labels(workspace)},
        {
            "pod_selector": {"match_labels": selected},
            "policy_types": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )
