import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from local.image import ProgramImage


@pytest.fixture
def image(tmp_path: Path) -> ProgramImage:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return ProgramImage(program)


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: extracted.read() for member in tar if (extracted := tar.extractfile(member))}


def test_the_same_program_gives_the_same_bytes(image: ProgramImage, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "program"
    again.parent.mkdir()
    again.write_bytes(image.program.read_bytes())
    assert ProgramImage(again).archive() == image.archive()
    assert ProgramImage(again).reference == image.reference


def test_another_program_gets_another_name(image: ProgramImage) -> None:
    before = image.reference
    image.program.write_bytes(b"other")
    assert image.reference != before


def test_every_blob_is_named_by_its_digest_and_found(image: ProgramImage) -> None:
    content = files(image.archive())
    for name, blob in content.items():
        if name.startswith("blobs/sha256/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"
    (described,) = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(content[f"blobs/sha256/{described['digest'].removeprefix('sha256:')}"])
    for part in (manifest["config"], *manifest["layers"]):
        assert len(content[f"blobs/sha256/{part['digest'].removeprefix('sha256:')}"]) == part["size"]
    assert described["annotations"] == {"io.containerd.image.name": image.reference}


def test_the_image_runs_its_one_program_as_nobody(image: ProgramImage) -> None:
    content = files(image.archive())
    configurations = [json.loads(blob) for name, blob in content.items() if b'"rootfs"' in blob]
    assert configurations[0]["config"] == {"Entrypoint": ["/program"], "User": "65534:65534"}
    layers = [files(blob) for name, blob in content.items() if name.startswith("blobs") and not blob.startswith(b"{")]
    assert layers == [{"program": b"\x7fELF"}]
