"""The node's container runtime, as far as the platform itself talks to it: its images."""

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from local.errors import PlatformError, RefusedError
from local.image import ProgramImage

NAMESPACE = "k8s.io"
"""containerd namespace in which the kubelet looks for images."""

IMAGE_NAME = "io.containerd.image.name"
"""Annotation by which an OCI archive names an image in full."""


class Containerd:
    """containerd behind one socket.

    Args:
        program: the `ctr` to run.
        socket: where containerd listens.
    """

    def __init__(self, program: Path, socket: Path) -> None:
        self._command = [str(program), f"--address={socket}", f"--namespace={NAMESPACE}"]

    def ready(self) -> bool:
        """Whether containerd answers."""
        return subprocess.run([*self._command, "version"], capture_output=True, check=False).returncode == 0

    def images(self) -> list[str]:
        """Names of the images of the node."""
        return self._run("images", "list", "--quiet").split()

    def load(self, archive: Path) -> list[str]:
        """Import an OCI or Docker archive; returns the names of the images in it.

        An archive whose images the node has, name by name and digest by digest, is not unpacked again.

        Raises:
            RefusedError: containerd does not take the archive.
        """
        wanted = named_manifests(archive)
        if wanted and wanted.items() <= self._digests().items():
            return list(wanted)
        try:
            said = self._run("images", "import", "--digests=false", str(archive))
        except PlatformError as error:
            message = f"{archive} is not an image archive that containerd takes: {error}"
            raise RefusedError(message) from error
        # What ctr prints is for people: it writes a blank for the first hyphen of a name.
        return list(wanted) or _saved(said)

    def _digests(self) -> dict[str, str]:
        """Digest of each image of the node, by name."""
        lines = self._run("images", "list").splitlines()[1:]
        return {fields[0]: fields[2] for fields in (line.split() for line in lines)}

    def ensure(self, image: ProgramImage) -> None:
        """Import an image the node does not have yet."""
        if image.reference not in self.images():
            with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
                archive.write(image.archive())
                archive.flush()
                self.load(Path(archive.name))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"ctr {' '.join(arguments)}: {done.stderr.strip().rpartition(chr(10))[2]}"
            raise PlatformError(message)
        return done.stdout


def _saved(said: str) -> list[str]:
    """The names that `ctr images import` says it saved, of an archive that does not name them by itself."""
    lines = (line.partition("\t") for line in said.splitlines())
    return [name.strip() for name, _, what in lines if "saved" in what]


def named_manifests(archive: Path) -> dict[str, str]:
    """Digests in an OCI archive by the names that containerd gives them; empty for any other file."""
    try:
        with tarfile.open(archive) as tar:
            index = tar.extractfile("index.json")
            manifests = json.load(index)["manifests"] if index else []
    except (tarfile.TarError, KeyError, ValueError, OSError):
        return {}
    return {
        each["annotations"][IMAGE_NAME]: each["digest"]
        for each in manifests
        if IMAGE_NAME in each.get("annotations", {})
    }
