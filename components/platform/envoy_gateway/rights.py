"""What the controller may do in the Kubernetes API: the rules of its chart, less what is not used here.

Namespaced rights are bound in each namespace that holds routes and nowhere else. Reading Secrets is among them because
the controller lists them wherever it watches, although it needs those of its own namespace alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict

from components.platform.envoy_gateway.names import CLASS

READ = ["get", "list", "watch"]
MANAGE = [*READ, "create", "patch", "delete", "deletecollection"]

GATEWAY_API = "gateway.networking.k8s.io"
OWN_API = "gateway.envoyproxy.io"


@dataclass(frozen=True)
class Grant:
    """A cluster role and how far it reaches."""

    name: str
    rules: Sequence[PolicyRuleArgsDict]
    namespaces: Sequence[str] | None
    """Where it is bound; None for the whole cluster."""


def grants(namespace: str, watched: Sequence[str]) -> list[Grant]:
    """Build the controller's rights.

    Args:
        namespace: where it runs.
        watched: every namespace it watches for routes.
    """
    return [
        Grant("cloison-gateway-class", _cluster_rules(), None),
        Grant("cloison-gateway-routes", _route_rules(), watched),
        Grant("cloison-gateway-proxies", _proxy_rules(), [namespace]),
    ]


def _cluster_rules() -> list[PolicyRuleArgsDict]:
    """Kinds without a namespace; of the classes it changes only its own."""
    return [
        {"api_groups": [""], "resources": ["namespaces", "nodes"], "verbs": READ},
        # Public certificates; watched wherever the cluster serves the kind.
        {"api_groups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": READ},
        {"api_groups": [GATEWAY_API], "resources": ["gatewayclasses"], "verbs": READ},
        _rule(GATEWAY_API, ["gatewayclasses"], ["patch", "update"], [CLASS]),
        _rule(GATEWAY_API, ["gatewayclasses/status"], ["update"], [CLASS]),
    ]


def _route_rules() -> list[PolicyRuleArgsDict]:
    policies = ["clienttrafficpolicies"]
    kinds = ["gateways", "httproutes", "referencegrants", "backendtlspolicies"]
    statuses = ["gateways/status", "httproutes/status", "backendtlspolicies/status"]
    return [
        {"api_groups": [""], "resources": ["configmaps", "secrets", "services"], "verbs": READ},
        {"api_groups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
        {"api_groups": [GATEWAY_API], "resources": kinds, "verbs": READ},
        {"api_groups": [GATEWAY_API], "resources": statuses, "verbs": ["update"]},
        {"api_groups": [OWN_API], "resources": policies, "verbs": READ},
        {"api_groups": [OWN_API], "resources": [f"{kind}/status" for kind in policies], "verbs": ["update"]},
    ]


def _proxy_rules() -> list[PolicyRuleArgsDict]:
    """What it needs to start, change and remove proxies; it also removes what it has not made this time."""
    return [
        {"api_groups": [""], "resources": ["serviceaccounts", "services", "configmaps"], "verbs": MANAGE},
        {"api_groups": ["apps"], "resources": ["deployments", "daemonsets"], "verbs": MANAGE},
        {"api_groups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": MANAGE},
        {"api_groups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": MANAGE},
    ]


def _rule(group: str, resources: list[str], verbs: list[str], names: list[str]) -> PolicyRuleArgsDict:
    return {"api_groups": [group], "resources": resources, "verbs": verbs, "resource_names": names}
