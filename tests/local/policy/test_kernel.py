"""Compiled rules before the real kernel, with real packets between bare namespaces."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.policy.agent import Enforcer
from local.policy.nftables import listing, removal, run_nft
from local.policy.rules import RuleSet
from tests.local.policy.reference import Packet, World, is_allowed
from tests.local.policy.test_compile import closed, compiled, pod
from tests.local.policy.test_watch import until
from tests.local.policy.wires import Wires, inside
from tests.local.policy.worlds import NODE, OUTSIDE, POD_ADDRESSES, POD_RANGE, PORTS, PROTOCOLS, packets, worlds

pytestmark = [pytest.mark.platform, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]

TABLE = "cloison_policy_test"
A, B = POD_ADDRESSES[:2]
SERVICE = "10.96.0.1"
BYSTANDER = "table inet bystander { chain empty { }; }"


@pytest.fixture(scope="module")
def wires() -> Iterator[Wires]:
    with Wires(f"cloison-test-{os.getpid()}", NODE, POD_ADDRESSES, OUTSIDE, (*PORTS, 54, 82, 90)) as made:
        yield made


@pytest.fixture
def enforcer(wires: Wires) -> Iterator[Enforcer]:
    with inside(wires.node):
        enforcer = Enforcer(TABLE, [IPv4Network(POD_RANGE)])
        yield enforcer
        run_nft(removal(TABLE))


def world(*policies: dict, pods: tuple[str, ...] = (A, B)) -> World:
    some = [pod(f"p{index}", address) for index, address in enumerate(pods)]
    return World([{"metadata": {"name": "x"}}], some, policies, POD_RANGE, NODE)


def ask(wires: Wires, source: str, destination: str, protocol: str = "TCP") -> bool:
    return bool(wires.arrivals([Packet(source, destination, protocol, 80)]))


def test_the_wires_carry_everything_where_no_rules_stand(wires):
    everywhere = [
        Packet(source, destination, protocol, 80)
        for source in (A, B, NODE, OUTSIDE[0])
        for destination in (A, B, NODE, OUTSIDE[0])
        for protocol in PROTOCOLS
        if source != destination
    ]
    assert wires.arrivals(everywhere) == set(everywhere)


def test_the_kernel_decides_as_the_definition_does(wires, enforcer):
    between_others = packets.filter(
        lambda each: (
            each.protocol in PROTOCOLS
            and each.source != each.destination
            and not {each.source, each.destination} <= {*OUTSIDE, NODE}
        )
    )

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        database=None,
    )
    @given(worlds(), st.lists(between_others, min_size=60, max_size=120))
    def check(world: World, some: list[Packet]):
        enforcer.apply(compiled(world))
        assert wires.arrivals(some) == {packet for packet in some if is_allowed(packet, world)}

    check()


def test_a_start_without_former_rules_closes_the_pod_range(wires, enforcer):
    enforcer.close()
    assert not ask(wires, A, B)
    assert not ask(wires, A, NODE)
    assert ask(wires, NODE, A)


def test_a_start_leaves_former_rules_standing(wires, enforcer):
    enforcer.apply(compiled(world()))
    Enforcer(TABLE, [IPv4Network(POD_RANGE)]).close()
    assert ask(wires, A, B)


def test_a_new_policy_binds_new_connections_and_leaves_old_ones(wires, enforcer):
    enforcer.apply(compiled(world()))
    with inside(wires.namespace_of(B)), socket.create_server((B, 7000)) as server:
        with inside(wires.namespace_of(A)):
            client = socket.create_connection((B, 7000), timeout=5)
        served, _ = server.accept()
        with client, served:
            with inside(wires.node):
                enforcer.apply(compiled(world(closed())))
            client.sendall(b"still here")
            served.settimeout(5)
            assert served.recv(100) == b"still here"
    assert not ask(wires, A, B)


def test_a_pod_reaches_itself_through_its_service_whatever_its_policies(wires, enforcer):
    enforcer.apply(compiled(world(closed())))
    run_nft(
        f"table ip service {{\n"
        f"chain in {{ type nat hook prerouting priority dstnat; ip daddr {SERVICE} dnat to {A}; }}\n"
        f"chain out {{ type nat hook postrouting priority srcnat; ip saddr {A} ip daddr {A} masquerade; }}\n"
        f"}}"
    )
    try:
        assert ask(wires, A, SERVICE)
        assert not ask(wires, B, SERVICE)
    finally:
        run_nft("delete table ip service")


def test_a_pod_cannot_speak_with_an_address_that_is_not_its_own(wires, enforcer):
    enforcer.apply(compiled(world(pods=(A, B, POD_ADDRESSES[2]))))
    for forged in (POD_ADDRESSES[2], NODE, OUTSIDE[0], "198.51.100.1"):
        assert not heard(wires, forged)
    assert heard(wires, A)


def heard(wires: Wires, source: str) -> bool:
    """Whether B hears a datagram that A sends under this source address."""
    with inside(wires.namespace_of(B)):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((B, 7001))
        receiver.settimeout(0.3)
    with inside(wires.namespace_of(A)):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)
        sender.bind((source, 0))
        sender.sendto(b"!", (B, 7001))
    with receiver, sender:
        try:
            return receiver.recv(10) == b"!"
        except TimeoutError:
            return False


def test_a_pod_cannot_use_ipv6_around_its_policies(wires, enforcer):
    with inside(wires.node), socket.create_server(("::", 7002), family=socket.AF_INET6):
        until(lambda: reaches_link_local(wires), 10)
        enforcer.apply(compiled(world()))
        assert not reaches_link_local(wires)


def reaches_link_local(wires: Wires) -> bool:
    """Whether A reaches the node by the link-local address of its own veth, which both have without being given one."""
    shown = subprocess.run(
        ["ip", "-j", "-n", wires.node, "-6", "addr", "show", "dev", "veth-0"], capture_output=True, check=True
    )
    node_end = json.loads(shown.stdout)[0]["addr_info"][0]["local"]
    try:
        with inside(wires.namespace_of(A)):
            socket.create_connection((f"{node_end}%eth0", 7002), timeout=0.3).close()
    except OSError:
        return False
    return True


def test_a_table_changed_by_another_hand_is_replaced(wires, enforcer):
    rules = compiled(world(closed()))
    enforcer.apply(rules)
    assert enforcer.is_untouched()
    run_nft(f"flush chain inet {TABLE} forward")
    assert not enforcer.is_untouched()
    enforcer.apply(rules)
    assert not ask(wires, A, B)
    assert enforcer.is_untouched()


def test_nothing_changes_where_nothing_differs(enforcer):
    assert enforcer.apply(compiled(world(closed())))
    assert not enforcer.apply(compiled(world(closed())))


def test_flush_removes_its_own_table_and_no_other(enforcer):
    run_nft(BYSTANDER)
    enforcer.apply(RuleSet())
    for _ in range(2):
        run_nft(removal(TABLE))
        assert listing(TABLE) is None
    assert listing("bystander") is not None
    run_nft(removal("bystander"))


def test_the_namespaces_are_gone_afterwards():
    with Wires("cloison-test-brief", NODE, [A], [OUTSIDE[0]], [80]):
        pass
    assert (
        "cloison-test-brief" not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    )
