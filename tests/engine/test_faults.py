"""Whole runs against an API server that refuses, drops, delays and restarts, at each sort of request a run makes.

Whatever happens, state and cluster agree, nothing is made twice, nothing that is not ours is touched, and the next run
puts right what the faulty one left undone.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.kubernetes import KubernetesProvider, client, cluster, transport
from engine.resource import Resource
from engine.state import Deployment
from engine.urn import provider_package
from tests.engine.conftest import Project
from tests.engine.kubernetes.api_server import Fault, Request, Running, running
from tests.engine.simulation import Ran, Simulation, Want

pytestmark = pytest.mark.slow

LONG, SHORT = 10.0, 0.4
"""Seconds of patience with the server, and for an object to become ready: where it helps, and where it cannot."""
FOREVER = 1_000_000
CONFIG_MAP, NAMESPACE = "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Namespace"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def _wanted(version: str, seconds: float) -> list[Want]:
    settings = {"metadata": {"name": "settings"}, "data": {"version": version, f"only-{version}": "x"}}
    web = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": int(version)}}
    beside = {"metadata": {"name": "beside"}, "data": {"version": version}}
    options = {"timeouts": dict.fromkeys(("create", "update", "delete"), seconds)}
    return [
        Want("shop", {"metadata": {"name": "shop"}}, type=NAMESPACE, options=options),
        Want("settings", settings, type=CONFIG_MAP),
        Want("auto", {"data": {"version": version}}, type=CONFIG_MAP),
        Want("web", web, ("shop", "settings"), DEPLOYMENT, options=options),
        Want("beside", beside, ("settings",), CONFIG_MAP),
    ]


@dataclass
class Shop:
    """A stack, and the API server that its objects live in."""

    stack: Simulation
    server: Running
    patience: float = LONG

    def __post_init__(self) -> None:
        self.stack.factories["kubernetes"] = lambda report: KubernetesProvider(report, patience=self.patience)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Have something go wrong that no patience helps against."""
        self.server.faults[:], self.patience = [fault], SHORT
        yield
        self.server.faults[:], self.patience = [], LONG

    def up(self, wants: list[Want]) -> Ran:
        return self.stack.up(wants, config=self.config)

    def destroy(self) -> Ran:
        return self.stack.destroy(config=self.config)

    def refresh(self) -> Ran:
        return self.stack.refresh(config=self.config)

    @property
    def config(self) -> dict[str, str]:
        return {"kubeconfig": self.server.kubeconfig, "enableConfigMapMutable": "true"}

    @property
    def objects(self) -> dict[str, str]:
        """The UIDs of the objects that are there because of the stack, by collection and name."""
        found = {}
        for (plural, _, name), item in self.server.store.objects.items():
            if any(entry["manager"].startswith("pulumi-") for entry in item["metadata"]["managedFields"]):
                found[f"{plural}/{name}"] = item["metadata"]["uid"]
        return found


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for module in (client, cluster):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.01)
    with running() as server:
        server.store.seed("configmaps", "default", "foreign", data={"mine": "no"})
        yield Shop(Simulation(tmp_path / "state"), server)
        assert "foreign" in server.store.names("configmaps")


def _live(deployment: Deployment) -> list[Resource]:
    return [item for item in deployment.resources if item.custom and not provider_package(item.type)]


def _assert_recorded(shop: Shop) -> None:
    """State and cluster agree: what is recorded exists, what exists is recorded, or known to be on its way."""
    deployment = shop.stack.load()
    begun = {_key(item.resource) for item in deployment.pending}
    recorded = {_key(item): item.outputs["metadata"]["uid"] for item in _live(deployment) if _key(item) not in begun}
    assert recorded.items() <= shop.objects.items()
    assert shop.objects.keys() <= recorded.keys() | begun


def _assert_exactly(shop: Shop, names: set[str]) -> None:
    deployment = shop.stack.load()
    assert deployment.pending == []
    assert {item.urn.rpartition("::")[2] for item in _live(deployment)} == names
    assert {_key(item): item.outputs["metadata"]["uid"] for item in _live(deployment)} == shop.objects
    assert all(count == 1 for count in shop.server.store.created.values()), "an object was made twice"


