"""The agent enforces only what it knows to be whole, and says so."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.policy import agent as agents
from local.policy.agent import Agent, read_policy
from local.policy.errors import PolicyError
from local.policy.model import Direction, Selector
from local.policy.rules import RuleSet
from local.policy.status import Status, read_status
from local.policy.watch import Mirror
from tests.local.policy.test_compile import closed, pod
from tests.local.policy.test_watch import until

ADDRESS = "10.20.0.2"


class RecordingEnforcer:
    """Takes rules instead of the kernel."""

    table = "recorded"

    def __init__(self) -> None:
        self.applied: list[RuleSet] = []
        self.refusals = 0
        self.untouched = True

    def close(self) -> None:
        self.applied.append(RuleSet())

    def apply(self, rules: RuleSet) -> bool:
        if self.refusals:
            self.refusals -= 1
            message = "refused"
            raise PolicyError(message)
        self.untouched = True
        self.applied.append(rules)
        return True

    def is_untouched(self) -> bool:
        return self.untouched

    def chain_of_the_pod(self) -> str | None:
        return self.applied[-1].judged[Direction.INGRESS].get(ADDRESS, "unknown")


class StillMirror(Mirror):
    """A mirror that a test fills by hand."""

    def start(self) -> None:
        self.version = "1"

    def hold(self, *items: dict, version: int = 1) -> None:
        self._replace(
            {(each["metadata"].get("namespace", ""), each["metadata"]["name"]): self._parse(each) for each in items},
            str(version),
        )
        self._say_live(True)

    def break_off(self) -> None:
        self._say_live(False)


class Running:
    """An agent at work on mirrors that the test fills."""

    def __init__(self, agent: Agent, enforcer: RecordingEnforcer, status_file: Path) -> None:
        self.agent, self.enforcer, self.status_file = agent, enforcer, status_file
        self.pods, self.namespaces, self.policies = (each for each in agent._mirrors if isinstance(each, StillMirror))

    def fill(self, *policies: dict) -> None:
        self.namespaces.hold({"metadata": {"name": "x"}})
        self.policies.hold(*policies)
        self.pods.hold(pod("a", ADDRESS))
        until(lambda: len(self.enforcer.applied) > 1 and self.status_file.exists())

    def status(self) -> Status:
        found = read_status(self.status_file)
        assert found
        return found


@pytest.fixture
def running(tmp_path, monkeypatch) -> Iterator[Running]:
    monkeypatch.setattr(agents, "Mirror", StillMirror)
    monkeypatch.setattr(agents, "HEARTBEAT", 0.05)
    monkeypatch.setattr(agents, "RETRY", 0.01)
    with started(tmp_path / "status.json") as made:
        yield made


@contextmanager
def started(status_file: Path) -> Iterator[Running]:
    enforcer = RecordingEnforcer()
    agent = Agent(None, enforcer, status_file)  # pyright: ignore[reportArgumentType] - stand-ins
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        yield Running(agent, enforcer, status_file)
    finally:
        agent.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_it_closes_the_pod_range_first_and_says_nothing_until_rules_stand(running):
    until(lambda: len(running.enforcer.applied) == 1)
    assert read_status(running.status_file) is None


def test_it_waits_for_all_three_collections(running):
    running.namespaces.hold()
    running.pods.hold(pod("a", ADDRESS))
    assert len(running.enforcer.applied) <= 1
    running.policies.hold(closed())
    until(lambda: len(running.enforcer.applied) == 2)
    assert running.enforcer.chain_of_the_pod() not in (None, "unknown")


def test_a_pod_seen_while_the_policies_are_not_followed_stays_unknown(running):
    running.fill()
    running.policies.break_off()
    running.pods.hold(pod("a", ADDRESS), pod("b", "10.20.0.3"), version=2)
    until(lambda: not running.status().current)
    assert "10.20.0.3" not in running.enforcer.applied[-1].judged[Direction.INGRESS]
    running.policies.hold(closed())
    until(lambda: "10.20.0.3" in running.enforcer.applied[-1].judged[Direction.INGRESS])


def test_its_status_names_the_versions_that_the_rules_include(running):
    running.fill(closed())
    running.policies.hold(closed(), closed("y"), version=7)
    until(lambda: running.status().policies == 2)
    status = json.loads(running.status_file.read_text())
    assert status["resourceVersions"] == {"pods": 1, "namespaces": 1, "networkpolicies": 7}
    assert (status["ready"], status["pods"], status["resourceVersion"]) == (True, 1, 7)


def test_a_refused_transaction_is_tried_again(running):
    running.enforcer.refusals = 2
    running.fill(closed())
    assert running.enforcer.chain_of_the_pod() is not None


def test_a_table_that_someone_changed_is_put_back(running):
    running.fill(closed())
    before = len(running.enforcer.applied)
    running.enforcer.untouched = False
    until(lambda: len(running.enforcer.applied) == before + 1)


def test_a_policy_that_cannot_be_read_closes_its_namespace(caplog):
    strange = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"policyTypes": ["Sideways"]}}
    policy = read_policy(strange)
    assert policy.selector == Selector()
    assert policy.rules == {Direction.INGRESS: (), Direction.EGRESS: ()}
    assert "x/p cannot be read" in caplog.text
