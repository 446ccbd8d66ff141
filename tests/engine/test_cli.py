"""The command line: exit codes, JSON events, what a person sees."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from engine import cli
from engine.display import Display
from engine.errors import LockedError, ProviderError, Unreachable, Unsupported
from engine.run import Declined, preview
from engine.session import StackNotFound
from tests.engine.conftest import PASSPHRASE, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(cli, "_factories", lambda: {"cloud": project.cloud.factory})

    def command(name: str, *arguments: str) -> tuple[int, str, str]:
        code = cli.main([name, "--stack", "dev", "--cwd", str(project.folder), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def test_a_stack_from_beginning_to_end(project: Project, run: Any) -> None:
    project.write("from things import Thing\nimport pulumi\npulumi.export('n', Thing('a', size=1).serial)\n")
    code, out, _ = run("preview")
    assert (code, "1 to create" in out or "3 to create" in out) == (0, True)
    code, out, _ = run("up", "--yes")
    assert code == 0
    assert "cloud:index:Thing a  created" in out
    assert run("up", "--yes", "--expect-no-changes", "--skip-preview")[0] == 0
    project.write("from things import Thing\nThing('a', size=2)\n")
    code, out, _ = run("preview", "--diff")
    assert "~ size: 1 => 2" in out
    assert run("preview", "--expect-no-changes")[0] == cli.NO_CHANGES
    assert run("up", "--yes", "--expect-no-changes")[0] == cli.NO_CHANGES
    assert project.cloud.made("update") == []
    assert run("up", "--yes", "--target", "*Thing::a")[0] == 0
    code, out, _ = run("history")
    assert [(item["kind"], item["result"]) for item in json.loads(out)] == [("update", "succeeded")] * 3
    assert run("destroy", "--yes")[0] == 0
    assert project.cloud.objects == {}


def test_json_has_the_events_of_pulumis_schema(project: Project, run: Any) -> None:
    project.write("from things import Thing\nThing('a', size=1)\n")
    code, out, _ = run("up", "--yes", "--json", "--skip-preview")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [next(key for key in event if key.endswith("Event")) for event in events]
    assert kinds[0] == "preludeEvent"
    assert kinds[-2:] == ["summaryEvent", "cancelEvent"]
    assert events[-2]["summaryEvent"]["resourceChanges"] == {"create": 3}
    made = next(
        event["resOutputsEvent"]["metadata"]
        for event in events
        if "Thing::a" in json.dumps(event) and "resOutputsEvent" in event
    )
    assert made["op"] == "create"
    assert made["new"]["outputs"]["serial"] == 1
    assert {"type", "urn", "custom", "id", "parent", "inputs", "outputs", "provider"} <= set(made["new"])


def _stream(out: str) -> tuple[list[str], bool]:
    """Return the kinds of the events of one whole stream, and whether it is a preview's."""
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [next(key for key in event if key.endswith("Event")) for event in events]
    assert [kinds.count(kind) for kind in ("preludeEvent", "summaryEvent", "cancelEvent")] == [1, 1, 1]
    previews = {event[kind]["isPreview"] for event, kind in zip(events, kinds, strict=True) if kind == "summaryEvent"}
    return kinds, previews.pop()


def test_a_run_with_its_own_preview_prints_one_stream_of_events(project: Project, run: Any) -> None:
    project.write("from things import Thing\nThing('a', size=1)\n")
    for command in ("up", "refresh", "destroy"):
        code, out, _ = run(command, "--yes", "--json")
        assert code == 0
        assert _stream(out)[1] is False
    assert project.cloud.objects == {}


def test_a_preview_that_ends_a_run_is_its_stream(project: Project, run: Any) -> None:
    project.write("from things import Thing\nThing('a', size=1)\n")
    code, out, err = run("up", "--yes", "--json", "--expect-no-changes")
    assert (code, _stream(out)[1]) == (cli.NO_CHANGES, True)
    assert "no changes were expected" in err
    project.write("1 / 0")
    code, out, _ = run("up", "--yes", "--json")
    assert (code, _stream(out)[1]) == (cli.FAILED, True)
    assert "ZeroDivisionError" in out
    assert project.cloud.made("create") == []


def test_json_and_a_question_do_not_go_together(project: Project, run: Any) -> None:
    project.write("from things import Thing\nThing('a', size=1)\n")
    code, out, err = run("up", "--json")
    assert (code, out) == (cli.CONFIGURATION, "")
    assert "up --json cannot ask; add --yes" in err
    assert project.cloud.calls == []


def test_export_and_import_carry_a_stack(project: Project, run: Any, tmp_path: Any) -> None:
    project.write("import pulumi\npulumi.export('x', pulumi.Output.secret('hidden'))\n")
    run("up", "--yes")
    file = tmp_path / "export.json"
    assert run("export", "--file", str(file))[0] == 0
    assert "hidden" not in file.read_text()
    assert "hidden" in run("export", "--show-secrets")[1]
    assert run("import", "--file", str(file))[0] == 0
    assert run("up", "--yes", "--expect-no-changes")[0] == 0


def test_bad_input_is_one_line_and_nothing_changes(project: Project, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("pass")
    code, _, err = run("destroy", "--yes")
    assert code == cli.NO_STACK
    assert "no stack named 'dev'" in err
    run("up", "--yes")
    project.write("from things import Thing\nThing('a')\n")
    code, _, err = run("up")
    assert code == cli.CONFIGURATION
    assert "use --yes" in err
    assert project.cloud.calls == []
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    code, _, err = run("up", "--yes")
    assert code == cli.CONFIGURATION
    assert err.startswith("error: incorrect passphrase")
    assert err.count("\n") <= 2


def test_a_failing_program_ends_with_its_own_code(project: Project, run: Any) -> None:
    project.write("1 / 0")
    code, out, _ = run("up", "--yes")
    assert code == cli.FAILED
    assert "ZeroDivisionError" in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StackNotFound("x"), 6),
        (Declined("x"), 8),
        (Unsupported("x"), 2),
        (Unreachable("x"), 3),
        (LockedError("x"), 4),
        (ProviderError("x"), 1),
    ],
)
def test_exit_codes_are_pulumis(error: Any, code: int) -> None:
    assert cli.exit_code(error) == code


def test_secrets_are_masked_in_what_a_person_sees(project: Project) -> None:
    project.write("from things import Thing\nimport pulumi\nThing('a', code=pulumi.Output.secret('hunter2'), size=1)\n")
    project.up()
    project.write("from things import Thing\nimport pulumi\nThing('a', code=pulumi.Output.secret('hunter3'), size=2)\n")
    out = io.StringIO()
    display = Display(Console(file=out, width=200), details=True)
    project.settings = {}
    options = project.options()
    preview(replace(options, listeners=[display]))
    assert '~ code: "[secret]" => "[secret]"' in out.getvalue()
    assert "~ size: 1 => 2" in out.getvalue()
    assert "hunter" not in out.getvalue()


def test_a_long_output_is_shown_whole_only_with_details(project: Project) -> None:
    project.write("import pulumi\npulumi.export('text', 'x' * 500)\n")
    shown = {}
    for details in (False, True):
        out = io.StringIO()
        listener = Display(Console(file=out, width=1000), details=details)
        preview(replace(project.options(), listeners=[listener]))
        shown[details] = next(line for line in out.getvalue().splitlines() if "text" in line)
    assert shown[False].endswith("x… (502 characters; --diff shows all)")
    assert shown[True].endswith(f'{"x" * 500}"')


def test_the_module_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "destroy" in done.stdout
