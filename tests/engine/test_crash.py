"""A run that is cut short between any two writes: the next one adopts what exists and makes nothing twice."""

import errno
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.aliases import Alias
from engine.errors import Interrupted, StateError
from engine.values import Secret
from tests.engine.memory import Cloud
from tests.engine.simulation import Ref, Simulation, Want

FIRST = [
    Want("a", {"size": 1, "zone": 1}),
    Want("b", {"of": Ref("a", "serial")}),
    Want("c", {"zone": 1, "name": "fixed"}, options={"delete_before_replace": True}),
    Want("gone", depends_on=("a",)),
]
SECOND = [
    Want("a", {"size": 2, "zone": 1}),
    Want("b", {"of": Ref("a", "serial"), "zone": 2}),
    Want("c", {"zone": 2, "name": "fixed"}, options={"delete_before_replace": True}),
]


class Crash(BaseException):
    """The process ends here: nothing may handle it."""


class Fuse:
    """Lets a number of events pass, then crashes at each."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, *_: Any) -> None:
        self.count -= 1
        if self.count < 0:
            raise Crash


def _crash_points(first: list[Want], second: list[Want] | None, folder: Path, attach: Any) -> int:
    """Crash at every point of a run, recover each time, and return how many points there were."""
    for point in range(200):
        stack = Simulation(folder / str(point))
        stack.cloud.immutable.add("zone")
        wanted = first
        if second is not None:
            stack.up(first)
            wanted = second
        stack.cloud.calls.clear()
        attach(stack, Fuse(point))
        if not _crashes(stack, wanted):
            return point
        attach(stack, lambda *_: None)
        _assert_recovered(stack, wanted, point)
    raise AssertionError("the run never ended")


def _crashes(stack: Simulation, wanted: list[Want]) -> bool:
    try:
        stack.up(wanted, parallel=1)
    except Crash:
        return True
    return False


def _assert_recovered(stack: Simulation, wanted: list[Want], point: int) -> None:
    ran = stack.up(wanted)
    assert ran.errors == [], f"point {point}"
    assert ran.names == [want.name for want in wanted], f"point {point}"
    assert {ran[want.name].id for want in wanted} == set(stack.cloud.objects), f"point {point}: an orphan"
    for want in wanted:
        live = stack.cloud.objects[ran[want.name].id]
        assert {key: live[key] for key in ran[want.name].inputs} == ran[want.name].inputs, f"point {point}"
    assert len(stack.cloud.made("create")) <= len(set(stack.cloud.made("create"))) + 1
    assert stack.up(wanted).operations == [], f"point {point}"
    assert stack.destroy().resources == []
    assert stack.cloud.objects == {}


def _at_sync(stack: Simulation, fuse: Any) -> None:
    stack.journal_sync = fuse


def _at_cloud(stack: Simulation, fuse: Any) -> None:
    stack.cloud.before = fuse


@pytest.mark.parametrize("attach", [_at_sync, _at_cloud], ids=["journal", "cloud"])
@pytest.mark.parametrize("second", [None, SECOND], ids=["first up", "changes"])
def test_every_point_of_a_run_can_be_its_last(tmp_path: Path, attach: Any, second: list[Want] | None) -> None:
    points = _crash_points(FIRST, second, tmp_path, attach)
    assert points >= 8


def test_a_torn_last_line_is_what_a_crash_leaves(stack: Simulation) -> None:
    _cut_short(stack)
    journal = stack.files.journal
    journal.write_bytes(journal.read_bytes()[:-20])
    ran = stack.up(FIRST)
    assert ran.errors == []
    assert {item.id for item in ran.resources if item.id in stack.cloud.objects} == set(stack.cloud.objects)


def test_damage_inside_the_journal_is_refused(stack: Simulation) -> None:
    _cut_short(stack)
    journal = stack.files.journal
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0][:-5], *lines[1:]]))
    with pytest.raises(StateError, match="line 1 is damaged"):
        stack.load()


def _cut_short(stack: Simulation) -> None:
    stack.journal_sync = Fuse(7)
    with pytest.raises(Crash):
        stack.up(FIRST, parallel=1)
    stack.journal_sync = lambda _: None


def test_an_unknown_outcome_stays_pending_until_it_is_known(stack: Simulation) -> None:
    def cut(method: str, name: str) -> None:
        if method == "created":
            raise Interrupted("connection reset")

    stack.cloud.before = cut
    ran = stack.up([Want("a")])
    assert ran.errors == ["connection reset"]
    assert ran.names == []
    assert [(item.type, item.resource.urn) for item in stack.load().pending] == [("creating", ran_urn(ran))]
    stack.cloud.before = lambda *_: None
    assert stack.up([Want("a")]).names == ["a"]
    assert len(stack.cloud.objects) == 1


def ran_urn(ran: Any) -> str:
    return next(event["diagnosticEvent"]["urn"] for event in ran.events if "diagnosticEvent" in event)


def test_a_full_disk_stops_the_run_and_loses_nothing(stack: Simulation) -> None:
    writes = iter(range(4))

    def sync(descriptor: int) -> None:
        if next(writes, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    stack.journal_sync = sync
    ran = stack.up(FIRST)
    assert "No space left on device" in str(ran.fatal)
    stack.journal_sync = lambda _: None
    again = stack.up(FIRST)
    assert again.errors == []
    assert {again[want.name].id for want in FIRST} == set(stack.cloud.objects)


KILLED = """
import os, signal, sys, json
from pathlib import Path
from engine.values import Secret
from tests.engine.memory import Cloud
from tests.engine.simulation import Simulation
from tests.engine.test_crash import FIRST
folder, point = Path(sys.argv[1]), int(sys.argv[2])

