"""A rule set as plain data: what `compile` writes and `nftables` puts before the kernel.

A packet is judged twice: on behalf of its source (egress) and on behalf of its destination (ingress). Each judgement
looks the pod's address up in one map. An address that is missing there belongs to no live pod: drop. One without a
chain is not isolated: pass. Otherwise the packet passes if any match of the chain holds, and is dropped if none does.

Pods under the same policies share a chain, and equal peers share an address set. So the kernel's work for a packet
grows with the rules of its own pod's policies only, and a pod that comes or goes is a few set elements, not new rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from local.policy.model import Address, Direction, PortRange, Protocol

Endpoint = tuple[Address, Protocol, int]
"""A destination: address, protocol, port."""


@dataclass(frozen=True, slots=True)
class Match:
    """One way to be allowed: every condition given must hold. Without conditions, everything is allowed.

    Attributes:
        addresses: Name of an address set or block set that the peer's address must be in (the source on ingress, the
            destination on egress).
        endpoints: Name of an endpoint set that the packet's destination must be in.
        ports: The packet's protocol and destination port must be in one of these; empty means any traffic at all.
    """

    addresses: str | None = None
    endpoints: str | None = None
    ports: tuple[PortRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """The allowances of the pods under one combination of policies, in one direction."""

    direction: Direction
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything that the kernel needs to judge a packet.

    Attributes:
        chains: By name. The name holds a digest of the content, so a chain never changes.
        addresses: Pod addresses by set name.
        blocks: Disjoint networks by set name. The name is a digest of the content.
        endpoints: Destinations by set name.
        judged: For each direction, the chain of each live pod's address, None for a pod that is not isolated.
    """

    chains: Mapping[str, Chain] = field(default_factory=dict)
    addresses: Mapping[str, frozenset[Address]] = field(default_factory=dict)
    blocks: Mapping[str, tuple[IPv4Network, ...]] = field(default_factory=dict)
    endpoints: Mapping[str, frozenset[Endpoint]] = field(default_factory=dict)
    judged: Mapping[Direction, Mapping[Address, str | None]] = field(
        default_factory=lambda: {direction: {} for direction in Direction}
    )
