"""Random programs and random edits, cut short at random points, compared with what Pulumi's semantics promise."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ProviderError
from tests.engine.simulation import Ref, Simulation, Want
from tests.engine.test_crash import Crash, Fuse

NAMES = ["a", "b", "c", "d", "e"]
METHODS = ["create", "update", "delete"]


@st.composite
def programs(draw: st.DrawFn) -> list[Want]:
    """Resources with inputs, references to earlier ones, and options that do not forbid their deletion."""
    wants: list[Want] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        earlier = [want.name for want in wants]
        inputs: dict[str, Any] = {"size": draw(st.integers(0, 2)), "zone": draw(st.integers(0, 1))}
        if earlier and draw(st.booleans()):
            inputs[draw(st.sampled_from(["hint", "of"]))] = Ref(draw(st.sampled_from(earlier)), "serial")
        if draw(st.booleans()):
            inputs["name"] = f"fixed-{name}"
        options: dict[str, Any] = {}
        if "name" in inputs or draw(st.booleans()):
            options["delete_before_replace"] = True
        depends_on = tuple(draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else ()
        wants.append(Want(name, inputs, depends_on, options=options))
    return wants


def _stack(folder: str) -> Simulation:
    stack = Simulation(Path(folder))
    stack.cloud.immutable.update({"zone", "of"})
    return stack


def _assert_as_wanted(stack: Simulation, wants: list[Want]) -> None:
    """Cloud and state hold what the program says and nothing else, and a second run has nothing to do."""
    again = stack.up(wants)
    assert again.operations == []
    assert sorted(again.names) == sorted(want.name for want in wants)
    assert {again[want.name].id for want in wants} == set(stack.cloud.objects)
    for want in wants:
        live, recorded = stack.cloud.objects[again[want.name].id], again[want.name]
        assert live == recorded.outputs
        for key, value in want.inputs.items():
            expected = stack.cloud.objects[again[value.name].id]["serial"] if isinstance(value, Ref) else value
            assert live[key] == expected
    positions = {item.urn: index for index, item in enumerate(again.resources)}
    for item in again.resources:
        assert all(positions[urn] < positions[item.urn] for urn in item.references())


COMMON = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@COMMON
@given(st.lists(programs(), min_size=1, max_size=3))
def test_any_edit_leads_to_what_the_program_says(edits: list[list[Want]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = _stack(folder)
        for wants in edits:
            planned = stack.preview(wants)
            ran = stack.up(wants)
            assert ran.errors == []
            assert _foreseen(planned.changes) == _foreseen(ran.changes)
            _assert_as_wanted(stack, wants)
        stack.destroy()
        assert stack.cloud.objects == {}


def _foreseen(changes: dict[str, int]) -> int:
    """How many resources are touched; a preview may call an update what turns out to be unchanged or replaced."""
    return changes.get("create", 0) - changes.get("delete", 0)


@COMMON
@given(programs(), programs(), programs(), st.integers(0, 30), st.booleans())
def test_a_crash_anywhere_loses_and_doubles_nothing(
    first: list[Want], second: list[Want], third: list[Want], point: int, at_cloud: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = _stack(folder)
        stack.up(first)
        fuse = Fuse(point)
        if at_cloud:
            stack.cloud.before = fuse
        else:
            stack.journal_sync = fuse
        with contextlib.suppress(Crash):
            stack.up(second, parallel=1)
        stack.cloud.before = stack.journal_sync = lambda *_: None
        ran = stack.up(third)
        assert ran.errors == []
        _assert_as_wanted(stack, third)


@COMMON
@given(
    programs(), programs(), st.sets(st.tuples(st.sampled_from(["create", "update", "delete"]), st.sampled_from(NAMES)))
)
def test_failures_stop_dependants_only_and_are_made_good(
    first: list[Want], second: list[Want], failing: set[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = _stack(folder)
        stack.up(first)

        def fail(method: str, name: str) -> None:
            if (method, name) in failing:
                raise ProviderError("refused")

        stack.cloud.before = fail
        ran = stack.up(second)
        assert {item.id for item in ran.resources if item.id in stack.cloud.objects} == set(stack.cloud.objects)
        stack.cloud.before = lambda *_: None
        assert stack.up(second).errors == []
        _assert_as_wanted(stack, second)


pytestmark = pytest.mark.slow
