"""Random clusters, policies and packets, small enough that their parts meet: few labels, few addresses, few ports."""

from itertools import product
from typing import Any

from hypothesis import strategies as st

from tests.local.policy.reference import Packet, World

POD_RANGE = "10.20.0.0/16"
NODE = "10.10.0.1"
NAMESPACES = ("x", "y")
PORT_NAMES = ("http", "dns")
POD_ADDRESSES = tuple(f"10.20.{third}.{last}" for third in (0, 1) for last in (2, 3))
OUTSIDE = ("192.0.2.7", "10.19.255.255")
PROTOCOLS = ("TCP", "UDP", "SCTP")
PORTS = (53, 80, 81, 83, 8080)
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.20.0.0/16",
    "10.20.0.0/24",
    "10.20.0.2/32",
    "10.20.0.2/31",
    "192.0.2.0/24",
    "10.10.0.1/32",
)

Json = dict[str, Any]

keys = st.sampled_from(("app", "tier"))
values = st.sampled_from(("a", "b"))
labels = st.dictionaries(keys, values, max_size=2)


def _without_none(**fields: Any) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy's value, or None for a field that is left out."""
    return st.none() | strategy


expressions = st.one_of(
    st.builds(
        lambda key, operator, some: {"key": key, "operator": operator, "values": some},
        keys,
        st.sampled_from(("In", "NotIn")),
        st.lists(values, min_size=1, max_size=2, unique=True),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator}, keys, st.sampled_from(("Exists", "DoesNotExist"))
    ),
)
selectors = st.builds(
    _without_none, matchLabels=maybe(labels), matchExpressions=maybe(st.lists(expressions, max_size=2))
)
blocks = st.builds(
    lambda cidr, excluded: {"ipBlock": _without_none(cidr=cidr, **{"except": excluded})},
    st.sampled_from(BLOCKS),
    maybe(st.lists(st.sampled_from(BLOCKS), max_size=2)),
)
pod_peers = st.one_of(
    st.builds(lambda pods: {"podSelector": pods}, selectors),
    st.builds(lambda namespaces: {"namespaceSelector": namespaces}, selectors),
    st.builds(lambda pods, namespaces: {"podSelector": pods, "namespaceSelector": namespaces}, selectors, selectors),
)
protocols = st.sampled_from(PROTOCOLS)
ports = st.one_of(
    st.builds(_without_none, protocol=maybe(protocols), port=maybe(st.sampled_from(PORTS))),
    st.builds(_without_none, protocol=maybe(protocols), port=st.sampled_from(PORT_NAMES)),
    st.builds(
        lambda protocol, first, size: _without_none(protocol=protocol, port=first, endPort=first + size),
        maybe(protocols),
        st.sampled_from(PORTS),
        st.integers(0, 30),
    ),
)


def rules(peers: str) -> st.SearchStrategy[Json]:
    """Entries of `ingress` (peers: from) or `egress` (peers: to)."""
    some_peers, some_ports = st.lists(pod_peers | blocks, max_size=3), st.lists(ports, max_size=3)
    return st.builds(
        lambda which, where: _without_none(**{peers: which, "ports": where}), maybe(some_peers), maybe(some_ports)
    )


specs = st.builds(
    _without_none,
    podSelector=selectors,
    policyTypes=maybe(st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"]))),
    ingress=maybe(st.lists(rules("from"), max_size=2)),
    egress=maybe(st.lists(rules("to"), max_size=2)),
)
container_ports = st.builds(
    lambda name, protocol, number: _without_none(name=name, protocol=protocol, containerPort=number),
    maybe(st.sampled_from(PORT_NAMES)),
    maybe(protocols),
    st.sampled_from(PORTS),
)


@st.composite
def pods(draw: st.DrawFn, address: str) -> Json:
    """A pod with this address, which may be on the node's network or have ended."""
    name = f"pod-{address.replace('.', '-')}"
    return {
        "metadata": {"name": name, "namespace": draw(st.sampled_from(NAMESPACES)), "labels": draw(labels)},
        "spec": {
            "hostNetwork": draw(st.integers(0, 9)) == 0,
            "containers": [
                {"ports": draw(st.lists(container_ports, max_size=2))} for _ in range(draw(st.integers(1, 2)))
            ],
        },
        "status": {"phase": draw(st.sampled_from(("Running", "Running", "Running", "Failed"))), "podIP": address},
    }


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A cluster of two namespaces, up to four pods and up to four policies."""
    namespaces = [{"metadata": {"name": name, "labels": draw(labels)}} for name in NAMESPACES]
    some = [draw(pods(address)) for address in POD_ADDRESSES[: draw(st.integers(1, len(POD_ADDRESSES)))]]
    policies = [
        {"metadata": {"name": f"policy-{index}", "namespace": draw(st.sampled_from(NAMESPACES))}, "spec": spec}
        for index, spec in enumerate(draw(st.lists(specs, max_size=4)))
    ]
    return World(namespaces, some, policies, POD_RANGE, NODE)


ADDRESSES = (*POD_ADDRESSES, *OUTSIDE, NODE)
EVERY_PACKET = tuple(
    Packet(source, destination, protocol, port)
    for source, destination, protocol in product(ADDRESSES, ADDRESSES, (*PROTOCOLS, "ICMP"))
    for port in ((*PORTS, 54, 82, 90) if protocol != "ICMP" else (0,))
)
"""All that can differ in these worlds. Tens of worlds with all of them find what thousands with random ones miss."""

packets = st.sampled_from(EVERY_PACKET)
