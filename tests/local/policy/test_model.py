"""What the API leaves out means what its definition says."""

from ipaddress import IPv4Network

import pytest

from local.policy.model import (
    Block,
    ContainerPort,
    Direction,
    NamedPort,
    Operator,
    PodPeer,
    PortRange,
    Protocol,
    Requirement,
    Rule,
    Selector,
    parse_pod,
    parse_policy,
    parse_selector,
)
from local.policy.selectors import selects


def policy(**spec):
    return parse_policy({"metadata": {"name": "p", "namespace": "x"}, "spec": spec})


def pod(status=None, **spec):
    return parse_pod({"metadata": {"name": "p", "namespace": "x"}, "spec": spec, "status": status or {}})


@pytest.mark.parametrize(
    ("spec", "directions"),
    [
        ({}, [Direction.INGRESS]),
        ({"ingress": []}, [Direction.INGRESS]),
        ({"egress": []}, [Direction.INGRESS]),
        ({"egress": [{}]}, [Direction.INGRESS, Direction.EGRESS]),
        ({"policyTypes": ["Egress"]}, [Direction.EGRESS]),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, [Direction.EGRESS]),
    ],
)
def test_policy_types_default_to_ingress_and_to_egress_where_it_has_rules(spec, directions):
    assert list(policy(**spec).rules) == directions


@pytest.mark.parametrize("rule", [{}, {"from": [], "ports": []}, {"from": None, "ports": None}])
def test_a_rule_without_peers_or_ports_names_all_of_them(rule):
    assert policy(ingress=[rule]).rules[Direction.INGRESS] == (Rule(),)


@pytest.mark.parametrize(
    ("port", "parsed"),
    [
        ({}, PortRange(Protocol.TCP, 0, 65535)),
        ({"protocol": "UDP"}, PortRange(Protocol.UDP, 0, 65535)),
        ({"port": 80}, PortRange(Protocol.TCP, 80, 80)),
        ({"port": 80, "endPort": 90, "protocol": "SCTP"}, PortRange(Protocol.SCTP, 80, 90)),
        ({"port": "http"}, NamedPort(Protocol.TCP, "http")),
    ],
)
def test_a_port_is_tcp_and_every_number_unless_it_says_otherwise(port, parsed):
    assert policy(ingress=[{"ports": [port]}]).rules[Direction.INGRESS][0].ports == (parsed,)


def test_peers_without_a_namespace_selector_are_of_the_policys_namespace():
    rule = policy(ingress=[{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}]).rules[Direction.INGRESS][0]
    assert rule.peers == (PodPeer(None, Selector()), PodPeer(Selector(), Selector()))


def test_a_block_of_ipv6_has_no_addresses_and_is_not_every_address():
    everything = IPv4Network("0.0.0.0/0")
    rule = policy(egress=[{"to": [{"ipBlock": {"cidr": "::/0"}}]}]).rules[Direction.EGRESS][0]
    assert rule.peers == (Block(everything, (everything,)),)


@pytest.mark.parametrize(
    ("spec", "status", "address"),
    [
        ({}, {"phase": "Running", "podIP": "10.0.0.1"}, "10.0.0.1"),
        ({}, {"phase": "Pending", "podIP": "10.0.0.1"}, "10.0.0.1"),
        ({}, {"phase": "Pending"}, None),
        ({}, {"phase": "Succeeded", "podIP": "10.0.0.1"}, None),
        ({}, {"phase": "Failed", "podIP": "10.0.0.1"}, None),
        ({"hostNetwork": True}, {"phase": "Running", "podIP": "10.0.0.1"}, None),
        ({}, {"phase": "Running", "podIP": "fd00::1", "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]}, "10.0.0.1"),
    ],
)
def test_a_pod_holds_its_address_from_its_sandbox_to_its_end(spec, status, address):
    assert pod(status, **spec).address == address


def test_named_ports_are_those_of_containers_that_run_as_long_as_the_pod():
    ports = pod(
        containers=[{"ports": [{"name": "http", "containerPort": 80}, {"containerPort": 81}]}],
        initContainers=[
            {"restartPolicy": "Always", "ports": [{"name": "proxy", "containerPort": 82, "protocol": "UDP"}]},
            {"ports": [{"name": "gone", "containerPort": 83}]},
        ],
    ).ports
    assert ports == (ContainerPort("http", Protocol.TCP, 80), ContainerPort("proxy", Protocol.UDP, 82))


@pytest.mark.parametrize(
    ("operator", "values", "absent", "equal", "other"),
    [
        ("In", ["a"], False, True, False),
        ("NotIn", ["a"], True, False, True),
        ("Exists", [], False, True, True),
        ("DoesNotExist", [], True, False, False),
    ],
)
def test_operators(operator, values, absent, equal, other):
    selector = parse_selector({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]})
    assert [selects(selector, labels) for labels in ({}, {"k": "a"}, {"k": "b"})] == [absent, equal, other]


def test_labels_and_expressions_must_all_hold():
    selector = parse_selector({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]})
    assert selector == Selector(
        frozenset({Requirement("a", Operator.IN, frozenset({"1"})), Requirement("b", Operator.EXISTS)})
    )
    assert selects(selector, {"a": "1", "b": ""})
    assert not selects(selector, {"a": "1"})
