import io
import json
import tarfile
from pathlib import Path

import pytest

from local.containers import IMAGE_NAME, Containerd, named_manifests


def _archive(path: Path, files: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_an_archive_tells_the_names_and_digests_of_its_images(tmp_path: Path) -> None:
    manifests = [
        {"digest": "sha256:1", "annotations": {IMAGE_NAME: "cloison.local/a:1"}},
        {"digest": "sha256:2", "annotations": {"org.opencontainers.image.ref.name": "latest"}},
        {"digest": "sha256:3"},
    ]
    archive = _archive(tmp_path / "image.tar", {"blobs/1": {}, "index.json": {"manifests": manifests}})
    assert named_manifests(archive) == {"cloison.local/a:1": "sha256:1"}


@pytest.mark.parametrize("files", [{}, {"manifest.json": []}, {"index.json": {}}])
def test_an_archive_without_such_an_index_names_nothing(tmp_path: Path, files: dict[str, object]) -> None:
    assert named_manifests(_archive(tmp_path / "image.tar", files)) == {}


def test_a_file_that_is_no_archive_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no archive")
    assert named_manifests(tmp_path / "notes.txt") == {}


CTR = """#!/bin/sh
case "$*" in *import*) printf 'cloison.local/envoy gateway:1 \\tsaved\\n' ;; *) echo "REF TYPE DIGEST" ;; esac
"""


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        ({IMAGE_NAME: "cloison.local/envoy-gateway:1"}, ["cloison.local/envoy-gateway:1"]),
        ({}, ["cloison.local/envoy gateway:1"]),
    ],
)
def test_an_import_gives_the_archive_s_own_names_where_it_has_them(
    annotations: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    """A recorder stands in for ctr, which writes a blank for the first hyphen of what it imports."""
    program = tmp_path / "ctr"
    program.write_text(CTR)
    program.chmod(0o755)
    index = {"manifests": [{"digest": "sha256:1", "annotations": annotations}]}
    archive = _archive(tmp_path / "image.tar", {"index.json": index})
    assert Containerd(program, tmp_path / "socket").load(archive) == names
