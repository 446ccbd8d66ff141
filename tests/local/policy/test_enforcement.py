"""The agent at work on the local platform, on pods that Kubernetes itself runs."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from local import network, waiting
from local.errors import PlatformError
from local.platform import Platform
from local.policy.status import read_status
from tests.local import samples

pytestmark = pytest.mark.platform

SPACE = "guarded"
WITHIN = 5.0
"""Seconds for a policy to be seen in force, most of which goes to kubectl."""

Json = dict[str, Any]


def policy(name: str, selector: Json, **rules: list[Json]) -> Json:
    """A policy that isolates both ways and allows what the rules say."""
    spec = {"podSelector": selector, "policyTypes": ["Ingress", "Egress"], **rules}
    metadata = {"name": name, "namespace": SPACE}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


CLOSED = policy("closed", {})
TO_SERVER = policy("to-server", {}, egress=[{"to": [{"podSelector": {"matchLabels": {"app": "server"}}}]}])
FROM_CLIENT = policy(
    "from-client",
    {"matchLabels": {"app": "server"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 8080}]}],
)
TO_NODE = policy("to-node", {}, egress=[{"to": [{"ipBlock": {"cidr": f"{network.NODE_ADDRESS}/32"}}]}])


@pytest.fixture(scope="module")
def guarded(platform: Platform) -> Iterator[Platform]:
    """A server and a client in a namespace that was closed before they came, and stays closed."""
    image = samples.agnhost(platform)
    pods = [*samples.web("server", SPACE, image), *samples.web("client", SPACE, image)]
    samples.apply(platform, samples.namespace(SPACE), CLOSED, *pods)
    for pod in ("server", "client"):
        samples.wait_ready(platform, pod, SPACE)
    yield platform
    platform.kubectl("delete", "namespace", SPACE, timeout=120)


@pytest.fixture
def allow(guarded: Platform) -> Iterator[Any]:
    """Applies further policies for the time of the test."""
    applied: list[str] = []

    def apply(*policies: Json) -> None:
        samples.apply(guarded, *policies)
        applied.extend(each["metadata"]["name"] for each in policies)

    yield apply
    if applied:
        guarded.kubectl("delete", "networkpolicy", f"--namespace={SPACE}", *applied)
        waiting.until(lambda: policies_enforced(guarded) == number_of_policies(guarded), "the end of policies", WITHIN)


def policies_enforced(platform: Platform) -> int:
    status = read_status(platform.layout.run / "policy.json")
    assert status, "no complete rule set stands"
    return status.policies


def number_of_policies(platform: Platform) -> int:
    return len(platform.kubectl.get("networkpolicies", "--all-namespaces")["items"])


def connects(platform: Platform, target: str, port: int, source: str = "client") -> bool:
    """Whether a pod reaches the address by TCP."""
    connect = ("/agnhost", "connect", f"{target}:{port}", "--timeout=1s")
    try:
        platform.kubectl("exec", f"--namespace={SPACE}", source, "--", *connect)
    except PlatformError as error:
        if "TIMEOUT" not in str(error):
            raise
        return False
    return True


def address(platform: Platform, pod: str) -> str:
    return platform.kubectl.get("pod", pod, f"--namespace={SPACE}")["status"]["podIP"]


def test_probes_reach_a_pod_that_nothing_else_reaches(guarded: Platform) -> None:
    assert not connects(guarded, address(guarded, "server"), 8080)


def test_a_policy_opens_what_it_names_and_nothing_more(guarded: Platform, allow: Any) -> None:
    allow(TO_SERVER, FROM_CLIENT)
    server = address(guarded, "server")
    waiting.until(lambda: connects(guarded, server, 8080), "the connection that the policy allows", WITHIN)
    assert not connects(guarded, server, 8081)
    assert not connects(guarded, address(guarded, "client"), 8080, source="server")


def test_a_service_leads_to_its_pod_under_the_pods_policies(guarded: Platform, allow: Any) -> None:
    service = guarded.kubectl.get("service", "server", f"--namespace={SPACE}")["spec"]["clusterIP"]
    assert not connects(guarded, service, 80)
    allow(TO_SERVER, FROM_CLIENT)
    waiting.until(lambda: connects(guarded, service, 80), "the connection through the Service", WITHIN)


def test_an_isolated_pod_reaches_itself_through_its_service(guarded: Platform) -> None:
    service = guarded.kubectl.get("service", "client", f"--namespace={SPACE}")["spec"]["clusterIP"]
    assert connects(guarded, service, 80)


def test_egress_isolation_binds_towards_the_api_server(guarded: Platform, allow: Any) -> None:
    assert not connects(guarded, network.NODE_ADDRESS, network.API_PORT)
    assert not connects(guarded, network.API_SERVICE_ADDRESS, 443)
    allow(TO_NODE)
    waiting.until(lambda: connects(guarded, network.API_SERVICE_ADDRESS, 443), "the connection to the API", WITHIN)


def test_the_rules_outlive_the_agent_and_a_new_one_takes_over(guarded: Platform) -> None:
    before = agent(guarded)
    assert before
    os.kill(before, signal.SIGKILL)
    server = address(guarded, "server")
    assert not connects(guarded, server, 8080)
    guarded.up()
    waiting.until(lambda: agent(guarded) not in (None, before), "a new agent's first rule set", 20)
    assert not connects(guarded, server, 8080)


def agent(platform: Platform) -> int | None:
    """The process whose rules stand, None where it has not said so yet."""
    status = read_status(platform.layout.run / "policy.json")
    return status and status.pid
