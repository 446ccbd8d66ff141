import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from local import processes, waiting
from local.processes import Record, Supervisor


@pytest.fixture
def supervisor(tmp_path: Path):
    made = Supervisor(tmp_path / "records", tmp_path / "logs")
    yield made
    made.stop("sleeper", patience=0.1)


def started(supervisor: Supervisor, *command: str) -> Record:
    supervisor.start("sleeper", command or ("sleep", "60"), "mark")
    record = supervisor.record("sleeper")
    assert record
    return record


def test_a_started_process_is_known_again(supervisor: Supervisor, tmp_path: Path) -> None:
    record = started(supervisor)
    assert Supervisor(tmp_path / "records", tmp_path / "logs").record("sleeper") == record
    assert supervisor.current("sleeper", "mark")
    assert not supervisor.current("sleeper", "another")


@pytest.mark.parametrize("changed", [{"started": 1}, {"boot": "another"}], ids=["later start", "earlier boot"])
def test_a_number_given_to_another_process_is_not_ours(supervisor: Supervisor, changed: dict[str, object]) -> None:
    record = started(supervisor)
    stale = dataclasses.replace(record, **changed)
    assert not processes.alive(stale)
    processes.end(stale, patience=0.1)
    assert processes.alive(record)


def test_a_process_that_ended_but_was_not_collected_is_gone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    record = Record(child.pid, processes.start_time(child.pid) or 0, processes.boot(), "")
    assert processes.alive(record)
    child.kill()
    waiting.until(lambda: not processes.alive(record), "the end", 5)


def test_stop_ends_a_process_and_forgets_it(supervisor: Supervisor, tmp_path: Path) -> None:
    record = started(supervisor)
    supervisor.stop("sleeper")
    assert not processes.alive(record)
    assert list((tmp_path / "records").iterdir()) == []


def test_stop_does_not_take_no_for_an_answer(supervisor: Supervisor) -> None:
    record = started(supervisor, "sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 0.05; done")
    waiting.until(lambda: "deaf" in supervisor.tail("sleeper"), "the trap", 5)
    supervisor.stop("sleeper", patience=0.2)
    assert not processes.alive(record)


def test_stopping_what_does_not_run_is_no_error(supervisor: Supervisor) -> None:
    supervisor.stop("sleeper")


def test_a_process_that_nobody_recorded_never_runs_its_program(tmp_path: Path) -> None:
    """As when `up` is killed between the start of a process and its record."""
    mark = tmp_path / "ran"
    gate = subprocess.Popen(["/bin/sh", "-c", processes.GATE, "x", "touch", str(mark)], stdin=subprocess.PIPE)
    assert gate.stdin
    gate.stdin.close()
    assert gate.wait(5) == 1
    assert not mark.exists()


def test_a_process_is_adopted_before_its_program_runs(tmp_path: Path) -> None:
    adopted: list[int] = []
    own = Supervisor(tmp_path / "records", tmp_path / "logs", adopted.append)
    own.start("echo", ["sh", "-c", "echo $$"], "")
    waiting.until(lambda: bool(own.tail("echo")), "its output", 5)
    assert adopted == [int(own.tail("echo"))]


def test_a_process_gets_its_environment_and_descriptors_and_no_others(tmp_path: Path) -> None:
    own = Supervisor(tmp_path / "records", tmp_path / "logs")
    with (tmp_path / "shared").open("w") as shared, (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), False)
        listing = "env; ls /proc/self/fd; echo done"
        own.start("show", ["sh", "-c", listing], "", {"PATH": os.environ["PATH"], "A": "b"}, [shared.fileno()])
        waiting.until(lambda: "done" in own.tail("show"), "its output", 5)
        lines = own.log_file("show").read_text().splitlines()
        assert "A=b" in lines
        assert not [line for line in lines if line.startswith("HOME=")]
        assert str(shared.fileno()) in lines
        assert str(other.fileno()) not in lines


def test_a_large_log_is_set_aside_at_the_next_start(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT", 3)
    log = tmp_path / "logs" / "sleeper.log"
    log.parent.mkdir()
    log.write_text("long")
    started(supervisor)
    assert (tmp_path / "logs" / "sleeper.log.1").read_text() == "long"
    assert log.read_text() == ""


def test_a_fingerprint_covers_the_command_and_the_files(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    first = processes.fingerprint(["run"], [file])
    assert processes.fingerprint(["run"], [file]) == first
    assert processes.fingerprint(["walk"], [file]) != first
    file.write_text("b")
    assert processes.fingerprint(["run"], [file]) != first


def test_a_damaged_record_counts_as_none(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "sleeper.json").write_text("{")
    assert supervisor.record("sleeper") is None
