"""How long a policy takes from its creation to its enforcement: `python -m tests.local.policy.bench_enforcement`.

Two hundred pods exist for the API only, under policies as research projects have them. Two more have an address on the
node, and datagrams go from one to the other, each on a connection of its own, until a new policy stops them.
"""

import argparse
import itertools
import json
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import typer
import urllib3

from local.policy.compile import compile_rules
from local.policy.connection import read_connection
from local.policy.model import Cluster, parse_namespace, parse_pod, parse_policy
from local.policy.nftables import Table, difference, render
from tests.local.policy.conformance import running
from tests.local.policy.wires import inside, plugged

NAMESPACES, PODS_EACH, ROUNDS = 10, 20, 30
PORT = 9000
SURE = 3
"""Datagrams in a row that must fare alike before the effect of a policy is taken for real."""

DEADLINE = 10.0
"""Seconds to wait for a policy to take effect before the measurement counts as failed."""

Json = dict[str, Any]


NODE_RANGE = "10.244.{}.{}"
"""Addresses at the far end of the pod range, which the node's own allocation does not reach."""

SENDER, RECEIVER = NODE_RANGE.format(239, 1), NODE_RANGE.format(239, 2)
LONE = "bench-lone"
"""The namespace of the sender and the receiver, without policies but the one that is measured."""


class Api:
    """Writes objects with the administrator's certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        connection = read_connection(kubeconfig)
        self._server = connection.server
        self._pool = urllib3.PoolManager(ssl_context=connection.tls, server_hostname=connection.name)

    def send(self, method: str, path: str, body: Json | None = None) -> Json:
        response = self._pool.request(method, self._server + path, json=body)
        if response.status >= 300 and response.status not in (404, 409):
            message = f"{method} {path}: {response.status} {response.data[:300]!r}"
            raise RuntimeError(message)
        return response.json()


def namespace_object(name: str) -> Json:
    return {"metadata": {"name": name, "labels": {"bench": "yes"}}}


def pod_object(namespace: str, name: str, role: str) -> Json:
    """A pod that no scheduler takes; its address is written into its status."""
    ports = [{"containerPort": 8888, "name": "http"}]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"role": role}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none", "ports": ports}]},
    }


def with_status(pod: Json, address: str) -> Json:
    return pod | {"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}


def policy_objects(namespace: str) -> list[Json]:
    """What a research project has: nothing by default, then DNS, its own pods, its hub, a mirror outside."""
    own = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    dns = {"ports": [{"protocol": each, "port": 53} for each in ("UDP", "TCP")], "to": [{"namespaceSelector": {}}]}
    hub = {"from": [{"podSelector": {"matchLabels": {"role": "hub"}}}], "ports": [{"port": "http"}]}
    mirror = {"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.64/28"]}}
    members = {"matchExpressions": [{"key": "role", "operator": "In", "values": ["member"]}]}
    return [
        policy(namespace, "deny", {}, "Ingress", "Egress"),
        policy(namespace, "dns", {}, "Egress", egress=[dns]),
        policy(namespace, "own", {}, "Ingress", "Egress", ingress=[{"from": [own]}], egress=[{"to": [own]}]),
        policy(namespace, "hub", members, "Ingress", ingress=[hub]),
        policy(
            namespace, "mirror", members, "Egress", egress=[{"to": [mirror], "ports": [{"port": 443, "endPort": 444}]}]
        ),
    ]


def policy(namespace: str, name: str, selector: Json, *types: str, **rules: list[Json]) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector, "policyTypes": list(types), **rules},
    }


STOP = policy(LONE, "stop", {"matchLabels": {"role": "receiver"}}, "Ingress")


@dataclass
class World:
    """The objects of the measurement."""

    namespaces: list[Json] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)
    policies: list[Json] = field(default_factory=list)


def world() -> World:
    made = World()
    for index in range(NAMESPACES):
        name = f"bench-{index}"
        made.namespaces.append(namespace_object(name))
        made.policies += policy_objects(name)
        for number in range(PODS_EACH):
            pod = pod_object(name, f"p{number}", "member" if number else "hub")
            made.pods.append(with_status(pod, NODE_RANGE.format(240 + index, number + 1)))
    made.namespaces.append(namespace_object(LONE))
    for role, address in (("sender", SENDER), ("receiver", RECEIVER)):
        made.pods.append(with_status(pod_object(LONE, role, role), address))
    return made


def path_of(thing: Json, kind: str, group: str = "/api/v1") -> str:
    return f"{group}/namespaces/{thing['metadata']['namespace']}/{kind}"


def policies_path(thing: Json) -> str:
    return path_of(thing, "networkpolicies", "/apis/networking.k8s.io/v1")


@contextmanager
def populated(api: Api, objects: World) -> Iterator[None]:
    """The namespaces, pods and policies, for the time of the block."""
    try:
        for namespace in objects.namespaces:
            api.send("POST", "/api/v1/namespaces", namespace)
        for each in objects.policies:
            api.send("POST", policies_path(each), each)
        for pod in objects.pods:
            made = api.send("POST", path_of(pod, "pods"), pod)
            api.send(
                "PUT", f"{path_of(pod, 'pods')}/{pod['metadata']['name']}/status", made | {"status": pod["status"]}
            )
        yield
    finally:
        for pod in objects.pods:
            api.send("DELETE", f"{path_of(pod, 'pods')}/{pod['metadata']['name']}?gracePeriodSeconds=0")
        for namespace in objects.namespaces:
            api.send("DELETE", f"/api/v1/namespaces/{namespace['metadata']['name']}")


class Probe:
    """One datagram at a time from the sender to the receiver, each from a new port: a new connection to conntrack."""

    def __init__(self, sender: str, receiver: str) -> None:
        self._sender = sender
        self._numbers = itertools.count()
        with inside(receiver):
            self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.bind((RECEIVER, PORT))
        self._receiver.settimeout(0.02)

    def passes(self) -> bool:
        """Whether the next datagram arrives; one that was sent before and is late does not count."""
        content = str(next(self._numbers)).encode()
        with inside(self._sender), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(content, (RECEIVER, PORT))
        try:
            while self._receiver.recv(20) != content:
                pass
        except TimeoutError:
            return False
        return True

    def until(self, passing: bool) -> float:
        """The moment at which datagrams began to pass, or to be stopped: the first of `SURE` in a row."""
        deadline = time.monotonic() + DEADLINE
        moments: list[float] = []
        while len(moments) < SURE:
            moments = [*moments, time.monotonic()] if self.passes() is passing else []
            if time.monotonic() > deadline:
                message = f"datagrams should {'pass' if passing else 'be stopped'}, and after {DEADLINE} s do not"
                raise RuntimeError(message)
        return moments[0]


def measure(api: Api, probe: Probe) -> tuple[list[float], list[float]]:
    """Seconds from the request to its effect: for the policy's creation, and for its deletion."""
    created, deleted = [], []
    probe.until(passing=True)
    for _ in range(ROUNDS):
        began = time.monotonic()
        api.send("POST", policies_path(STOP), STOP)
        created.append(probe.until(passing=False) - began)
        began = time.monotonic()
        api.send("DELETE", f"{policies_path(STOP)}/stop")
        deleted.append(probe.until(passing=True) - began)
    return created, deleted