def _key(resource: Resource) -> str:
    plurals = {CONFIG_MAP: "configmaps", NAMESPACE: "namespaces", DEPLOYMENT: "deployments"}
    return f"{plurals[resource.type]}/{resource.inputs['metadata']['name']}"


def _assert_told_once(ran: Ran) -> None:
    """At most one resource has failed by itself, and says why in one line."""
    assert ran.fatal is None
    assert len(ran.errors) <= 1
    assert all(error and "\n" not in error and "Traceback" not in error for error in ran.errors)


def _writes(request: Request) -> bool:
    named = (request.body or {}).get("metadata", {}).get("name") if isinstance(request.body, dict) else None
    return request.method != "GET" and request.plural == "configmaps" and "settings" in (request.name, named)


def _reads(request: Request) -> bool:
    return request.method == "GET" and request.plural == "configmaps" and request.name == "settings"


def _watches(request: Request) -> bool:
    return request.watches


PLACES: dict[str, Callable[[Request], bool]] = {
    "write": _writes,
    "change": lambda request: _writes(request) and request.method != "DELETE",
    "read": _reads,
    "watch": _watches,
}
TROUBLE: dict[str, dict[str, Any]] = {
    "409": {"act": 409, "reason": "Conflict"},
    "410": {"act": 410, "reason": "Expired"},
    "429": {"act": 429, "headers": {"Retry-After": "0"}},
    "500": {"act": 500},
    "500 although done": {"act": 500, "after": True},
    "503": {"act": 503},
    "dropped": {"act": "drop"},
    "dropped although done": {"act": "drop", "after": True},
    "slow": {"act": "slow"},
    "restart": {"act": "restart"},
    "restart although done": {"act": "restart", "after": True},
    "403": {"act": 403, "reason": "Forbidden"},
}


def _cases(*without: tuple[str, str]) -> list[tuple[str, str]]:
    """Return places and troubles that go together: conflicts are about writes, and only watches expire."""
    impossible = {("read", "409"), ("watch", "409"), ("write", "410"), ("read", "410"), *without}
    return [each for each in product(("write", "read", "watch"), TROUBLE) if each not in impossible]


def _fault(place: str, trouble: str, times: int) -> Fault:
    return Fault(PLACES[place], times=times, **TROUBLE[trouble])


NAMES = {want.name for want in _wanted("1", 0)}
PASSES = _cases(("write", "409"), *((place, "403") for place in PLACES))
LASTS = _cases(*product(PLACES, ("slow", "restart", "restart although done")))


@pytest.mark.parametrize(("place", "trouble"), [*PASSES, ("change", "409")])
def test_what_passes_is_survived(shop: Shop, place: str, trouble: str) -> None:
    first, second, seen = _wanted("1", LONG), _wanted("2", LONG), 0
    for act in (lambda: shop.up(first), lambda: shop.up(second), shop.refresh, shop.destroy):
        fault = _fault(place, trouble, times=1)
        shop.server.faults[:] = [fault]
        ran = act()
        seen += fault.seen
        assert ran.errors == []
        _assert_exactly(shop, {item.urn.rpartition("::")[2] for item in ran.resources} & NAMES)
    assert seen >= 2
    assert shop.objects == {}


@pytest.mark.parametrize(("place", "trouble"), LASTS)
def test_what_lasts_fails_one_resource_and_the_next_run_puts_it_right(shop: Shop, place: str, trouble: str) -> None:
    for version in ("1", "2"):
        with shop.failing(_fault(place, trouble, FOREVER)):
            _assert_told_once(shop.up(_wanted(version, SHORT)))
        _assert_recorded(shop)
        assert shop.up(_wanted(version, LONG)).errors == []
        _assert_exactly(shop, NAMES)
        settings = shop.server.store.objects["configmaps", "default", "settings"]
        assert settings["data"] == {"version": version, f"only-{version}": "x"}
        assert shop.up(_wanted(version, SHORT)).operations == []
    with shop.failing(_fault(place, trouble, FOREVER)):
        _assert_told_once(shop.destroy())
    _assert_recorded(shop)
    assert shop.destroy().resources == []
    assert shop.objects == {}


