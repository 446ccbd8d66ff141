"""Links between two platforms: the only way from one into another, explicit and gone with either of them.

A link is a pair of virtual interfaces, ``to-b`` in platform a and ``to-a`` in platform b, with one address at each
end. Pods of a reach b at that address, and by the name ``b.platform.internal``: its API server on port 6443 and
whatever its owner exposes as a NodePort Service. They arrive with a's end as their source, since the pod networks of
both have the same addresses. Network policies of both sides apply.
"""

import ipaddress
import json
import zlib
from dataclasses import dataclass

from local import network
from local.errors import RefusedError
from local.paths import Layout

LINK_NETWORK = ipaddress.IPv4Network("10.11.0.0/16")
"""Each link takes four addresses of it: network, lower name's end, higher name's end, broadcast."""

TABLE = "cloison_links"

ZONE = "platform.internal"


@dataclass(frozen=True)
class End:
    """One end of a link.

    Attributes:
        peer: name of the platform at the other end.
        address: of this end.
        peer_address: of the other end.
    """

    peer: str
    address: str
    peer_address: str

    @property
    def name(self) -> str:
        """The name under which pods of this platform reach the other."""
        return f"{self.peer}.{ZONE}"


def ends(layout: Layout) -> list[End]:
    """The links of a platform, as its network namespace has them."""
    if not network.exists(layout):
        return []
    listing = json.loads(network.run([*network.enter(layout), "ip", "-json", "-4", "address", "show"]))
    found = {entry["ifname"]: entry["addr_info"] for entry in listing if entry["ifname"].startswith("to-")}
    return [_end(name.removeprefix("to-"), own[0]["local"]) for name, own in sorted(found.items()) if own]


def link(first: Layout, second: Layout) -> End:
    """Join two platforms that are up; returns the end in the first one. A link that stands already stays.

    Raises:
        RefusedError: a platform is not up, or both are the same.
    """
    _require_two(first, second)
    if not (_end_of(first, second) and _end_of(second, first)):
        _make(*sorted((first, second), key=lambda layout: layout.name))
    return next(end for end in ends(first) if end.peer == second.name)


def unlink(first: Layout, second: Layout) -> None:
    """Take the link between two platforms away, with the connections over it.

    Raises:
        RefusedError: there is no such link.
    """
    if not (_end_of(first, second) or _end_of(second, first)):
        message = f"platforms {first.name} and {second.name} are not linked: see `python -m local status`"
        raise RefusedError(message)
    _delete(first, second)


def unlink_all(layout: Layout) -> None:
    """Take all links of a platform away, at once: the kernel would take its time once the namespace is gone."""
    for end in ends(layout):
        _delete(layout, Layout(end.peer))


def _end_of(layout: Layout, peer: Layout) -> bool:
    return peer.name in [end.peer for end in ends(layout)]


def _make(lower: Layout, higher: Layout) -> None:
    _delete(lower, higher)  # half made, if an earlier command was interrupted
    subnet = _free_subnet(lower, higher)
    network.run([
        *network.enter(lower), "ip", "link", "add", f"to-{higher.name}", "type", "veth",
        "peer", "name", f"to-{lower.name}", "netns", higher.namespace,
    ])  # fmt: skip
    for layout, peer, address in ((lower, higher, subnet[1]), (higher, lower, subnet[2])):
        _configure(layout, f"to-{peer.name}", f"{address}/{subnet.prefixlen}")


def _delete(layout: Layout, peer: Layout) -> None:
    """Remove one end; the other goes with it."""
    if f"to-{peer.name}" in network.interfaces(layout):
        network.run([*network.enter(layout), "ip", "link", "delete", f"to-{peer.name}"])


def _end(peer: str, address: str) -> End:
    own = ipaddress.ip_address(address)
    other = own + 1 if int(own) % 4 == 1 else own - 1
    return End(peer, str(own), str(other))


def _require_two(first: Layout, second: Layout) -> None:
    if first == second:
        message = f"a link needs two platforms, not {first.name} twice"
        raise RefusedError(message)
    for layout in (first, second):
        if not network.exists(layout):
            message = f"platform {layout.name} is not up: `python -m local up --name {layout.name}`"
            raise RefusedError(message)


def _free_subnet(lower: Layout, higher: Layout) -> ipaddress.IPv4Network:
    """The subnet that the two names lead to, or the next one that neither platform uses."""
    subnets = list(LINK_NETWORK.subnets(new_prefix=30))
    first = zlib.crc32(f"{lower.name} {higher.name}".encode()) % len(subnets)
    used = {ipaddress.ip_address(end.address) for layout in (lower, higher) for end in ends(layout)}
    ordered = subnets[first:] + subnets[:first]
    return next(subnet for subnet in ordered if not any(address in subnet for address in used))


def _configure(layout: Layout, interface: str, address: str) -> None:
    inside = network.enter(layout)
    network.run([*inside, "ip", "address", "add", address, "dev", interface])
    network.run([*inside, "ip", "link", "set", interface, "up"])
    chain = 'chain source { type nat hook postrouting priority 100; oifname "to-*" masquerade; }'
    network.run([*inside, "nft", f"add table ip {TABLE}; delete table ip {TABLE}; table ip {TABLE} {{ {chain}; }}"])
