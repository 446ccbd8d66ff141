"""A rule set to the kernel: the text that `nft` reads, the difference between two tables, and the call itself.

Every change is one transaction of `nft -f -`: the kernel takes all of it or nothing, and no packet meets a half-made
table.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from local.policy.errors import PolicyError
from local.policy.model import LAST_PORT, Address, Direction, PortRange
from local.policy.rules import Match, RuleSet

NFT_DEADLINE = 30
"""Seconds that one call of nft may take. Hundreds of pods take a hundredth of one."""

BASE_CHAINS: Mapping[str, tuple[str, ...]] = {
    "prerouting": (
        "type filter hook prerouting priority raw; policy accept;",
        'iifname "lo" accept',
        "meta nfproto ipv6 drop",
        "fib saddr . iif oif missing drop",
    ),
    "input": (
        "type filter hook input priority filter; policy accept;",
        "ct state established,related accept",
        "ip saddr @pod_range jump egress",
    ),
    "forward": (
        "type filter hook forward priority filter; policy accept;",
        "ct state established,related accept",
        "ip saddr . ip daddr @self accept",
        "ip saddr @pod_range jump egress",
        "ip daddr @pod_range jump ingress",
    ),
    "egress": ("ip saddr vmap @egress_of", "drop"),
    "ingress": ("ip daddr vmap @ingress_of", "drop"),
}
"""The frame: who is judged, on whose behalf. `self` lets a pod reach itself through its own Service.

