"""Network policy straight from the API's definition, one packet at a time: slow, plain, and the compiler's judge.

Written from https://kubernetes.io/docs/concepts/services-networking/network-policies/ and the field descriptions of
https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/, on the API's own JSON. It
shares nothing with `local.policy`: neither its model nor its selectors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection; `protocol` is TCP, UDP, SCTP or something a port cannot name, such as ICMP."""

    source: str
    destination: str
    protocol: str
    port: int


@dataclass(frozen=True)
class World:
    """The objects of a cluster and the addresses of its node."""

    namespaces: Sequence[Json]
    pods: Sequence[Json]
    policies: Sequence[Json]
    pod_range: str
    node: str


def is_allowed(packet: Packet, world: World) -> bool:
    """Whether the packet may pass: both its source's egress and its destination's ingress must allow it."""
    if packet.source in (world.node, packet.destination):
        return True  # "traffic to and from the node where a Pod is running", and "a Pod cannot block access to itself"
    return _allows_egress(packet, world) and _allows_ingress(packet, world)


def _allows_egress(packet: Packet, world: World) -> bool:
    pod = _pod_at(packet.source, world)
    if pod is None:
        return not _is_in(packet.source, world.pod_range)
    return _allows(pod, "Egress", packet.destination, packet, world)


def _allows_ingress(packet: Packet, world: World) -> bool:
    pod = _pod_at(packet.destination, world)
    if pod is None:
        return not _is_in(packet.destination, world.pod_range)
    return _allows(pod, "Ingress", packet.source, packet, world)


def _allows(pod: Json, direction: str, peer: str, packet: Packet, world: World) -> bool:
    """Not isolated, or allowed by at least one rule of at least one policy that selects the pod."""
    policies = list(_policies_for(pod, direction, world))
    return not policies or any(
        _rule_allows(rule, policy, direction, peer, packet, world)
        for policy in policies
        for rule in policy["spec"].get(direction.lower()) or []
    )


def _policies_for(pod: Json, direction: str, world: World) -> Iterator[Json]:
    for policy in world.policies:
        spec = policy["spec"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        same_namespace = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        if same_namespace and direction in types and _selects(spec.get("podSelector") or {}, _labels(pod)):
            yield policy


def _rule_allows(rule: Json, policy: Json, direction: str, peer: str, packet: Packet, world: World) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to") or []
    ports = rule.get("ports") or []
    return (not peers or any(_is_peer(each, policy, peer, world) for each in peers)) and (
        not ports or any(_is_port(each, packet, world) for each in ports)
    )


def _is_peer(peer: Json, policy: Json, address: str, world: World) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _is_in(address, block["cidr"]) and not any(_is_in(address, each) for each in block.get("except") or [])
    pod = _pod_at(address, world)
    if pod is None or not _selects(peer.get("podSelector") or {}, _labels(pod)):
        return False
    if peer.get("namespaceSelector") is None:
        return pod["metadata"]["namespace"] == policy["metadata"]["namespace"]
    namespace = next(each for each in world.namespaces if each["metadata"]["name"] == pod["metadata"]["namespace"])
    return _selects(peer["namespaceSelector"], _labels(namespace))


def _is_port(port: Json, packet: Packet, world: World) -> bool:
    if packet.protocol != port.get("protocol", "TCP"):
        return False
    number = port.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return packet.port in _numbers_named(number, packet.protocol, _pod_at(packet.destination, world))
    return number <= packet.port <= port.get("endPort", number)


def _numbers_named(name: str, protocol: str, pod: Json | None) -> list[int]:
    containers = pod["spec"]["containers"] if pod else []
    return [
        port["containerPort"]
        for container in containers
        for port in container.get("ports", [])
        if port.get("name") == name and port.get("protocol", "TCP") == protocol
    ]


def _selects(selector: Json, labels: Json) -> bool:
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(_fits(e, labels) for e in expressions)


def _fits(expression: Json, labels: Json) -> bool:
    key, values = expression["key"], expression.get("values", [])
    answers = {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return answers[expression["operator"]]


def _pod_at(address: str, world: World) -> Json | None:
    """The live pod with this address of its own. Pods on the node's network are not policy's business."""
    for pod in world.pods:
        ended = pod["status"].get("phase") in ("Succeeded", "Failed")
        if not ended and not pod["spec"].get("hostNetwork") and pod["status"].get("podIP") == address:
            return pod
    return None


def _labels(thing: Json) -> Json:
    return thing["metadata"].get("labels") or {}


def _is_in(address: str, cidr: str) -> bool:
    return ip_address(address) in ip_network(cidr)
