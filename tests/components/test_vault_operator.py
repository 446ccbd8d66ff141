"""The operator's files and what is said when they are wrong; the key store itself is tried on a platform."""

import json
import stat
from pathlib import Path
from typing import cast

import pytest

from components import vault_operator
from components.vault_api import (
    TOKEN_FILE_VARIABLE,
    TOKEN_KEY,
    TOKEN_VARIABLE,
    KeyStoreError,
    SealStatus,
    VaultApi,
    operator_token,
)
from components.vault_operator import SHARES_VARIABLE, Custody, make_ready, open_up, read_shares, unseal


class _Sealed:
    """Stands before any request: what these tests are about must be found out without one."""

    def __init__(self, *, initialized: bool) -> None:
        self.initialized, self.given = initialized, list[str]()

    def seal_status(self) -> SealStatus:
        return SealStatus(self.initialized, sealed=True, threshold=2)

    def unseal(self, share: str) -> bool:
        self.given.append(share)
        return True


def _sealed(*, initialized: bool = True) -> VaultApi:
    return cast("VaultApi", _Sealed(initialized=initialized))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"shares": ["a"]}', '{"shares": ["a"], "threshold": "many"}'])
def test_a_file_that_holds_no_shares_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "shares.json"
    file.write_text(content)
    with pytest.raises(KeyStoreError, match=r"shares\.json: holds no shares"):
        read_shares(file)


def test_no_more_shares_are_given_than_open_it(tmp_path: Path) -> None:
    file = tmp_path / "shares.json"
    file.write_text(json.dumps({"threshold": 2, "shares": ["a", "b", "c"]}))
    assert read_shares(file) == ["a", "b"]


def test_a_new_key_store_waits_for_its_operator_to_name_the_files() -> None:
    with pytest.raises(KeyStoreError, match=rf"name the file for them in {SHARES_VARIABLE}"):
        make_ready(_sealed(initialized=False), 3, 2, opens_itself=False, custody=Custody(None, None))


def test_a_place_that_cannot_be_written_is_found_before_anything_is_initialised(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    custody = Custody(tmp_path / "occupied" / "shares.json", tmp_path / "token")
    with pytest.raises(KeyStoreError, match=r"shares\.json: cannot be written"):
        make_ready(_sealed(initialized=False), 3, 2, opens_itself=False, custody=custody)


def test_a_sealed_key_store_without_shares_says_what_opens_it() -> None:
    with pytest.raises(KeyStoreError, match="the key store is sealed: `cloison unseal` opens it"):
        open_up(_sealed(), Custody(None, None))


def test_shares_of_another_key_store_are_all_tried_and_then_refused() -> None:
    api = _sealed()
    with pytest.raises(KeyStoreError, match="2 shares were given and the key store is still sealed"):
        unseal(api, ["a", "b"])
    assert cast("_Sealed", api).given == ["a", "b"]


def test_the_operator_s_files_are_those_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARES_VARIABLE, "/operator/shares.json")
    monkeypatch.delenv(TOKEN_FILE_VARIABLE, raising=False)
    assert Custody.of_environment() == Custody(Path("/operator/shares.json"), None)


def test_a_missing_token_names_every_place_it_may_be_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(tmp_path / "token"))
    with pytest.raises(KeyStoreError) as missing:
        operator_token()
    assert all(place in str(missing.value) for place in (TOKEN_KEY, TOKEN_VARIABLE, TOKEN_FILE_VARIABLE))
    (tmp_path / "token").write_text("of the file\n")
    assert operator_token() == "of the file"
    assert operator_token("of the configuration") == "of the configuration"


def test_shares_are_written_for_their_owner_alone_and_others_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "operator" / "shares.json"
    vault_operator._write(file, "former")
    vault_operator._set_aside(file)
    vault_operator._write(file, "new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (kept,) = file.parent.glob("shares.json.before-*")
    assert (kept.read_text(), file.read_text()) == ("former", "new")
