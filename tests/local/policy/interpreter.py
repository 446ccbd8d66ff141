"""What the kernel does with a packet under a rule set, as `local.policy.nftables` lays it out, without a kernel."""

from ipaddress import IPv4Network, ip_address

from local.policy.model import Direction
from local.policy.rules import Match, RuleSet
from tests.local.policy.reference import Packet


def passes(packet: Packet, rules: RuleSet, pod_range: IPv4Network, node: str) -> bool:
    """Whether the packet passes the hook that it meets: forward, or input if it goes to the node."""
    if packet.source in (node, packet.destination):
        return True
    egress = ip_address(packet.source) not in pod_range or _judge(packet, rules, Direction.EGRESS)
    if packet.destination == node:
        return egress
    return egress and (ip_address(packet.destination) not in pod_range or _judge(packet, rules, Direction.INGRESS))


def _judge(packet: Packet, rules: RuleSet, direction: Direction) -> bool:
    own, peer = (
        (packet.destination, packet.source) if direction is Direction.INGRESS else (packet.source, packet.destination)
    )
    judged = rules.judged[direction]
    if own not in judged:
        return False
    chain = judged[own]
    return chain is None or any(_holds(match, packet, peer, rules) for match in rules.chains[chain].matches)


def _holds(match: Match, packet: Packet, peer: str, rules: RuleSet) -> bool:
    return (
        _is_in_set(match.addresses, peer, rules)
        and (match.endpoints is None or _endpoint(packet) in rules.endpoints[match.endpoints])
        and (not match.ports or any(_is_port(each, packet) for each in match.ports))
    )


def _is_in_set(name: str | None, address: str, rules: RuleSet) -> bool:
    if name is None:
        return True
    if name in rules.blocks:
        return any(ip_address(address) in network for network in rules.blocks[name])
    return address in rules.addresses[name]


def _endpoint(packet: Packet) -> tuple[str, str, int]:
    return packet.destination, packet.protocol, packet.port


def _is_port(ports, packet: Packet) -> bool:
    return ports.protocol == packet.protocol and ports.first <= packet.port <= ports.last
