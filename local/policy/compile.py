"""Cluster state to rule set: which pods each policy isolates, and what each of them may exchange with whom.

The compilation is a pure function of the whole state, done anew on every change: there is no incremental state that
could drift from the truth. Only the difference between two rule sets reaches the kernel.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2s
from ipaddress import IPv4Network, collapse_addresses
from itertools import product

from local.policy.model import (
    Address,
    Block,
    Cluster,
    Direction,
    NamedPort,
    Pod,
    PodPeer,
    Policy,
    PortRange,
    Rule,
    Selector,
)
from local.policy.rules import Chain, Endpoint, Match, RuleSet
from local.policy.selectors import selects


def compile_rules(cluster: Cluster) -> RuleSet:
    """Compile the rule set that enforces the cluster's policies on its pods."""
    return _Compilation(cluster).run()


def holders(pods: Iterable[Pod]) -> dict[Address, Pod]:
    """The pod that holds each address. Where several claim one, the latest that is not being deleted does."""
    held: dict[Address, Pod] = {}
    for pod in pods:
        if pod.address and (pod.address not in held or held[pod.address].precedence < pod.precedence):
            held[pod.address] = pod
    return held


def merge_ranges(ports: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """The same ports in as few ranges as possible, sorted."""
    merged: list[PortRange] = []
    for each in sorted(ports, key=lambda each: (each.protocol, each.first)):
        previous = merged[-1] if merged else None
        if previous and previous.protocol is each.protocol and each.first <= previous.last + 1:
            merged[-1] = PortRange(each.protocol, previous.first, max(previous.last, each.last))
        else:
            merged.append(each)
    return tuple(merged)


def subtract(block: Block) -> list[IPv4Network]:
    """The addresses of a block without the excluded ones, as disjoint networks."""
    remaining = [block.network]
    for excluded in block.excluded:
        remaining = [part for network in remaining for part in _without(network, excluded)]
    return remaining


def _without(network: IPv4Network, excluded: IPv4Network) -> Iterator[IPv4Network]:
    if not network.overlaps(excluded):
        yield network
    elif excluded.subnet_of(network):
        yield from network.address_exclude(excluded)


class _Compilation:
    """One compilation: the state, indexed, and the sets and chains met so far."""

    def __init__(self, cluster: Cluster) -> None:
        self.namespaces = cluster.namespaces
        self.pods = holders(cluster.pods)
        self.pods_of: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            self.pods_of[pod.namespace].append(pod)
        self.policies_of: dict[str, list[Policy]] = defaultdict(list)
        for policy in sorted(cluster.policies, key=lambda policy: policy.name):
            self.policies_of[policy.namespace].append(policy)
        self.chains: dict[str, Chain] = {}
        self.addresses: dict[str, frozenset[Address]] = {}
        self.blocks: dict[str, tuple[IPv4Network, ...]] = {}
        self.endpoints: dict[str, frozenset[Endpoint]] = {}
        self.matches_of: dict[tuple[str, str, Direction], tuple[Match, ...]] = {}

    def run(self) -> RuleSet:
        judged = {
            direction: {address: self.chain_of(pod, direction) for address, pod in self.pods.items()}
            for direction in Direction
        }
        return RuleSet(self.chains, self.addresses, self.blocks, self.endpoints, judged)

    def chain_of(self, pod: Pod, direction: Direction) -> str | None:
        """The name of the pod's chain, None if no policy isolates it in this direction."""
        policies = [
            policy
            for policy in self.policies_of.get(pod.namespace, ())
            if direction in policy.rules and selects(policy.selector, pod.labels)
        ]
        if not policies:
            return None
        matches = tuple(dict.fromkeys(match for policy in policies for match in self.matches(policy, direction)))
        name = f"{direction.lower()}_{pod.namespace}_{_digest(direction, matches)}"
        self.chains[name] = Chain(direction, matches)
        return name

    def matches(self, policy: Policy, direction: Direction) -> tuple[Match, ...]:
        """The union of what the policy's rules allow."""
        key = (policy.namespace, policy.name, direction)
        if key not in self.matches_of:
            rules = policy.rules[direction]
            self.matches_of[key] = tuple(match for rule in rules for match in self.allowances(rule, policy.namespace))
        return self.matches_of[key]

    def allowances(self, rule: Rule, namespace: str) -> Iterator[Match]:
        """One match for each pair of a peer and a kind of port: any of the peers, on any of the ports."""
        ranges = merge_ranges(port for port in rule.ports if isinstance(port, PortRange))
        named: list[str | None] = [self.endpoint_set(port) for port in rule.ports if isinstance(port, NamedPort)]
        by_number: list[str | None] = [None] if ranges or not rule.ports else []
        for addresses, endpoints in product(self.peer_sets(rule, namespace), by_number + named):
            yield Match(addresses, endpoints, () if endpoints else ranges)

    def peer_sets(self, rule: Rule, namespace: str) -> list[str | None]:
        """The names of the sets that the rule's peers are in; None stands for every address."""
        if not rule.peers:
            return [None]
        sets: list[str | None] = [self.pod_set(peer, namespace) for peer in rule.peers if isinstance(peer, PodPeer)]
        if blocks := [peer for peer in rule.peers if isinstance(peer, Block)]:
            sets.append(self.block_set(blocks))
        return sets

    def pod_set(self, peer: PodPeer, namespace: str) -> str:
        scope = peer.namespaces or Selector()
        own = peer.namespaces is None
        name = f"pods_{namespace if own else 'any'}_{_digest(own, _canonical(scope), _canonical(peer.pods))}"
        if name not in self.addresses:
            names = [namespace] if own else [each.name for each in self.namespaces if selects(scope, each.labels)]
            pods = (pod for each in names for pod in self.pods_of.get(each, ()))
            chosen = (pod.address for pod in pods if selects(peer.pods, pod.labels))
            self.addresses[name] = frozenset(address for address in chosen if address)
        return name

    def block_set(self, blocks: Sequence[Block]) -> str:
        networks = tuple(collapse_addresses(network for block in blocks for network in subtract(block)))
        name = f"blocks_{_digest(*networks)}"
        self.blocks[name] = networks
        return name

    def endpoint_set(self, port: NamedPort) -> str:
        """Every destination that gives a port this name: the other conditions of a match choose among them."""
        name = f"port_{port.protocol.lower()}_{port.name}"
        if name not in self.endpoints:
            self.endpoints[name] = frozenset(
                (address, each.protocol, each.number)
                for address, pod in self.pods.items()
                for each in pod.ports
                if each.name == port.name and each.protocol is port.protocol
            )
        return name


def _canonical(selector: Selector) -> str:
    return repr(sorted((each.key, each.operator.value, sorted(each.values)) for each in selector.requirements))


def _digest(*content: object) -> str:
    return blake2s(repr(content).encode(), digest_size=8).hexdigest()
