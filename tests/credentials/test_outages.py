"""A Vault that is sealed, dead or unwilling: what there is stays, the status says why, and it mends by itself."""

from pathlib import Path

import pytest

from local.certificates import Authority
from tests.credentials.agent import Agent, text_file
from tests.credentials.vault import Vault
from tests.credentials.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def file(agent: Agent, vault: Vault) -> Path:
    vault.call("POST", "kv/data/cohort/outage", {"data": {"text": "kept"}})
    agent.settings["sources"] = [{"name": "note", "path": "kv/data/cohort/outage", "refresh": "1s"}]
    file = agent.folder / "note"
    agent.settings["files"] = [text_file(file, "{{ .note.text }}")]
    return file


def test_a_sealed_store(agent: Agent, vault: Vault, file: Path) -> None:
    agent.start().until_fresh()
    vault.seal()
    agent.until_waiting("the key store is sealed")
    assert (agent.status()["state"], file.read_text()) == ("waiting", "kept")
    vault.unseal()
    agent.until_fresh(8)


def test_a_store_that_is_down_and_comes_back(agent: Agent, vault: Vault, file: Path) -> None:
    agent.start().until_fresh()
    vault.kill()
    agent.until_waiting("the key store does not answer since ")
    assert file.read_text() == "kept"
    vault.start()
    vault.unseal()
    agent.until_fresh(8)


def test_a_store_that_is_not_there_at_the_start(agent: Agent, vault: Vault, file: Path) -> None:
    vault.seal()
    agent.start().until_waiting("the key store is sealed")
    assert not file.exists()
    vault.unseal()
    agent.until_fresh(8)
    assert file.read_text() == "kept"


def test_a_credential_that_has_ended_stays_and_the_status_says_so(agent: Agent, vault: Vault) -> None:
    asked = {"common_name": "short", "ttl": "3s"}
    agent.settings["sources"] = [{"name": "short", "path": "pki/issue/server", "method": "write", "data": asked}]
    file = agent.folder / "tls.crt"
    agent.settings["files"] = [text_file(file, "{{ .short.certificate }}")]
    agent.start().until_fresh()
    vault.seal()
    agent.until_waiting("the key store is sealed; short has ended at 20")
    assert file.exists()
    vault.unseal()
    agent.until_fresh(8)


def test_a_role_that_the_store_does_not_know(agent: Agent, file: Path) -> None:
    agent.settings["vault"]["role"] = "stranger"
    agent.start().until_waiting("the key store refuses role stranger: ")


def test_a_path_that_the_policy_forbids_holds_nothing_else_up(agent: Agent, file: Path) -> None:
    agent.settings["sources"].append({"name": "other", "path": "kv/data/other/secret"})
    agent.start().until_waiting("the key store refuses kv/data/other/secret: ")
    errors = {source["name"]: source["error"] for source in agent.status()["sources"]}
    assert errors["note"] == ""
    assert "permission denied" in errors["other"]


def test_a_service_account_that_was_replaced_is_read_anew(agent: Agent, file: Path) -> None:
    token = agent.folder / "token"
    right = token.read_text()
    token.write_text(right[:-4] + "AAAA")
    agent.start().until_waiting("the key store refuses role notebook: permission denied")
    token.write_text(right)
    agent.until_fresh(8)


def test_another_authority_is_not_trusted(agent: Agent, file: Path) -> None:
    agent.settings["vault"]["authority"] = str(Authority(agent.folder, "other").files.certificate)
    agent.start().until_waiting("certificate is not one of the configured authority")
    assert not file.exists()


def test_a_stop_while_the_store_is_down_is_not_held_up(agent: Agent, vault: Vault, file: Path) -> None:
    agent.start().until_fresh()
    vault.seal()
    agent.until_waiting("sealed")
    assert agent.stop(seconds=8) == 0
    assert not file.exists()
    vault.unseal()
    assert until(lambda: vault.tokens())
