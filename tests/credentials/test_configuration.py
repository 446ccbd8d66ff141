"""What is wrong with a configuration is said in one line, before anything is asked of Vault."""

import subprocess
from pathlib import Path

import pytest

from local.build import tool

pytestmark = pytest.mark.slow

VAULT = "vault: {address: 'https://vault', authority: /ca, role: reader}\n"
PAIR = "keypairs: [{name: s3, paths: [kv/data/a, kv/data/b], lifetime: 1h, data: {key: text}}]\n"


def refusal(folder: Path, text: str, *command: str) -> str:
    path = folder / "credentials.yaml"
    path.write_text(text)
    words = [tool("credentials"), "--config", path, *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 2, done.stderr
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vault: {adress: 'https://vault'}", 'line 1: field "adress" is unknown: remove it or choose one of address,'),
        (
            VAULT + "files: [{path: /f, template: x, owner: root}]",
            '"owner" is unknown: remove it or choose one of path,',
        ),
        ("vault: {address: 'http://vault'}", 'vault.address is "http://vault": give an address that begins with https'),
        ("vault: {address: 'https://vault'}", "vault.authority is missing: give it"),
        (VAULT + "check: soon", '"soon" is not a duration such as 90s or 1h'),
        (VAULT + "files: [{path: /f, template: x, mode: 0999}]", '"0999" is not permissions in octal digits'),
        (VAULT + "files: [{path: /f, template: '{{ .x'}]", "files[0].template: template: /f:1: unclosed action"),
        (VAULT + "sources: [{name: a, path: kv/data/a, method: delete}]", 'method is "delete": choose read or write'),
        (VAULT + "sources: [{name: token, path: kv/data/a}]", 'name "token" is taken: choose another'),
        (VAULT + PAIR, "keypairs[0].data does not hold {secret}: put it where the secret belongs"),
        (VAULT + "on_change: {signal: HUP}", "on_change.signal has nobody to go to: add -- COMMAND"),
        (VAULT + "on_change: {signal: HANG}", '"HANG" is not the name of a signal, such as HUP'),
        (VAULT + "environment: {A: b}", "environment has no process to go to: add -- COMMAND or remove it"),
        (VAULT + "volume: {path: /v}", "volume.key is missing: give it"),
        ('{"vault": {"role": 1, "secret": "x"}}', '"secret" is unknown'),
        (VAULT + "---\na: b\n", "a second document: keep one in a file"),
    ],
)
def test_an_error_names_the_field_and_the_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in refusal(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = [tool("credentials"), "--config", tmp_path / "absent"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, str(tmp_path / "absent") in done.stderr) == (2, True)
