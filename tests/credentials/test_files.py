"""Files appear, stay fresh without a gap, and are given back."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509

from tests.credentials.agent import Agent, text_file
from tests.credentials.conftest import log_in_for
from tests.credentials.database import Database, sign_in
from tests.credentials.vault import Vault
from tests.credentials.waiting import until

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


def with_database(agent: Agent, database: Database, role: str) -> Path:
    """Have an agent write a service file of PostgreSQL's."""
    agent.settings["sources"] = [{"name": "database", "path": f"database/creds/{role}"}]
    template = (
        f"[cohort]\nhost=127.0.0.1\nport={database.port}\ndbname=postgres\n"
        "user={{ .database.username }}\npassword={{ .database.password }}\n"
    )
    path = agent.folder / "pg_service.conf"
    agent.settings["files"] = [text_file(path, template)]
    return path


def user(file: Path) -> str:
    """Who a new session is; being refused fails the test."""
    done = sign_in(file)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_opens_the_database_and_everything_is_given_back(agent: Agent, vault: Vault, database: Database) -> None:
    file = with_database(agent, database, "steady")
    tokens, leases = set(vault.tokens()), set(vault.leases("database/creds/steady"))
    agent.start().until_fresh()
    assert user(file).startswith("v-kubernet-steady-")
    assert file.stat().st_mode & 0o777 == 0o600
    (lease,) = set(vault.leases("database/creds/steady")) - leases
    copy = agent.folder / "copy"
    shutil.copy(file, copy)
    assert agent.stop() == 0
    until(lambda: sign_in(copy).returncode != 0)
    assert [path.exists() for path in (file, Path(agent.settings["status"]))] == [False, False]
    assert set(vault.tokens()) <= tokens
    assert lease not in vault.leases("database/creds/steady")


def test_short_lives_follow_one_another_without_a_refusal(agent: Agent, database: Database) -> None:
    file = with_database(agent, database, "reader")
    agent.start().until_fresh()
    users: list[str] = []
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        users.append(user(file))
    assert len(set(users)) >= 3, users


def test_a_new_login_replaces_what_ends_with_the_former_one(agent: Agent, vault: Vault, database: Database) -> None:
    log_in_for(vault, 4, 6)
    try:
        file = with_database(agent, database, "steady")
        agent.start().until_fresh()
        first = user(file)
        until(lambda: user(file) != first)
        assert agent.log.count("logged in") >= 2
    finally:
        log_in_for(vault, 60)


@pytest.mark.parametrize("what", ["lease", "token"])
def test_what_was_revoked_is_new_within_seconds(agent: Agent, vault: Vault, database: Database, what: str) -> None:
    file = with_database(agent, database, "steady")
    before = set(vault.tokens())
    agent.start().until_fresh()
    first = sign_in(file).stdout
    if what == "lease":
        vault.call("PUT", "sys/leases/revoke-prefix/database/creds/steady")
    else:
        (accessor,) = set(vault.tokens()) - before
        vault.call("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    until(lambda: sign_in(file).stdout not in ("", first), 8)


def test_files_of_one_change_belong_together(agent: Agent) -> None:
    agent.settings["sources"] = [
        {"name": "server", "path": "pki/issue/server", "method": "write", "data": {"common_name": "db", "ttl": "6s"}}
    ]
    certificate, key = agent.folder / "tls.crt", agent.folder / "tls.key"
    agent.settings["files"] = [
        text_file(certificate, "{{ .server.certificate }}\n", mode="0644"),
        text_file(key, "{{ .server.private_key }}\n"),
    ]
    agent.start().until_fresh()
    first = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert (certificate.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o644, 0o600)
    until(lambda: x509.load_pem_x509_certificate(certificate.read_bytes()) != first)
    assert dict(agent.status()["sources"][0], expires="") == {"name": "server", "expires": "", "error": ""}


def test_a_value_of_the_store_reaches_the_file_when_it_changes(agent: Agent, vault: Vault) -> None:
    vault.call("POST", "kv/data/cohort/note", {"data": {"text": 'a "word"'}})
    agent.settings["sources"] = [{"name": "note", "path": "kv/data/cohort/note", "refresh": "1s"}]
    file = agent.folder / "note.json"
    agent.settings["files"] = [text_file(file, '{"note": {{ json .note.text }}}')]
    agent.settings["on_change"] = {"command": ["/bin/sh", "-c", f"cat {file} >> {agent.folder}/told"]}
    agent.start().until_fresh()
    assert json.loads(file.read_text()) == {"note": 'a "word"'}
    vault.call("POST", "kv/data/cohort/note", {"data": {"text": "new"}})
    until(lambda: "new" in file.read_text())
    told = until(lambda: (text := (agent.folder / "told").read_text()).count("{") == 2 and text)
    assert told == '{"note": "a \\"word\\""}{"note": "new"}'


def test_a_reader_never_sees_half_a_file(agent: Agent, vault: Vault) -> None:
    vault.call("POST", "kv/data/cohort/long", {"data": {"text": "a" * 300_000}})
    agent.settings["sources"] = [{"name": "long", "path": "kv/data/cohort/long", "refresh": "100ms"}]
    file = agent.folder / "long"
    agent.settings["files"] = [text_file(file, "{{ .long.text }}")]
    agent.start().until_fresh()
    ended = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not ended.is_set():
            seen.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcd":
        vault.call("POST", "kv/data/cohort/long", {"data": {"text": letter * 300_000}})
        until(lambda letter=letter: file.read_text().startswith(letter))
    ended.set()
    reader.join()
    assert {(len(text), len(set(text))) for text in seen} == {(300_000, 1)}


def test_an_idle_agent_is_small(agent: Agent, database: Database) -> None:
    with_database(agent, database, "steady")
    agent.start().until_fresh()
    assert agent.resident() < 20 * MIB


def test_no_secret_is_told(agent: Agent, vault: Vault, database: Database) -> None:
    file = with_database(agent, database, "steady")
    agent.start().until_fresh()
    words = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    vault.seal()
    agent.until_waiting("sealed")
    told = agent.log + json.dumps(agent.status()) + agent.command_line() + agent.config.read_text()
    vault.unseal()
    assert words["password"] not in told
    assert (agent.folder / "token").read_text() not in told
    assert "hvs." not in told
