import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from images.archive import pack
from tests.images.unpack import config, manifest

REFERENCE = "cloison.local/probe:0123456789ab"


def export(folder: Path, time: int) -> Path:
    """Write what `buildah push dir:` writes for an image of one layer."""
    folder.mkdir()
    blobs = {hashlib.sha256(content).hexdigest(): content for content in (b'{"os": "linux"}', b"a layer")}
    settings, layer = blobs
    described = {"config": {"digest": f"sha256:{settings}"}, "layers": [{"digest": f"sha256:{layer}"}]}
    blobs |= {"manifest.json": json.dumps(described).encode(), "version": b"Directory Transport Version: 1.1\n"}
    for name, content in blobs.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time, time))
    return folder


def test_the_same_image_gives_the_same_archive(tmp_path: Path):
    digests = {pack(export(tmp_path / str(time), time), REFERENCE, tmp_path / f"{time}.tar") for time in (1, 2)}
    assert len(digests) == 1
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_the_archive_holds_the_image_under_its_name(tmp_path: Path):
    archive = tmp_path / "image.tar"
    digest = pack(export(tmp_path / "exported", 1), REFERENCE, archive)
    with tarfile.open(archive) as tar:
        (described,) = json.load(tar.extractfile("index.json") or pytest.fail("no index"))["manifests"]
        names = tar.getnames()
    assert described["digest"] == digest
    assert described["annotations"]["io.containerd.image.name"] == REFERENCE
    assert config(archive) == {"os": "linux"}
    assert manifest(archive)["layers"]
    assert "version" not in names
