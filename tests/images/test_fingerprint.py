import os
from pathlib import Path

import pytest

from images.fingerprint import fingerprint
from images.recipe import Recipe


@pytest.fixture
def folder(image) -> Path:
    return image("probe", settings_json="{}")


def of(folder: Path, base: str | None = None, **binaries: Path) -> str:
    return fingerprint(Recipe.read(folder), base, binaries)


def test_the_same_folder_has_the_same_hash_wherever_and_whenever(folder: Path, tmp_path: Path):
    before = of(folder)
    for file in folder.iterdir():
        os.utime(file, (0, 0))
        file.chmod(0o600)
    moved = folder.rename(tmp_path / "probe")
    assert of(moved) == before
    assert len(before) == 64


def test_the_bytecode_that_python_leaves_does_not_count(folder: Path):
    before = of(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/config.pyc").write_text("x")
    assert of(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "settings.json").write_text("[]"),
        lambda folder: (folder / "settings.json").rename(folder / "other.json"),
        lambda folder: (folder / "settings.json").chmod(0o755),
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "Containerfile").write_text("FROM scratch\nUSER 1000\n"),
    ],
    ids=["content", "name", "executable", "new file", "Containerfile"],
)
def test_each_change_of_the_folder_changes_the_hash(folder: Path, change):
    before = of(folder)
    change(folder)
    assert of(folder) != before


def test_base_and_binaries_count(folder: Path, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    hashes = [of(folder), of(folder, "abc"), of(folder, "abd"), of(folder, server=one), of(folder, server=two)]
    assert len(set(hashes)) == len(hashes)
    assert of(folder, server=one) == of(folder, server=one.rename(tmp_path / "elsewhere"))