def test_a_write_that_arrives_after_it_was_given_up_is_not_done_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    for act in (lambda: shop.up(_wanted("1", LONG)), lambda: shop.up(_wanted("2", LONG)), shop.destroy):
        shop.server.faults[:] = [_fault("write", "slow", times=1)]
        ran = act()
        assert ran.errors == []
        assert shop.server.faults[0].seen == 1
        _assert_exactly(shop, {item.urn.rpartition("::")[2] for item in ran.resources} & NAMES)


@pytest.mark.parametrize("status", [403, 404, 422])
def test_a_creation_that_is_refused_because_it_has_happened_already_counts_as_done(shop: Shop, status: int) -> None:
    """The answer is lost, and the second attempt meets a quota that the first one has used up."""
    lost, refused = _fault("change", "dropped although done", times=1), Fault(PLACES["change"], status, times=1)
    shop.server.faults[:] = [lost, refused]
    assert shop.up(_wanted("1", LONG)).errors == []
    assert (lost.seen, refused.seen) == (1, 1)
    _assert_exactly(shop, NAMES)


def test_a_creation_whose_answer_is_lost_is_kept_in_mind_when_the_credentials_expire(shop: Shop) -> None:
    lost, refused = _fault("change", "dropped although done", times=1), Fault(PLACES["change"], 401, times=FOREVER)
    shop.server.faults[:] = [lost, refused]
    _assert_told_once(shop.up(_wanted("1", LONG)))
    _assert_recorded(shop)
    shop.server.faults.clear()
    assert shop.up(_wanted("1", LONG)).errors == []
    _assert_exactly(shop, NAMES)


def test_a_creation_of_unknown_outcome_is_not_repeated_while_nobody_can_look(shop: Shop) -> None:
    with shop.failing(_fault("write", "dropped although done", FOREVER)):
        _assert_told_once(shop.up(_wanted("1", LONG)))
    with shop.failing(_fault("read", "500", FOREVER)):
        ran = shop.up(_wanted("1", LONG))
    assert "whether it exists cannot be known (injected 500)" in ran.errors[0]
    _assert_recorded(shop)
    assert shop.up(_wanted("1", LONG)).errors == []
    _assert_exactly(shop, NAMES)


@pytest.mark.parametrize("trouble", ["403", "410", "500", "dropped", "restart"])
def test_a_refresh_that_may_not_list_reads_one_by_one(shop: Shop, trouble: str) -> None:
    wants = [Want(f"n{number}", {"data": {"x": "1"}}, type=CONFIG_MAP) for number in range(10)]
    assert shop.up(wants).errors == []
    fault = Fault(lambda request: "limit" in request.query, **TROUBLE[trouble])
    shop.server.faults[:] = [fault]
    ran = shop.refresh()
    assert fault.seen == 1
    assert ran.errors == []
    _assert_exactly(shop, {want.name for want in wants})
    assert shop.up(wants).operations == []


PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

shop = k8s.core.v1.Namespace("shop", metadata=ObjectMetaArgs(name="shop"))
place = ObjectMetaArgs(namespace=shop.metadata.name)
maps = [k8s.core.v1.ConfigMap(f"map-{number}", metadata=place, data={"n": str(number)}) for number in range(12)]
pulumi.export("first", maps[0].metadata.name)
"""


@pytest.mark.parametrize("trouble", ["restart", "restart although done"])
def test_a_whole_program_outlives_a_restart_of_the_api_server(project: Project, trouble: str) -> None:
    project.write(PROGRAM)
    with running() as server:
        kubeconfig = project.folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig)

        def engine(*arguments: str) -> None:
            environment = {**project.place.environment, "KUBECONFIG": str(kubeconfig)}
            command = [sys.executable, "-m", "engine", *arguments, "--stack", "dev", "--yes", "--skip-preview"]
            done = subprocess.run(
                command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr

        def fifth(request: Request) -> bool:
            return request.method in ("POST", "DELETE") and len(server.store.names("configmaps")) == 5

        server.faults[:] = [Fault(fifth, **TROUBLE[trouble])]
        engine("up")
        assert server.faults[0].seen == 1
        assert len(server.store.names("configmaps")) == 12
        assert max(server.store.created.values()) == 1
        engine("up", "--expect-no-changes")
        server.faults[:] = [Fault(fifth, **TROUBLE[trouble])]
        engine("destroy")
        assert server.faults[0].seen == 1
        assert server.store.names("configmaps") == []
        assert server.store.names("namespaces") == ["default"]
