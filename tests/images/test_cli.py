import sys
from pathlib import Path

import pytest

from images import cli


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["images", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["build", "jupyterlap"], "images: unknown image 'jupyterlap': did you mean jupyterlab?\n"),
        (["digest", "base"], "images: base is not built in its present form: run `python -m images build base`\n"),
        (
            ["save", "base", "x.tar"],
            "images: base is not built in its present form: run `python -m images build base`\n",
        ),
    ],
)
def test_bad_input_gives_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], line: str
):
    monkeypatch.setenv("CLOISON_CACHE", str(tmp_path / "cache"))
    assert call(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err == line
    assert list(tmp_path.iterdir()) == []
