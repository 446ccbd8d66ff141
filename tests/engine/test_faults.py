"""Whole runs against an API server that refuses, drops, delays and restarts, at each sort of request a run makes.

Whatever happens, state and cluster agree, nothing is made twice, nothing that is not ours is touched, and the next run
puts right what the faulty one left undone.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.kubernetes import client, cluster, transport
from tests.engine.conftest import Project
from tests.engine.faulty import (
    CONFIG_MAP,
    FOREVER,
    LONG,
    PLACES,
    SHORT,
    TROUBLE,
    Shop,
    assert_exactly,
    assert_recorded,
    assert_told_once,
    fault_at,
    key,
    live,
    wanted,
)
from tests.engine.kubernetes.api_server import Fault, Request, running
from tests.engine.simulation import Simulation, Want

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick_pauses() -> Iterator[None]:
    """Try again at once; how pauses grow has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (client, cluster):
            patch.setattr(module, "_FIRST_PAUSE", 0.01)
        yield


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with running() as server:
        server.store.seed("configmaps", "default", "foreign", data={"mine": "no"})
        yield Shop(Simulation(tmp_path / "state"), server)
        assert "foreign" in server.store.names("configmaps")


def _cases(*without: tuple[str, str]) -> list[tuple[str, str]]:
    """Return places and troubles that go together: conflicts are about writes, and only watches expire."""
    impossible = {("read", "409"), ("watch", "409"), ("write", "410"), ("read", "410"), *without}
    return [each for each in product(("write", "read", "watch"), TROUBLE) if each not in impossible]


NAMES = {want.name for want in wanted("1", 0)}
PASSES = _cases(("write", "409"), *((place, "403") for place in PLACES))
LASTS = _cases(*product(PLACES, ("slow", "restart", "restart although done")))


@pytest.mark.parametrize(("place", "trouble"), [*PASSES, ("change", "409")])
def test_what_passes_is_survived(shop: Shop, place: str, trouble: str) -> None:
    first, second, seen = wanted("1", LONG), wanted("2", LONG), 0
    for act in (lambda: shop.up(first), lambda: shop.up(second), shop.refresh, shop.destroy):
        fault = fault_at(place, trouble, times=1)
        shop.server.faults[:] = [fault]
        ran = act()
        seen += fault.seen
        assert ran.errors == []
        assert_exactly(shop, {item.urn.rpartition("::")[2] for item in ran.resources} & NAMES)
    assert seen >= 2
    assert shop.objects == {}


@pytest.mark.parametrize(("place", "trouble"), LASTS)
def test_what_lasts_fails_one_resource_and_the_next_run_puts_it_right(shop: Shop, place: str, trouble: str) -> None:
    for version in ("1", "2"):
        with shop.failing(fault_at(place, trouble, FOREVER)):
            assert_told_once(shop.up(wanted(version, SHORT)))
        assert_recorded(shop)
        assert shop.up(wanted(version, LONG)).errors == []
        assert_exactly(shop, NAMES)
        settings = shop.server.store.objects["configmaps", "default", "settings"]
        assert settings["data"] == {"version": version, f"only-{version}": "x"}
        assert shop.up(wanted(version, SHORT)).operations == []
    with shop.failing(fault_at(place, trouble, FOREVER)):
        assert_told_once(shop.destroy())
    assert_recorded(shop)
    assert shop.destroy().resources == []
    assert shop.objects == {}


def test_a_write_that_arrives_after_it_was_given_up_is_not_done_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    for act in (lambda: shop.up(wanted("1", LONG)), lambda: shop.up(wanted("2", LONG)), shop.destroy):
        shop.server.faults[:] = [fault_at("write", "slow", times=1)]
        ran = act()
        assert ran.errors == []
        assert shop.server.faults[0].seen == 1
        assert_exactly(shop, {item.urn.rpartition("::")[2] for item in ran.resources} & NAMES)


@pytest.mark.parametrize("status", [403, 404, 422])
def test_a_creation_that_is_refused_because_it_has_happened_already_counts_as_done(shop: Shop, status: int) -> None:
    """The answer is lost, and the second attempt meets a quota that the first one has used up."""
    lost, refused = fault_at("change", "dropped although done", times=1), Fault(PLACES["change"], status, times=1)
    shop.server.faults[:] = [lost, refused]
    assert shop.up(wanted("1", LONG)).errors == []
    assert (lost.seen, refused.seen) == (1, 1)
    assert_exactly(shop, NAMES)


