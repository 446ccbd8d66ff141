"""Bad input: every problem at once, nothing contacted, nothing changed."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest

from operations import cli
from tests.samples import ROOT
from tests.workspaces.test_loading import BAD, EXPECTED


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder in which no engine can be started."""
    for part in ("stacks", "workspaces"):
        shutil.copytree(ROOT / part, tmp_path / part)
    monkeypatch.setattr(cli, "choose_engine", lambda stack: pytest.fail(f"an engine was asked for {stack}"))
    return tmp_path


def _run(*arguments: str) -> int | str | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["cloison", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code


@pytest.mark.parametrize("verb", ["validate", "images", "preview", "up", "status", "smoke"])
def test_invalid_files_are_refused_before_anything_is_contacted(
    verb: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "workspaces" / "sleep-study.yaml").write_text(BAD)
    assert _run(verb, "--project", str(project)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0].rpartition(":")[2] for line in lines] == [str(line) for line, _, _ in EXPECTED]
    assert not (project / ".engine").exists()


@pytest.mark.parametrize("verb", ["preview", "urls", "accounts", "destroy"])
def test_an_unknown_stack_is_refused_in_one_line(verb: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(verb, "--project", str(project), "--stack", "lokal") == 2
    assert capsys.readouterr().err == "cloison: there is no stack 'lokal'; use one of: local\n"


def test_validate_says_what_it_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("validate", "--project", str(project)) == 0
    assert capsys.readouterr().out == "3 workspaces on One-node Kubernetes on this machine: all files are valid\n"


def test_what_a_program_asks_it_gets_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("validate", "--json", "--project", str(project)) == 0
    assert json.loads(capsys.readouterr().out) == {
        "profile": "local",
        "workspaces": ["diabetes-cohort", "hospital-stays", "training-course"],
    }
    assert _run("images", "--json", "--project", str(project)) == 0
    assert json.loads(capsys.readouterr().out) == [
        "envoy",
        "envoy-gateway",
        "jupyterhub",
        "jupyterlab",
        "keycloak",
        "vault",
    ]
    assert _run("new", "sleep-study", "--json", "--project", str(project)) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(project / "workspaces" / "sleep-study.yaml")}


def test_an_end_that_is_not_confirmed_changes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("another-project\n"))
    file = project / "workspaces" / "training-course.yaml"
    before = file.read_text()
    assert _run("end", "training-course", "--project", str(project)) == 2
    assert "that is another name; nothing was changed" in capsys.readouterr().err
    assert file.read_text() == before
