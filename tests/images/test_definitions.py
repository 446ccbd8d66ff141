import json
from pathlib import Path

import pytest

from images import definitions
from images.definitions import MissingDefinitionError, custom_resource_definitions

GROUP = "gateway.networking.k8s.io"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that publishes one definition, and a cache of its own."""
    folder = tmp_path / "module" / "config" / "crd" / "standard"
    folder.mkdir(parents=True)
    (folder / f"{GROUP}_gateways.yaml").write_text(json.dumps({"metadata": {"name": f"gateways.{GROUP}"}}))
    monkeypatch.setenv("CLOISON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(definitions, "_fetched", lambda module: tmp_path / "module")
    return folder


def test_a_definition_is_read_from_its_module(module: Path) -> None:
    assert custom_resource_definitions({GROUP: ["gateways"]}) == [{"metadata": {"name": f"gateways.{GROUP}"}}]


def test_a_cached_definition_needs_no_module(module: Path) -> None:
    first = custom_resource_definitions({GROUP: ["gateways"]})
    (module / f"{GROUP}_gateways.yaml").unlink()
    assert custom_resource_definitions({GROUP: ["gateways"]}) == first


def test_a_definition_that_is_not_published_is_an_error(module: Path) -> None:
    """Where a pattern finds no file, nothing is declared and nobody is told; here somebody is."""
    with pytest.raises(MissingDefinitionError, match=r"does not publish config/crd/standard/.*_tcproutes\.yaml"):
        custom_resource_definitions({GROUP: ["tcproutes"]})


def test_the_pinned_modules_are_those_of_the_tool() -> None:
    text = (definitions.TOOL / "go.mod").read_text()
    assert all(f"\t{module} v" in text for module, _ in definitions.SOURCES.values())
