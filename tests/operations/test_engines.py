"""The choice of engine, and what is asked of the Pulumi CLI where one is installed (a recorder stands in for it)."""

import json
import os
from pathlib import Path

import pytest

from operations.engines import EMBEDDED, PULUMI, SECRET_KEY, choose_engine
from operations.errors import EngineFailedError, UsageError
from operations.stack import Stack

RECORDER = """#!/bin/sh
echo "$@" >> "{folder}/calls"
[ "$1" = stack ] && [ "$2" = export ] && cat "{folder}/export.json"
[ ! -e "{folder}/fails" ]
"""
EXPORT = {
    "version": 3,
    "deployment": {
        "resources": [
            {
                "type": "pulumi:pulumi:Stack",
                "outputs": {
                    "urls": [{"project": "p"}],
                    "tokens": {SECRET_KEY: "1b47061264138c4ac30d75fd1eb44270", "plaintext": '{"u": "t"}'},
                },
            }
        ]
    },
}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path, "local")


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(RECORDER.format(folder=tmp_path))
    program.chmod(0o755)
    (tmp_path / "export.json").write_text(json.dumps(EXPORT))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "planted")
    monkeypatch.delenv("CLOISON_ENGINE", raising=False)
    return tmp_path / "calls"


def test_without_the_cli_the_embedded_engine_runs(stack: Stack) -> None:
    assert choose_engine(stack, {"PATH": ""}) is EMBEDDED


def test_with_the_cli_on_path_it_runs(stack: Stack, pulumi: Path) -> None:
    assert choose_engine(stack) is PULUMI


def test_a_stack_that_the_embedded_engine_began_stays_with_it(stack: Stack, pulumi: Path) -> None:
    state = stack.project / ".engine" / "stacks" / "cloison" / "local.json"
    state.parent.mkdir(parents=True)
    state.touch()
    assert choose_engine(stack) is EMBEDDED
    assert choose_engine(stack, {**os.environ, "CLOISON_ENGINE": "pulumi"}) is PULUMI


@pytest.mark.parametrize("chosen", ["pulumi", "terraform"])
def test_an_engine_that_is_not_there_is_refused(stack: Stack, chosen: str) -> None:
    with pytest.raises(UsageError, match="CLOISON_ENGINE"):
        choose_engine(stack, {"PATH": "", "CLOISON_ENGINE": chosen})


def test_the_cli_gets_the_stack_created_and_the_verb(stack: Stack, pulumi: Path) -> None:
    PULUMI.run(stack, "up", ["--yes"])
    place = f"--stack local --cwd {stack.project}"
    assert pulumi.read_text().splitlines() == [f"stack select --create {place}", f"up {place} --yes"]


def test_resources_come_without_secrets_unless_asked_for(stack: Stack, pulumi: Path) -> None:
    (recorded,) = PULUMI.resources(stack, show_secrets=True)
    assert recorded["outputs"] == {"urls": [{"project": "p"}], "tokens": {"u": "t"}}
    assert pulumi.read_text().endswith("--show-secrets\n")
    del EXPORT["deployment"]["resources"][0]["outputs"]["tokens"]["plaintext"]
    (stack.project / "export.json").write_text(json.dumps(EXPORT))
    (recorded,) = PULUMI.resources(stack)
    assert recorded["outputs"] == {"urls": [{"project": "p"}], "tokens": None}


def test_a_stack_that_was_never_run_has_no_resources(stack: Stack, pulumi: Path) -> None:
    pulumi.parent.joinpath("bin", "pulumi").write_text(
        "#!/bin/sh\necho \"error: no stack named 'local' found\" >&2\nexit 255\n"
    )
    assert PULUMI.resources(stack) == []


def test_a_state_that_cannot_be_read_is_no_empty_one(stack: Stack, pulumi: Path) -> None:
    """What exists would look as if it did not, and a run would pass that must not."""
    (stack.project / "fails").touch()
    with pytest.raises(EngineFailedError, match="pulumi stack failed with status 1"):
        PULUMI.resources(stack)


def test_the_status_of_a_failed_engine_is_passed_on(stack: Stack, pulumi: Path) -> None:
    (stack.project / "fails").touch()
    with pytest.raises(EngineFailedError, match="pulumi stack failed with status 1"):
        PULUMI.run(stack, "up")