def compile_times(objects: World) -> str:
    """What one compilation of this cluster costs, without the API and the kernel."""
    cluster = Cluster(
        tuple(map(parse_namespace, objects.namespaces)),
        tuple(map(parse_pod, objects.pods)),
        tuple(map(parse_policy, objects.policies)),
    )
    rules, compiling = timed(lambda: compile_rules(cluster))
    table, rendering = timed(lambda: render(rules, [IPv4Network("10.244.0.0/16")]))
    text, comparing = timed(lambda: difference("t", Table({}, {}), table))
    matches = sum(len(chain.matches) for chain in rules.chains.values())
    return (
        f"{len(cluster.pods)} pods, {len(cluster.policies)} policies: {len(rules.chains)} chains, {matches} rules; "
        f"compiled in {compiling * 1000:.1f} ms, laid out in {rendering * 1000:.1f} ms, "
        f"compared in {comparing * 1000:.1f} ms ({len(text) // 1024} KiB for nft)"
    )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    made = work()
    return made, time.perf_counter() - began


def told(what: str, seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return (
        f"{what}: median {statistics.median(ordered) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
        f"longest {ordered[-1] * 1000:.0f} ms of {len(ordered)}"
    )


def main() -> int:
    """Measure and print; exit code 1 if a policy took a second or more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="bench", help="platform; one that does not run is started, and removed after")
    parser.add_argument("--json", action="store_true", help="print the measured seconds as JSON")
    options = parser.parse_args()
    objects, node = world(), f"cloison-{options.name}"
    typer.echo(compile_times(objects), err=options.json)
    with ExitStack() as stack:
        api = Api(stack.enter_context(running(options.name)).kubeconfig)
        stack.enter_context(populated(api, objects))
        sender = stack.enter_context(plugged(node, "sender", [SENDER]))
        receiver = stack.enter_context(plugged(node, "receiver", [RECEIVER]))
        created, deleted = measure(api, Probe(sender, receiver))
    typer.echo(told("from a policy's creation to its enforcement", created), err=options.json)
    typer.echo(told("from its deletion to its end", deleted), err=options.json)
    if options.json:
        typer.echo(json.dumps({"created": created, "deleted": deleted}))
    return 0 if max(created) < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