def test_a_creation_whose_answer_is_lost_is_kept_in_mind_when_the_credentials_expire(shop: Shop) -> None:
    lost, refused = fault_at("change", "dropped although done", times=1), Fault(PLACES["change"], 401, times=FOREVER)
    shop.server.faults[:] = [lost, refused]
    assert_told_once(shop.up(wanted("1", LONG)))
    assert_recorded(shop)
    shop.server.faults.clear()
    assert shop.up(wanted("1", LONG)).errors == []
    assert_exactly(shop, NAMES)


def test_a_creation_of_unknown_outcome_is_not_repeated_while_nobody_can_look(shop: Shop) -> None:
    with shop.failing(fault_at("write", "dropped although done", FOREVER)):
        assert_told_once(shop.up(wanted("1", LONG)))
    with shop.failing(fault_at("read", "500", FOREVER)):
        ran = shop.up(wanted("1", LONG))
    assert "whether it exists cannot be known (injected 500)" in ran.errors[0]
    assert_recorded(shop)
    assert shop.up(wanted("1", LONG)).errors == []
    assert_exactly(shop, NAMES)


@pytest.mark.parametrize("trouble", ["403", "500", "dropped"])
def test_what_was_still_being_deleted_is_made_anew_once_it_is_gone(shop: Shop, trouble: str) -> None:
    wants = wanted("1", SHORT)
    assert shop.up(wanted("1", LONG)).errors == []
    assert shop.up(wants).operations == []
    with shop.failing(fault_at("watch", trouble, FOREVER)):
        assert_told_once(shop.destroy())
    assert [item.type for item in shop.stack.load().pending] == ["deleting"]
    ran = shop.up(wanted("1", LONG))
    assert ran.errors == []
    assert ("delete-replaced", "web") in ran.operations
    assert shop.objects.keys() == {"namespaces/shop", "deployments/web", *_maps(shop)}
    assert len(_maps(shop)) == 3
    assert_recorded(shop)
    assert shop.up(wants).operations == []


def _maps(shop: Shop) -> list[str]:
    return [name for name in shop.objects if name.startswith("configmaps/")]


@pytest.mark.parametrize("trouble", ["403", "410", "500", "dropped", "restart"])
def test_a_refresh_that_may_not_list_reads_one_by_one(shop: Shop, trouble: str) -> None:
    wants = [Want(f"n{number}", {"data": {"x": "1"}}, type=CONFIG_MAP) for number in range(10)]
    assert shop.up(wants).errors == []
    fault = Fault(lambda request: "limit" in request.query, **TROUBLE[trouble])
    shop.server.faults[:] = [fault]
    ran = shop.refresh()
    assert fault.seen == 1
    assert ran.errors == []
    assert_exactly(shop, {want.name for want in wants})
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


@st.composite
def troubles(draw: st.DrawFn) -> Fault:
    """Draw something that goes wrong, with the first matching requests or with later ones."""
    about, trouble = PLACES[draw(st.sampled_from(list(PLACES)))], draw(st.sampled_from(list(TROUBLE)))
    times = draw(st.sampled_from([1, 2] if TROUBLE[trouble]["act"] in ("slow", "restart") else [1, 2, FOREVER]))
    spared = draw(st.integers(0, 4))
    seen: list[Request] = []

    def late(request: Request) -> bool:
        if about(request):
            seen.append(request)
        return about(request) and len(seen) > spared

    return Fault(late, times=times, **TROUBLE[trouble])


STEPS = st.tuples(
    st.sampled_from(["up", "up", "refresh", "destroy"]), st.sampled_from("12"), st.lists(troubles(), max_size=3)
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_any_trouble_at_any_time_is_put_right_by_the_next_run(steps: list[tuple[str, str, list[Fault]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, running() as server:
        server.store.seed("configmaps", "default", "foreign", data={"mine": "no"})
        shop = Shop(Simulation(Path(folder)), server)
        for act, version, faults in steps:
            with shop.failing(*faults):
                shop.up(wanted(version, SHORT)) if act == "up" else getattr(shop, act)()
            assert_recorded(shop)
        assert shop.up(wanted("1", LONG)).errors == []
        deployment = shop.stack.load()
        assert deployment.pending == []
        assert {key(item): item.outputs["metadata"]["uid"] for item in live(deployment)} == shop.objects
        assert shop.up(wanted("1", LONG)).operations == []
        assert shop.destroy().resources == []
        assert shop.objects == {}
        assert "foreign" in server.store.names("configmaps")
