"""What is found out about a key store before it is asked anything."""

import datetime as dt
from pathlib import Path

import pytest

from components.issuing import issue_authority
from components.vault_api import TOKEN_FILE_VARIABLE
from components.vault_operator import SHARES_VARIABLE, Custody
from operations import key_store
from operations.deployed import Deployed
from operations.errors import UsageError
from operations.stack import CHECKOUT, Stack

NEVER_RUN = Deployed([], None, {}, [])
RUNNING = Deployed([], "PEM of the authority", {}, [], has_key_store=True)


def test_a_stack_that_was_never_run_has_no_key_store_and_needs_none_open() -> None:
    stack = Stack(CHECKOUT, "local")
    assert key_store.condition(stack, NEVER_RUN) == "not there"
    key_store.require_open(stack, NEVER_RUN)
    with pytest.raises(UsageError, match="stack local has no key store yet: `cloison up` makes it"):
        key_store.unseal(stack, NEVER_RUN, None, new_token=False)


def test_a_file_of_shares_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(SHARES_VARIABLE, raising=False)
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(tmp_path / "token"))
    with pytest.raises(UsageError, match=f"{SHARES_VARIABLE}: no file of shares; name it with --shares"):
        key_store.unseal(Stack(CHECKOUT, "local"), RUNNING, None, new_token=False)
    with pytest.raises(UsageError, match=r"elsewhere\.json: no file of shares"):
        key_store.unseal(Stack(CHECKOUT, "local"), RUNNING, tmp_path / "elsewhere.json", new_token=False)


def test_a_missing_file_of_shares_leaves_the_token_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("the operator's")
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(token))
    with pytest.raises(UsageError):
        key_store.unseal(Stack(CHECKOUT, "local"), RUNNING, tmp_path / "elsewhere.json", new_token=True)
    assert token.read_text() == "the operator's"


def test_shares_named_on_the_command_line_come_before_those_of_the_environment() -> None:
    variables = {SHARES_VARIABLE: "/operator/shares.json", TOKEN_FILE_VARIABLE: "/operator/token"}
    assert key_store.custody(variables) == Custody(Path("/operator/shares.json"), Path("/operator/token"))
    assert key_store.custody(variables, Path("/other.json")).shares == Path("/other.json")
    assert key_store.custody({}) == Custody(None, None)


def test_a_key_store_that_cannot_be_reached_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = issue_authority("tests", dt.datetime.now(dt.UTC)).certificate
    unreachable = Deployed([], authority, {}, [], has_key_store=True)
    profile = Stack(CHECKOUT, "local").profile()
    keys = profile.keys.model_copy(update={"administration": "https://vault.nowhere.localhost:9"})
    monkeypatch.setattr(Stack, "profile", lambda _: profile.model_copy(update={"keys": keys}))
    monkeypatch.setattr("components.vault_api.UNTIL_REACHABLE", 0)
    assert key_store.condition(Stack(CHECKOUT, "local"), unreachable) == "not reachable"
