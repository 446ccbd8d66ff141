"""The agent as the parent of a server."""

import contextlib
import signal
import sys
from pathlib import Path

import pytest

from tests.credentials.agent import Agent, text_file
from tests.credentials.conftest import log_in_for
from tests.credentials.vault import Vault
from tests.credentials.waiting import until

pytestmark = pytest.mark.slow

SERVER = """
import os, signal, sys
folder = sys.argv[1]
def note(text):
    with open(folder + "/notes", "a") as notes: notes.write(text + "\\n")
signal.signal(signal.SIGHUP, lambda *_: note("HUP"))
signal.signal(signal.SIGUSR1, lambda *_: note("USR1"))
def end(number, _):
    note("file " + str(os.path.exists(folder + "/tls.crt")))
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
note("start " + str(os.path.exists(folder + "/tls.crt")) + " " + os.environ.get("SERVER_TOKEN", "none"))
while True: signal.pause()
"""


@pytest.fixture
def server(agent: Agent) -> Agent:
    """An agent with a certificate that is renewed every few seconds."""
    asked = {"common_name": "server", "ttl": "5s"}
    agent.settings["sources"] = [{"name": "tls", "path": "pki/issue/server", "method": "write", "data": asked}]
    agent.settings["files"] = [text_file(agent.folder / "tls.crt", "{{ .tls.certificate }}")]
    agent.settings["on_change"] = {"signal": "HUP"}
    return agent


def command(agent: Agent) -> list[str]:
    return [sys.executable, "-c", SERVER, str(agent.folder)]


def notes(agent: Agent) -> list[str]:
    path = agent.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def starts(agent: Agent) -> list[str]:
    return [line for line in notes(agent) if "start" in line]


def test_a_server_starts_with_its_files_hears_of_new_ones_and_ends_first(server: Agent) -> None:
    server.start(*command(server))
    until(lambda: "HUP" in notes(server))
    server.process.send_signal(signal.SIGUSR1)
    until(lambda: "USR1" in notes(server))
    assert notes(server)[0] == "start True none"
    assert server.stop() == 7
    assert notes(server)[-1] == "file True"
    assert not (server.folder / "tls.crt").exists()


def test_the_end_of_the_server_is_the_end_of_the_agent(server: Agent, vault: Vault) -> None:
    before = set(vault.tokens())
    server.start("/bin/sh", "-c", "exit 3")
    assert server.process.wait(20) == 3
    assert set(vault.tokens()) <= before
    server.start("/bin/sh", "-c", "kill -9 $$")
    assert server.process.wait(20) == 128 + 9


def test_a_server_that_does_not_stop_is_killed(server: Agent) -> None:
    server.settings["child"] = {"grace": "1s"}
    server.start("/bin/sh", "-c", f"trap '' TERM; touch {server.folder}/up; while :; do sleep 0.1; done")
    until((server.folder / "up").exists)
    assert server.stop() == 128 + 9


def test_a_server_is_stopped_by_the_signal_that_it_wants(server: Agent) -> None:
    server.settings["child"] = {"stop": "INT"}
    server.start("/bin/sh", "-c", f"trap 'exit 4' INT; touch {server.folder}/up; while :; do sleep 0.1; done")
    until((server.folder / "up").exists)
    assert server.stop() == 4


def test_a_token_goes_into_the_environment_and_a_new_one_restarts(server: Agent, vault: Vault) -> None:
    log_in_for(vault, 4, 6)
    try:
        server.settings["environment"] = {"SERVER_TOKEN": "{{ .token }}"}
        server.start(*command(server))
        until(lambda: len(starts(server)) >= 2, 30)
    finally:
        log_in_for(vault, 60)
    tokens = [line.split()[-1] for line in starts(server)]
    assert len(set(tokens)) == len(tokens)
    assert all(token.startswith("hvs.") and token not in server.log for token in tokens)


def test_a_command_that_is_not_there_is_one_clear_error(server: Agent, tmp_path: Path) -> None:
    server.start(str(tmp_path / "absent"))
    assert server.process.wait(20) == 1
    assert "the command cannot be started" in server.log


def test_the_first_process_of_a_container_takes_in_orphans(server: Agent) -> None:
    orphans = "for i in 1 2 3; do (sleep 0.1 &); done; sleep 0.5"
    script = f"{orphans}; touch {server.folder}/up; while :; do sleep 0.1; done"
    server.start("/bin/sh", "-c", script, wrapper=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    until((server.folder / "up").exists)
    (first,) = children(server.process.pid)
    until(lambda: len(children(first)) == 1)
    server.kill()


def children(parent: int) -> list[int]:
    """The processes of a parent, those too that have ended and were not taken in."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = path.read_text()
            if int(text.rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found
