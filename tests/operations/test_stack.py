import stat
from pathlib import Path

import pytest

from components.realm_api import SECRET_VARIABLE
from operations.errors import UsageError
from operations.stack import Stack
from tests.samples import ROOT


def test_an_unknown_stack_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no stack 'lokal'; use one of: local"):
        Stack(ROOT, "lokal").profile()


def test_a_stack_without_a_profile_says_where_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.bare.yaml").write_text("config: {}\n")
    with pytest.raises(UsageError, match=r"Pulumi\.bare\.yaml: cloison:profile is missing"):
        Stack(tmp_path, "bare").profile()


def test_the_local_stack_has_a_passphrase_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    file = Path(Stack(ROOT, "local").environment()["PULUMI_CONFIG_PASSPHRASE_FILE"])
    drawn = file.read_text()
    assert len(drawn) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Path(Stack(ROOT, "local").environment()["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text() == drawn


def test_the_local_stack_draws_its_administrator_s_secret_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    drawn = Stack(ROOT, "local").environment()[SECRET_VARIABLE]
    assert len(drawn) >= 32
    assert Stack(ROOT, "local").environment()[SECRET_VARIABLE] == drawn
    assert SECRET_VARIABLE not in Stack(ROOT, "azure").environment()


def test_another_stack_takes_the_passphrase_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in Stack(ROOT, "azure").environment()
