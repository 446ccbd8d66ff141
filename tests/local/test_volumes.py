"""The volumes of the local platform: file systems whose size is enforced."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import network, volumes, waiting
from local.platform import Platform
from tests.local import samples

SPACE = "filled"

SIZE = 256 * 2**20

WRITE = """
import errno, os, sys
path, size = sys.argv[1], int(sys.argv[2])
descriptor, written = os.open(path, os.O_WRONLY | os.O_CREAT), 0
try:
    while written < size:
        written += os.write(descriptor, bytes(2**20))
    os.fsync(descriptor)
    print("whole", written)
except OSError as error:
    print(errno.errorcode[error.errno], written)
"""
"""Writes so many bytes and tells how it ended and how many were taken."""


@dataclass(frozen=True)
class Writer:
    """A restricted pod with Python in it and a volume of 256 MiB at the path of each claim's name."""

    platform: Platform

    def write(self, path: str, size: int) -> tuple[str, int]:
        said = self.platform.kubectl(
            "exec", f"--namespace={SPACE}", "writer", "--", "python3", "-c", WRITE, path, str(size)
        )
        end, written = said.split()
        return end, int(written)

    def volume(self, claim: str) -> str:
        return self.platform.kubectl.get("pvc", claim, f"--namespace={SPACE}")["spec"]["volumeName"]

    def folder(self, claim: str) -> Path:
        return self.platform.layout.volumes / self.volume(claim)

    def image(self, claim: str) -> Path:
        return self.platform.layout.volume_images / f"{self.volume(claim)}.ext4"


@pytest.fixture(scope="module")
def writer(platform: Platform, jupyterlab_image: str) -> Iterator[Writer]:
    pod = samples.web("writer", SPACE, jupyterlab_image, ("full", "shared", "neighbour"))[0]
    (container,) = pod["spec"]["containers"]
    container["command"], container["args"] = ["python3", "-c", "import time; time.sleep(3600)"], []
    del container["readinessProbe"]
    samples.apply(
        platform,
        samples.namespace(SPACE),
        samples.claim("full", SPACE, "local-rwo", "ReadWriteOnce", str(SIZE)),
        samples.claim("shared", SPACE, "local-rwx", "ReadWriteMany", str(SIZE)),
        samples.claim("neighbour", SPACE, "local-rwo", "ReadWriteOnce", str(SIZE)),
        pod,
    )
    samples.wait_ready(platform, "writer", SPACE)
    yield Writer(platform)
    platform.kubectl("delete", "namespace", SPACE, "--wait=true", timeout=120)


@pytest.mark.platform
@pytest.mark.parametrize("claim", ["full", "shared"])
def test_who_writes_more_than_was_claimed_is_told_that_no_space_is_left(writer: Writer, claim: str) -> None:
    end, written = writer.write(f"/{claim}/filler", 2 * SIZE)
    assert end == "ENOSPC"
    assert 0.85 * SIZE < written <= SIZE
    assert writer.write("/neighbour/untouched", SIZE // 2) == ("whole", SIZE // 2)


@pytest.mark.platform
def test_what_a_pod_deletes_is_given_back_to_the_disk(writer: Writer) -> None:
    writer.write("/neighbour/brief", SIZE // 2)
    image = writer.image("neighbour")
    network.run(["sync", "--file-system", str(writer.folder("neighbour"))])
    assert taken(image) > SIZE // 2
    for file in writer.folder("neighbour").iterdir():
        file.unlink()
    waiting.until(lambda: taken(image) < SIZE // 8, "the return of the blocks", 60)


@pytest.mark.platform
@pytest.mark.parametrize("claim", ["full", "shared"])
def test_a_volume_is_an_ext4_that_may_hold_encrypted_files(writer: Writer, claim: str) -> None:
    told = network.run(["dumpe2fs", "-h", str(writer.image(claim))])
    (features,) = [line for line in told.splitlines() if line.startswith("Filesystem features:")]
    assert "encrypt" in features.split()
    assert writer.image(claim).stat().st_size == SIZE


@pytest.mark.platform
def test_a_size_that_holds_no_file_system_is_told_to_whoever_claims_it(writer: Writer) -> None:
    samples.apply(
        writer.platform,
        samples.claim("tiny", SPACE, "local-rwo", "ReadWriteOnce", "1Ki"),
        samples.web("waits", SPACE, "none", ("tiny",))[0],
    )

    def told() -> bool:
        events = writer.platform.kubectl("events", f"--namespace={SPACE}", "--for=persistentvolumeclaim/tiny")
        return "a volume of 1024 bytes: mkfs.ext4" in events

    waiting.until(told, "an event that names the size", 30)
    writer.platform.kubectl("delete", f"--namespace={SPACE}", "pod/waits", "pvc/tiny")


@pytest.mark.platform
def test_image_mount_and_loop_device_go_with_the_claim(writer: Writer) -> None:
    platform = writer.platform
    samples.apply(platform, samples.claim("brief", SPACE, "local-rwo", "ReadWriteOnce"))
    samples.apply(platform, samples.web("holder", SPACE, samples.agnhost(platform), ("brief",))[0])
    samples.wait_ready(platform, "holder", SPACE)
    folder, image = writer.folder("brief"), writer.image("brief")
    assert folder.is_mount()
    assert volumes.attached(image)
    platform.kubectl("delete", f"--namespace={SPACE}", "pod/holder", "pvc/brief")
    waiting.until(lambda: not folder.exists() and not volumes.attached(image), "the end of the volume", 30)
    assert not image.exists()


def taken(image: Path) -> int:
    """Bytes of the disk that a sparse file takes."""
    return image.stat().st_blocks * 512


def test_loop_devices_are_told_apart_by_the_folder_of_their_file(tmp_path: Path) -> None:
    for name, file in {"loop0": "/a/own.ext4", "loop1": "/ab/other.ext4", "loop7": "/a/gone.ext4 (deleted)"}.items():
        (tmp_path / name / "loop").mkdir(parents=True)
        (tmp_path / name / "loop" / "backing_file").write_text(f"{file}\n")
    (tmp_path / "loop2").mkdir()
    assert volumes.attached(Path("/a"), tmp_path) == ["/dev/loop0", "/dev/loop7"]


def test_where_nothing_is_attached_nothing_is_detached(tmp_path: Path) -> None:
    volumes.detach(tmp_path)
    assert volumes.attached(tmp_path) == []
