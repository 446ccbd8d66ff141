import sys
from pathlib import Path

import pytest

from images.commands import contained, output, require_programs, run
from images.errors import CommandError, MachineError


def test_each_line_is_passed_on_and_logged(tmp_path: Path):
    lines: list[str] = []
    run([sys.executable, "-c", "print('one'); print('two')"], tmp_path / "log", lines.append)
    assert lines == ["one", "two"]
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_failure_shows_status_log_and_last_lines(tmp_path: Path):
    program = "import sys; [print('line', n) for n in range(50)]; sys.exit(3)"
    with pytest.raises(CommandError) as failure:
        run([sys.executable, "-c", program], tmp_path / "log")
    message = str(failure.value)
    assert "status 3" in message
    assert str(tmp_path / "log") in message
    assert "line 49" in message
    assert "line 34" not in message


def test_a_failure_names_the_program_not_what_contains_it(tmp_path: Path):
    with pytest.raises(CommandError, match="`false` ended with status"):
        run(contained("false"), tmp_path / "log")


def test_a_failed_query_names_its_command():
    with pytest.raises(CommandError, match="`false --now` ended with status 1"):
        output(["false", "--now"])


def test_programs_that_are_there_are_not_installed(tmp_path: Path):
    require_programs(tmp_path / "log", sh="dash")
    assert not (tmp_path / "log").exists()


def test_an_absent_program_without_apt_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="no apt to install them with: buildah, mmdebstrap"):
        require_programs(tmp_path / "log", buildah="buildah", mmdebstrap="mmdebstrap")
