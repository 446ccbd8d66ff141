import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from images import maven
from images.errors import MachineError
from images.maven import MavenInput, fetch

CONTENT = b"a distribution"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DECLARED = MavenInput(maven="org.example:server:1.2.3:zip", sha256=SHA256)
KEPT = Path("maven/org/example/server/1.2.3/server-1.2.3.zip")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were run; Maven itself is asked by the builds of images."""
    run: list[list[str]] = []
    monkeypatch.setattr(maven, "require_programs", lambda log, **packages: None)
    monkeypatch.setattr(maven, "run", lambda command, log, on_line: run.append(command))
    return run


def _keep(downloads: Path, content: bytes) -> None:
    file = downloads / KEPT
    file.parent.mkdir(parents=True)
    file.write_bytes(content)


def _fetch(folder: Path) -> bytes:
    target = folder / "server.zip"
    fetch(DECLARED, target, folder, folder / "build.log")
    return target.read_bytes()


def test_what_is_there_is_not_fetched_again(tmp_path: Path, commands: list[list[str]]) -> None:
    _keep(tmp_path, CONTENT)
    assert _fetch(tmp_path) == CONTENT
    assert commands == []


def test_maven_is_asked_for_the_artifact_and_nothing_it_depends_on(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        maven, "run", lambda command, log, on_line: (commands.append(command), _keep(tmp_path, CONTENT))
    )
    assert _fetch(tmp_path) == CONTENT
    ((program, *arguments),) = commands
    assert program == "mvn"
    assert {"-Dartifact=org.example:server:1.2.3:zip", "-Dtransitive=false"} <= set(arguments)


def test_another_content_is_refused(tmp_path: Path, commands: list[list[str]]) -> None:
    _keep(tmp_path, b"something else")
    with pytest.raises(MachineError, match=f"serves a file with the SHA-256 [0-9a-f]+, not {SHA256}"):
        _fetch(tmp_path)
    assert not (tmp_path / "server.zip").exists()


@pytest.mark.parametrize("coordinates", ["org.example:server:1.2.3", "../x:server:1:zip", "a:b:c:d:e", ""])
def test_coordinates_are_whole(coordinates: str) -> None:
    with pytest.raises(ValidationError, match="maven"):
        MavenInput(maven=coordinates, sha256=SHA256)
