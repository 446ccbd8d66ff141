"""The objects that network policy speaks of, read from the API's JSON.

The definitions are those of https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/.
What the API server has already validated is not validated again; what it defaults is defaulted here too, so that
manifests which never met a server mean the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, ip_network
from typing import Any

Json = Mapping[str, Any]
Labels = Mapping[str, str]
Address = str
"""An IPv4 address in its usual notation. Text, because it is only ever compared and printed."""

LAST_PORT = 65535


class Protocol(StrEnum):
    """The transport protocols that a policy can name."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Direction(StrEnum):
    """The two ways a pod can be isolated; the values are those of `spec.policyTypes`."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Operator(StrEnum):
    """The operators of a label selector's `matchExpressions`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition of a label selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector: every requirement must hold, so one without requirements selects everything."""

    requirements: frozenset[Requirement] = frozenset()


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports `first` to `last`, both included, of one protocol."""

    protocol: Protocol
    first: int = 0
    last: int = LAST_PORT


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port by the name that the receiving pod's containers give it."""

    protocol: Protocol
    name: str


@dataclass(frozen=True, slots=True)
class Block:
    """An `ipBlock`: the addresses of `network` that are in none of `excluded`."""

    network: IPv4Network
    excluded: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods as peers: those that `pods` selects in the namespaces that `namespaces` selects.

    `namespaces` is None where the policy gives no namespaceSelector: then the policy's own namespace is meant.
    """

    namespaces: Selector | None
    pods: Selector


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `ingress` or `egress`: any of the peers, on any of the ports. An empty tuple means every one."""

    peers: tuple[PodPeer | Block, ...] = ()
    ports: tuple[PortRange | NamedPort, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A NetworkPolicy. `rules` has a key for each direction in which it isolates the pods it selects."""

    namespace: str
    name: str
    selector: Selector
    rules: Mapping[Direction, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a pod's container declares under a name."""

    name: str
    protocol: Protocol
    number: int


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as policy sees it.

    Attributes:
        address: None where the pod has none of its own: not yet running, already ended, or on the node's network.
        precedence: Orders pods that claim one address, which happens while a deleted pod's object outlives its
            sandbox. The greatest holds it.
    """

    namespace: str
    name: str
    labels: Labels
    address: Address | None
    ports: tuple[ContainerPort, ...] = ()
    precedence: tuple[bool, str, str] = (True, "", "")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels."""

    name: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Cluster:
    """Everything that decides which packet may pass."""

    namespaces: tuple[Namespace, ...] = ()
    pods: tuple[Pod, ...] = ()
    policies: tuple[Policy, ...] = ()


def parse_namespace(json: Json) -> Namespace:
    """Read a core/v1 Namespace."""
    return Namespace(json["metadata"]["name"], json["metadata"].get("labels") or {})


def parse_pod(json: Json) -> Pod:
    """Read a core/v1 Pod."""
    metadata, status = json["metadata"], json.get("status", {})
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        address=_own_address(json["spec"], status),
        ports=tuple(_named_ports(json["spec"])),
        precedence=("deletionTimestamp" not in metadata, status.get("startTime") or "", metadata.get("uid", "")),
    )


def parse_policy(json: Json) -> Policy:
    """Read a networking.k8s.io/v1 NetworkPolicy."""
    spec = json["spec"]
    lists = {Direction.INGRESS: ("ingress", "from"), Direction.EGRESS: ("egress", "to")}
    rules = {
        direction: tuple(_rule(rule, lists[direction][1]) for rule in spec.get(lists[direction][0]) or ())
        for direction in _directions(spec)
    }
    metadata, selector = json["metadata"], parse_selector(spec.get("podSelector"))
    return Policy(metadata["namespace"], metadata["name"], selector, rules)


def parse_selector(json: Json | None) -> Selector:
    """Read a label selector; a missing one selects everything, as an empty one does."""
    json = json or {}
    labels = (json.get("matchLabels") or {}).items()
    equalities = (Requirement(key, Operator.IN, frozenset({value})) for key, value in labels)
    expressions = (
        Requirement(each["key"], Operator(each["operator"]), frozenset(each.get("values") or ()))
        for each in json.get("matchExpressions") or ()
    )
    return Selector(frozenset(equalities) | frozenset(expressions))


def _own_address(spec: Json, status: Json) -> Address | None:
    if spec.get("hostNetwork") or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    addresses = [each["ip"] for each in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    return next((address for address in addresses if "." in address), None)


def _named_ports(spec: Json) -> list[ContainerPort]:
    """Named ports of the containers that run as long as the pod: the ordinary ones and the sidecars."""
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [
        ContainerPort(port["name"], Protocol(port.get("protocol", "TCP")), port["containerPort"])
        for container in [*spec.get("containers", ()), *sidecars]
        for port in container.get("ports") or ()
        if port.get("name")
    ]


def _directions(spec: Json) -> list[Direction]:
    """`policyTypes`, or its default: Ingress always, Egress where there is an egress rule."""
    if types := spec.get("policyTypes"):
        return [Direction(each) for each in types]
    return [Direction.INGRESS, Direction.EGRESS] if spec.get("egress") else [Direction.INGRESS]


def _rule(json: Json, peers: str) -> Rule:
    return Rule(tuple(map(_peer, json.get(peers) or ())), tuple(map(_port, json.get("ports") or ())))


def _peer(json: Json) -> PodPeer | Block:
    if block := json.get("ipBlock"):
        return _block(block)
    namespaces = json.get("namespaceSelector")
    return PodPeer(None if namespaces is None else parse_selector(namespaces), parse_selector(json.get("podSelector")))


def _block(json: Json) -> Block:
    """Read an ipBlock. One of IPv6 becomes a block without addresses: no pod here can meet any of them."""
    network = ip_network(json["cidr"], strict=False)
    if not isinstance(network, IPv4Network):
        everything = IPv4Network("0.0.0.0/0")
        return Block(everything, (everything,))
    excluded = (ip_network(each, strict=False) for each in json.get("except") or ())
    return Block(network, tuple(each for each in excluded if isinstance(each, IPv4Network)))


def _port(json: Json) -> PortRange | NamedPort:
    protocol, port = Protocol(json.get("protocol") or "TCP"), json.get("port")
    if port is None:
        return PortRange(protocol)
    if isinstance(port, str):
        return NamedPort(protocol, port)
    return PortRange(protocol, port, json.get("endPort") or port)
