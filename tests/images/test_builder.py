import io
from pathlib import Path

import pytest
from rich.console import Console

from images.builder import Builder
from images.catalogue import Catalogue
from images.errors import MachineError, NotBuiltError, RecipeError
from images.progress import Progress
from images.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def builder(catalogue: Catalogue, store: Store, tmp_path: Path, said: io.StringIO) -> Builder:
    def tool(name: str) -> Path:
        binary = tmp_path / name
        binary.write_text(f"the binary {name}")
        return binary

    return Builder(catalogue, store, Progress(Console(file=said)), tool)


def keep(store: Store, name: str, content: str) -> None:
    archive = store.root.parent / "image.tar"
    archive.parent.mkdir(exist_ok=True)
    archive.write_text(name)
    store.keep(archive, name, content, f"sha256:{name}")


def test_a_change_at_the_bottom_renames_all_above(image, builder: Builder):
    image("bottom")
    image("top", "cloison.local/bottom")
    image("other")
    before = builder.hashes(["top", "other"])
    image("bottom", new_txt="x")
    after = builder.hashes(["top", "other"])
    assert {name for name in after if after[name] != before[name]} == {"bottom", "top"}


def test_a_binary_from_elsewhere_counts(image, builder: Builder):
    image("server", image_yaml="inputs: {server: {tool: one}}\n")
    before = builder.hashes(["server"])
    image("server", image_yaml="inputs: {server: {tool: two}}\n")
    assert builder.hashes(["server"]) != before


def test_what_is_built_is_not_built_again(image, builder: Builder, store: Store, said: io.StringIO):
    image("bottom")
    image("top", "cloison.local/bottom")
    for name, content in builder.hashes(["top"]).items():
        keep(store, name, content)
    assert [built.digest for built in builder.build(["top"])] == ["sha256:bottom", "sha256:top"]
    assert "top: cloison.local/top:" in said.getvalue()


def test_an_image_that_was_changed_since_counts_as_not_built(image, builder: Builder, store: Store):
    image("top")
    keep(store, "top", builder.hashes(["top"])["top"])
    assert builder.find("top").digest == "sha256:top"
    image("top", new_txt="x")
    with pytest.raises(NotBuiltError, match="run `python -m images build top`"):
        builder.find("top")


def test_an_image_that_lacks_a_file_is_refused_by_name(image, builder: Builder):
    image("bought", image_yaml="needs: [server.deb, checksum]\n")
    with pytest.raises(RecipeError, match=r"bought: lacks server\.deb, checksum: see .*image\.yaml"):
        builder.build(["bought"])


def test_building_without_root_is_refused_before_anything_is_written(
    image, builder: Builder, store: Store, monkeypatch: pytest.MonkeyPatch
):
    image("top")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MachineError, match=r"built as root.*use sudo"):
        builder.build(["top"])
    assert not store.root.exists()
