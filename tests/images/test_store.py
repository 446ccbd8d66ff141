import json
from pathlib import Path

import pytest

from images.store import Store, cache_root

HASH = "0123456789ab" + "c" * 52


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "made.tar"
    file.write_bytes(b"12345")
    return file


def test_a_kept_image_is_found_with_all_that_is_known_of_it(store: Store, archive: Path):
    kept = store.keep(archive, "probe", HASH, "sha256:ff")
    assert store.find(HASH) == kept
    assert kept.reference == "cloison.local/probe:0123456789ab"
    assert json.loads((store.folder(HASH) / "image.json").read_text()) == {
        "name": "probe",
        "hash": HASH,
        "tag": "0123456789ab",
        "reference": "cloison.local/probe:0123456789ab",
        "digest": "sha256:ff",
        "size": 5,
        "archive": str(store.folder(HASH) / "image.tar"),
    }


def test_an_image_that_was_never_finished_is_not_found(store: Store, archive: Path):
    store.folder(HASH).mkdir(parents=True)
    archive.rename(store.folder(HASH) / "image.tar")
    assert store.find(HASH) is None


def test_a_cache_that_was_moved_still_finds_its_images(store: Store, archive: Path, tmp_path: Path):
    store.keep(archive, "probe", HASH, "sha256:ff")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    store.root.rename(moved / "images")
    found = Store(moved).find(HASH)
    assert found
    assert Path(found.archive).read_bytes() == b"12345"


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"CLOISON_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/cloison"),
        ({"HOME": "/h"}, "/h/.cache/cloison"),
    ],
)
def test_the_cache_is_where_all_rooms_look(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], root: str):
    for name in ("CLOISON_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == Path(root)