Destination NAT has already happened in prerouting, and masquerading only follows in postrouting, so these
hooks see the addresses of the pods themselves. A judgement that allows returns, for the other one to follow.
"""


@dataclass(frozen=True, slots=True)
class NftSet:
    """A set or map of the table: how it is declared, and its elements as text."""

    kind: str
    declaration: str
    elements: frozenset[str]


@dataclass(frozen=True, slots=True)
class Table:
    """The content of an nftables table of family inet."""

    sets: Mapping[str, NftSet]
    chains: Mapping[str, Sequence[str]]


def render(rules: RuleSet, pod_range: Iterable[IPv4Network]) -> Table:
    """Lay the rule set out as a table."""
    pairs = frozenset(f"{address} . {address}" for address in rules.judged[Direction.EGRESS])
    sets = {
        "pod_range": _block_set(pod_range),
        "self": NftSet("set", "typeof ip saddr . ip daddr;", pairs),
        "egress_of": _verdict_map(rules.judged[Direction.EGRESS]),
        "ingress_of": _verdict_map(rules.judged[Direction.INGRESS]),
    }
    sets |= {name: NftSet("set", "type ipv4_addr;", addresses) for name, addresses in rules.addresses.items()}
    sets |= {name: _block_set(networks) for name, networks in rules.blocks.items()}
    for name, endpoints in rules.endpoints.items():
        elements = frozenset(f"{address} . {protocol.lower()} . {port}" for address, protocol, port in endpoints)
        sets[name] = NftSet("set", "typeof ip daddr . meta l4proto . th dport;", elements)
    chains = {name: [*_lines(chain.direction, chain.matches), "drop"] for name, chain in rules.chains.items()}
    return Table(sets, {**BASE_CHAINS, **chains})


def replacement(name: str, new: Table) -> str:
    """The transaction that puts `new` in the place of whatever table of that name stands."""
    return f"table inet {name}\ndelete table inet {name}\n{difference(name, Table({}, {}), new)}"


def removal(name: str) -> str:
    """The transaction that leaves no table of that name, whether or not there was one."""
    return f"table inet {name}\ndelete table inet {name}\n"


def difference(name: str, old: Table, new: Table) -> str:
    """The transaction that turns `old` into `new`; empty if nothing differs.

    Its order keeps every reference whole: what is pointed to is made before, and removed after, what points to it.
    """
    lines = [
        *_declarations(name, old, new),
        *_removed_elements(name, old.sets, new.sets),
        *_added_elements(name, old.sets, new.sets),
        *(f"flush chain inet {name} {each}" for each in old.chains if each not in new.chains),
        *(f"delete chain inet {name} {each}" for each in old.chains if each not in new.chains),
        *(f"delete {old.sets[each].kind} inet {name} {each}" for each in old.sets if each not in new.sets),
    ]
    return "".join(f"{line}\n" for line in lines)


def run_nft(text: str) -> None:
    """Hand one transaction to the kernel, in the network namespace of this process.

    Raises:
        PolicyError: The kernel or nft refused it; nothing has changed.
    """
    result = _nft(["-f", "-"], text)
    if result.returncode:
        message = f"nft refused a transaction of {len(text.splitlines())} lines: {result.stderr.strip()[:500]}"
        raise PolicyError(message)


def listing(name: str) -> str | None:
    """The table as the kernel holds it, in nft's words; None if there is none of that name.

    Raises:
        PolicyError: nft cannot be run.
    """
    result = _nft(["--stateless", "list", "table", "inet", name])
    return result.stdout if result.returncode == 0 else None


def _nft(arguments: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=NFT_DEADLINE, check=False
        )
    except FileNotFoundError as error:
        message = "the command nft is missing: install the Debian package nftables"
        raise PolicyError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"nft did not end within {NFT_DEADLINE} s"
        raise PolicyError(message) from error


def _declarations(name: str, old: Table, new: Table) -> Iterator[str]:
    sets = [(each, content) for each, content in new.sets.items() if each not in old.sets]
    chains = [(each, lines) for each, lines in new.chains.items() if each not in old.chains]
    if not sets and not chains:
        return
    yield f"table inet {name} {{"
    for each, content in sets:
        yield f"  {content.kind} {each} {{ {content.declaration} }}"
    for each, lines in chains:
        yield f"  chain {each} {{"
        yield from (f"    {line}" for line in lines)
        yield "  }"
    yield "}"


def _removed_elements(name: str, old: Mapping[str, NftSet], new: Mapping[str, NftSet]) -> Iterator[str]:
    """What leaves the sets that stay; a set that goes takes its elements along."""
    for each in old:
        if each in new and (elements := old[each].elements - new[each].elements):
            yield f"delete element inet {name} {each} {_braced(elements)}"


def _added_elements(name: str, old: Mapping[str, NftSet], new: Mapping[str, NftSet]) -> Iterator[str]:
    for each in new:
        if elements := new[each].elements - (old[each].elements if each in old else frozenset()):
            yield f"add element inet {name} {each} {_braced(elements)}"


def _braced(elements: Iterable[str]) -> str:
    return f"{{ {', '.join(sorted(elements))} }}"


def _block_set(networks: Iterable[IPv4Network]) -> NftSet:
    return NftSet("set", "type ipv4_addr; flags interval;", frozenset(map(str, networks)))


def _verdict_map(judged: Mapping[Address, str | None]) -> NftSet:
    elements = (f"{address} : {f'goto {chain}' if chain else 'return'}" for address, chain in judged.items())
    return NftSet("map", "type ipv4_addr : verdict;", frozenset(elements))


def _lines(direction: Direction, matches: Iterable[Match]) -> Iterator[str]:
    peer = "ip saddr" if direction is Direction.INGRESS else "ip daddr"
    for match in matches:
        conditions = f"{peer} @{match.addresses} " if match.addresses else ""
        if match.endpoints:
            conditions += f"ip daddr . meta l4proto . th dport @{match.endpoints} "
        for ports in _port_conditions(match.ports) if match.ports else [""]:
            yield f"{conditions}{ports}return"


def _port_conditions(ports: Sequence[PortRange]) -> Iterator[str]:
    for protocol in dict.fromkeys(each.protocol for each in ports):
        ranges = [(each.first, each.last) for each in ports if each.protocol is protocol]
        if ranges == [(0, LAST_PORT)]:
            yield f"meta l4proto {protocol.lower()} "
        else:
            texts = (str(first) if first == last else f"{first}-{last}" for first, last in ranges)
            yield f"{protocol.lower()} dport {{ {', '.join(texts)} }} "
