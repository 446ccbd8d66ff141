"""The text that nft reads."""

import subprocess
from ipaddress import IPv4Network

import pytest

from local.policy import nftables
from local.policy.errors import PolicyError
from local.policy.model import Direction, PortRange, Protocol
from local.policy.nftables import Table, difference, removal, render, replacement, run_nft
from local.policy.rules import Chain, Match, RuleSet

CHAIN = Chain(
    Direction.INGRESS,
    (
        Match(),
        Match(addresses="pods_x"),
        Match(
            "blocks_1",
            ports=(PortRange(Protocol.TCP, 80, 80), PortRange(Protocol.TCP, 90, 99), PortRange(Protocol.UDP)),
        ),
        Match("pods_x", endpoints="port_tcp_http"),
    ),
)
RULES = RuleSet(
    chains={"ingress_x": CHAIN},
    addresses={"pods_x": frozenset({"10.20.0.2", "10.20.0.3"})},
    blocks={"blocks_1": (IPv4Network("192.0.2.0/24"),)},
    endpoints={"port_tcp_http": frozenset({("10.20.0.2", Protocol.TCP, 8080)})},
    judged={Direction.INGRESS: {"10.20.0.2": "ingress_x", "10.20.0.3": None}, Direction.EGRESS: {"10.20.0.2": None}},
)
RANGE = [IPv4Network("10.20.0.0/16")]


def test_a_rule_set_as_a_table():
    table = render(RULES, RANGE)
    assert table.chains["ingress_x"] == [
        "return",
        "ip saddr @pods_x return",
        "ip saddr @blocks_1 tcp dport { 80, 90-99 } return",
        "ip saddr @blocks_1 meta l4proto udp return",
        "ip saddr @pods_x ip daddr . meta l4proto . th dport @port_tcp_http return",
        "drop",
    ]
    assert {name: each.elements for name, each in table.sets.items()} == {
        "pod_range": {"10.20.0.0/16"},
        "self": {"10.20.0.2 . 10.20.0.2"},
        "ingress_of": {"10.20.0.2 : goto ingress_x", "10.20.0.3 : return"},
        "egress_of": {"10.20.0.2 : return"},
        "pods_x": {"10.20.0.2", "10.20.0.3"},
        "blocks_1": {"192.0.2.0/24"},
        "port_tcp_http": {"10.20.0.2 . tcp . 8080"},
    }


def test_on_egress_the_peer_is_the_destination():
    chain = Chain(Direction.EGRESS, (Match(addresses="pods_x"),))
    assert render(RuleSet(chains={"egress_x": chain}), RANGE).chains["egress_x"][0] == "ip daddr @pods_x return"


def test_equal_tables_differ_by_nothing():
    assert difference("t", render(RULES, RANGE), render(RULES, RANGE)) == ""


def test_a_pod_that_comes_is_a_few_elements():
    judged = {**RULES.judged, Direction.INGRESS: {**RULES.judged[Direction.INGRESS], "10.20.0.4": "ingress_x"}}
    pods = {"pods_x": RULES.addresses["pods_x"] | {"10.20.0.4"}}
    more = RuleSet(RULES.chains, pods, RULES.blocks, RULES.endpoints, judged)
    assert difference("t", render(RULES, RANGE), render(more, RANGE)).splitlines() == [
        "add element inet t ingress_of { 10.20.0.4 : goto ingress_x }",
        "add element inet t pods_x { 10.20.0.4 }",
    ]


def test_what_is_pointed_to_goes_after_what_points_to_it():
    lines = difference("t", render(RULES, RANGE), render(RuleSet(), RANGE)).splitlines()
    order = [
        "delete element inet t ingress_of",
        "flush chain inet t ingress_x",
        "delete chain inet t ingress_x",
        "delete set inet t pods_x",
    ]
    places = [next(index for index, line in enumerate(lines) if line.startswith(each)) for each in order]
    assert places == sorted(places)


def test_a_replacement_is_a_removal_and_a_table_in_one_transaction():
    empty = Table({}, {"only": ["accept"]})
    assert replacement("t", empty) == removal("t") + "table inet t {\n  chain only {\n    accept\n  }\n}\n"


def test_a_refusal_says_what_nft_said(monkeypatch):
    refusal = subprocess.CompletedProcess([], 1, "", "Error: syntax error")
    monkeypatch.setattr(nftables.subprocess, "run", lambda *_, **__: refusal)
    with pytest.raises(PolicyError, match="transaction of 1 lines: Error: syntax error"):
        run_nft("nonsense")


def test_a_missing_command_names_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PolicyError, match="package nftables"):
        run_nft("")
