"""The compiled rule set decides every packet as the API's definition does."""

from ipaddress import IPv4Network

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.policy.compile import compile_rules, merge_ranges, subtract
from local.policy.model import (
    Block,
    Cluster,
    Direction,
    PortRange,
    Protocol,
    parse_namespace,
    parse_pod,
    parse_policy,
)
from local.policy.rules import RuleSet
from tests.local.policy.interpreter import passes
from tests.local.policy.reference import Packet, World, is_allowed
from tests.local.policy.worlds import EVERY_PACKET, NODE, POD_ADDRESSES, POD_RANGE, worlds


def compiled(world: World) -> RuleSet:
    return compile_rules(
        Cluster(
            tuple(map(parse_namespace, world.namespaces)),
            tuple(map(parse_pod, world.pods)),
            tuple(map(parse_policy, world.policies)),
        )
    )


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_rule_set_decides_as_the_definition_does(world: World):
    rules = compiled(world)
    wrong = [
        each for each in EVERY_PACKET if passes(each, rules, IPv4Network(POD_RANGE), NODE) != is_allowed(each, world)
    ]
    assert not wrong


@settings(max_examples=60, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(world: World, random):
    namespaces, some, policies = (
        random.sample(each, len(each)) for each in (world.namespaces, world.pods, world.policies)
    )
    shuffled = World(namespaces, some, policies, world.pod_range, world.node)
    first, second = compiled(world), compiled(shuffled)
    assert first.addresses == second.addresses
    assert first.judged == second.judged
    assert first.chains == second.chains


def pod(name: str, address: str = "10.20.0.2", namespace: str = "x", **metadata) -> dict:
    return {
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"containers": [{}]},
        "status": {"phase": "Running", "podIP": address},
    }


def closed(namespace: str = "x") -> dict:
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return {"metadata": {"name": "closed", "namespace": namespace}, "spec": spec}


def test_pods_under_the_same_policies_share_a_chain():
    rules = compiled(World([], [pod(f"p{n}", f"10.20.0.{n}") for n in range(2, 200)], [closed()], POD_RANGE, NODE))
    assert len(rules.chains) == 2
    assert len(set(rules.judged[Direction.INGRESS].values())) == 1


def test_an_address_goes_to_the_pod_that_is_not_being_deleted():
    old = pod("old", namespace="x", deletionTimestamp="2026-01-01T00:00:00Z")
    for order in ([old, pod("new", namespace="y")], [pod("new", namespace="y"), old]):
        rules = compiled(World([], order, [closed("y")], POD_RANGE, NODE))
        assert rules.judged[Direction.INGRESS]["10.20.0.2"] is not None


def test_a_pod_on_the_nodes_network_has_no_address_to_judge():
    node_pod = pod("probe")
    node_pod["spec"]["hostNetwork"] = True
    assert compiled(World([], [node_pod], [closed()], POD_RANGE, NODE)).judged[Direction.INGRESS] == {}


def test_a_named_port_counts_with_its_own_protocol_only():
    server = pod("server")
    server["spec"]["containers"] = [{"ports": [{"name": "dns", "protocol": "UDP", "containerPort": 53}]}]
    rule = {"ports": [{"port": "dns", "protocol": "TCP"}]}
    policy = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"podSelector": {}, "ingress": [rule]}}
    rules = compiled(World([], [server], [policy], POD_RANGE, NODE))
    assert not any(
        passes(Packet("192.0.2.7", "10.20.0.2", protocol, 53), rules, IPv4Network(POD_RANGE), NODE)
        for protocol in ("TCP", "UDP")
    )


def test_equal_policies_of_two_namespaces_mean_each_their_own_pods():
    rule = {"from": [{"podSelector": {}}]}
    policies = [
        {"metadata": {"name": "own", "namespace": name}, "spec": {"podSelector": {}, "ingress": [rule]}}
        for name in "xy"
    ]
    pods = [pod("a", "10.20.0.2", "x"), pod("b", "10.20.0.3", "x"), pod("c", "10.20.1.2", "y")]
    rules = compiled(World([], pods, policies, POD_RANGE, NODE))
    assert sorted(map(sorted, rules.addresses.values())) == [["10.20.0.2", "10.20.0.3"], ["10.20.1.2"]]


def test_a_block_that_is_excluded_whole_has_no_addresses():
    for excluded in ("10.0.0.0/8", "0.0.0.0/0"):
        assert subtract(Block(IPv4Network("10.0.0.0/8"), (IPv4Network(excluded),))) == []


def test_a_blocks_exceptions_leave_disjoint_networks():
    left = subtract(Block(IPv4Network("10.0.0.0/8"), (IPv4Network("10.20.0.0/16"), IPv4Network("10.0.0.0/16"))))
    assert sum(each.num_addresses for each in left) == 2**24 - 2 * 2**16
    assert not any(a.overlaps(b) for a in left for b in left if a is not b)


def test_ranges_that_touch_or_overlap_become_one():
    tcp = Protocol.TCP
    ranges = [
        PortRange(tcp, 90, 100),
        PortRange(tcp, 80, 85),
        PortRange(tcp, 84, 89),
        PortRange(Protocol.UDP, 101, 101),
    ]
    assert merge_ranges([PortRange(tcp, 80, 81), PortRange(tcp, 83, 83)]) == (
        PortRange(tcp, 80, 81),
        PortRange(tcp, 83, 83),
    )
    assert merge_ranges(ranges) == (PortRange(tcp, 80, 100), PortRange(Protocol.UDP, 101, 101))


def test_every_address_of_the_range_is_covered_by_the_strategies():
    assert all(IPv4Network(POD_RANGE).supernet_of(IPv4Network(f"{each}/32")) for each in POD_ADDRESSES)
