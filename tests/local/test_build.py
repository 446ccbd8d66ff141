from pathlib import Path

import pytest

from local import build
from local.build import Tool
from local.components import TOOLS
from local.errors import PlatformError, RefusedError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with one pinned tool and one program of our own, and an empty cache."""
    root = tmp_path / "tools"
    (root / "own").mkdir(parents=True)
    (root / "go.mod").write_text("module m\n\ntool (\n\texample.org/pinned\n)\n\nrequire example.org/pinned v1.0.0\n")
    (root / "go.sum").write_text("example.org/pinned v1.0.0 h1:abc=\n")
    (root / "own" / "main.go").write_text("package main\n")
    monkeypatch.setattr(build, "TOOLS", root)
    monkeypatch.setenv("CLOISON_CACHE", str(tmp_path / "cache"))
    return root


def compiler(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Put a shell script in the place of Go; its last argument but one is the file to write."""
    program = folder / "go"
    program.write_text(f"#!/bin/sh\nfor word; do output=$before; before=$word; done\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(build, "_go", lambda: str(program))


def hashes() -> dict[str, str]:
    return {name: build.content_hash(tool) for name, tool in build.catalogue().items()}


def test_the_catalogue_holds_all_that_a_platform_is_made_of() -> None:
    assert set(TOOLS) <= set(build.catalogue())


def test_the_catalogue_has_pinned_tools_and_our_own(module: Path) -> None:
    assert build.catalogue() == {
        "pinned": Tool("pinned", module, "example.org/pinned"),
        "own": Tool("own", module, "./own"),
    }


def test_a_new_version_changes_every_tool_of_its_module(module: Path) -> None:
    before = hashes()
    (module / "go.sum").write_text("example.org/pinned v1.0.1 h1:def=\n")
    after = hashes()
    assert all(before[name] != after[name] for name in before)


def test_a_source_changes_only_its_own_program(module: Path) -> None:
    before = hashes()
    (module / "own" / "main.go").write_text("package main // changed\n")
    after = hashes()
    assert (before["own"] != after["own"], before["pinned"] == after["pinned"]) == (True, True)


def test_a_test_changes_no_program(module: Path) -> None:
    before = hashes()
    (module / "own" / "main_test.go").write_text("package main\n")
    assert hashes() == before


def test_flags_change_every_tool(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashes()
    monkeypatch.setattr(build, "flags", lambda: ["-race"])
    after = hashes()
    assert all(before[name] != after[name] for name in before)


def test_the_flags_let_nothing_of_this_machine_into_a_program() -> None:
    assert {"-trimpath", "-buildvcs=false"} <= set(build.flags())
    assert "component-base/version.gitVersion=v1.36.3" in build.flags()[-1]


def test_a_tool_is_built_once(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(monkeypatch, module, f'echo built >> {module}/count; echo program > "$output"')
    paths = {build.tool("own") for _ in range(3)}
    assert [path.read_text() for path in paths] == ["program\n"]
    assert (module / "count").read_text() == "built\n"


def test_a_failed_build_leaves_nothing_and_says_what_the_compiler_said(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler(monkeypatch, module, 'echo half > "$output"; echo "main.go:1: no" >&2; exit 1')
    with pytest.raises(PlatformError, match=r"building own from .* failed: main\.go:1: no"):
        build.tool("own")
    path = build.cached(build.catalogue()["own"])
    assert [each.name for each in path.parent.iterdir()] == [".lock"]


def test_what_an_interrupted_build_left_is_cleared_away(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build.cached(build.catalogue()["own"])
    abandoned = path.parent / ".build-abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "own").write_text("half")
    compiler(monkeypatch, module, 'echo whole > "$output"')
    assert build.tool("own").read_text() == "whole\n"
    assert not abandoned.exists()


def test_an_unknown_tool_is_refused_with_the_known_ones(module: Path) -> None:
    with pytest.raises(RefusedError, match="unknown tool 'gcc': choose one of own, pinned"):
        build.tool("gcc")