class Disk(dict):
    def __setitem__(self, key, value):
        (folder / "objects").mkdir(exist_ok=True)
        (folder / "objects" / key).write_text(json.dumps(value))
        super().__setitem__(key, value)

seen = 0
def kill(*_):
    global seen
    seen += 1
    if seen > point:
        os.kill(os.getpid(), signal.SIGKILL)

cloud = Cloud(objects=Disk(), before=kill)
Simulation(folder / "state", cloud).up(FIRST)
"""


@pytest.mark.parametrize("point", [0, 1, 2, 5])
def test_kill_9_of_the_engine_itself(tmp_path: Path, point: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(point)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    objects = {path.name: json.loads(path.read_text()) for path in (tmp_path / "objects").glob("*")}
    stack = Simulation(tmp_path / "state", Cloud(objects=objects, counter=10))
    ran = stack.up(FIRST)
    assert ran.errors == []
    assert {ran[want.name].id for want in FIRST} == set(stack.cloud.objects)


def test_replaying_a_journal_twice_is_replaying_it_once(stack: Simulation) -> None:
    stack.up(FIRST)
    stack.cloud.immutable.add("zone")
    kept = stack.files.checkpoint.read_bytes()
    copies = []
    original = stack.journal_sync
    stack.journal_sync = lambda descriptor: copies.append(stack.files.journal.read_bytes())
    stack.up(SECOND)
    stack.journal_sync = original
    after = stack.files.checkpoint.read_bytes()
    stack.files.journal.write_bytes(copies[-1])
    twice = {item.key: vars(item) for item in stack.load().resources}
    stack.files.checkpoint.write_bytes(kept)
    once = {item.key: vars(item) for item in stack.load().resources}
    assert once == twice
    stack.files.journal.unlink()
    stack.files.checkpoint.write_bytes(after)
    assert {item.key: vars(item) for item in stack.load().resources} == once


def test_the_journal_keeps_secrets_secret(stack: Simulation) -> None:
    stack.journal_sync = Fuse(2)
    with pytest.raises(Crash):
        stack.up([Want("a", {"password": Secret("hunter2")}), Want("b")], parallel=1)
    assert "password" in stack.files.journal.read_text()
    assert "hunter2" not in stack.files.journal.read_text()
    assert stack.files.journal.stat().st_mode & 0o777 == 0o600
    assert stack.load().pending[0].resource.inputs["password"] == Secret("hunter2")


def test_a_rename_survives_a_crash(stack: Simulation) -> None:
    stack.up([Want("old", {"name": "n"})])
    stack.journal_sync = Fuse(1)
    renamed = replace(Want("new", {"name": "n"}), aliases=(Alias(name="old"),))
    with pytest.raises(Crash):
        stack.up([renamed, Want("other")], parallel=1)
    stack.journal_sync = lambda _: None
    ran = stack.up([renamed, Want("other")])
    assert ran.names == ["new", "other"]
    assert stack.cloud.made("create") == ["old", "other"]
