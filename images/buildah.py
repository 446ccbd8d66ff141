"""Buildah, with layers of its own: the machine's container storage is never touched."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.commands import contained, run


class Buildah:
    """Builds images below one folder."""

    def __init__(self, layers: Path, scratch: Path, log: Path) -> None:
        """Use the layers kept in a folder.

        Args:
            layers: Outlives the build: an interrupted one continues after its last finished step.
            scratch: For what lives no longer than the build.
            log: Gets buildah's output.
        """
        self._scratch = scratch
        self._log = log
        driver = "overlay" if self._works(layers, "overlay") else "vfs"
        self._storage = self._options(layers, driver)

    def clear(self) -> None:
        """Remove the working containers of an interrupted build."""
        self._run("rm", "--all")

    def has(self, reference: str) -> bool:
        """Tell whether the layers of an image are here."""
        command = contained("buildah", *self._storage, "inspect", "--type=image", reference)
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def load(self, archive: Path, reference: str) -> None:
        """Take the layers of an image from its OCI archive."""
        self._run("pull", f"oci-archive:{archive}:{reference}")

    def build(
        self,
        context: Path,
        reference: str,
        epoch: int,
        *,
        base: str | None,
        arguments: Mapping[str, str],
        volumes: Sequence[tuple[Path, str]],
        on_line: Callable[[str], None],
    ) -> None:
        """Build the image of a context.

        Args:
            context: The folder with its `Containerfile`.
            reference: The name it gets.
            epoch: The time stamp of its files, in seconds since 1970.
            base: The name of the image it stands on, None if on nothing.
            arguments: Values of the `ARG` lines; an image does not keep them.
            volumes: Folders of this machine and where the build sees them.
            on_line: Gets each line that buildah prints.

        Raises:
            CommandError: if a step fails.
        """
        options = ["--isolation=chroot", "--network=host", "--layers", "--format=oci", "--pull=false"]
        options += [f"--timestamp={epoch}", "--identity-label=false", f"--tag={reference}"]
        options += [f"--from={base}"] if base else []
        options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--volume={folder}:{target}" for folder, target in volumes]
        self._run("build", *options, str(context), on_line=on_line)

    def export(self, reference: str, folder: Path) -> None:
        """Write an image's manifest and blobs into a new folder.

        Of all destinations only `dir` leaves layers uncompressed: a digest must not hang on a compressor's version.
        """
        self._run("push", "--disable-compression", "--quiet", reference, f"dir:{folder}")

    def _run(self, *arguments: str, on_line: Callable[[str], None] = lambda _: None) -> None:
        run(
            contained("buildah", *self._storage, *arguments),
            self._log,
            on_line,
            {"TMPDIR": str(self._scratch)},
        )

    def _options(self, layers: Path, driver: str) -> list[str]:
        return [
            f"--root={layers / driver}",
            f"--runroot={self._scratch / driver}",
            f"--storage-driver={driver}",
        ]

    def _works(self, layers: Path, driver: str) -> bool:
        """Tell whether a storage driver works on the file system of the layers."""
        command = contained("buildah", *self._options(layers, driver), "images", "--quiet")
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
