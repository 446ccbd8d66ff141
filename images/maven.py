"""Artifacts of a Maven repository, fetched with Maven's own client and checked by content."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from images.commands import require_programs, run
from images.errors import MachineError

_FETCH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"


class MavenInput(BaseModel):
    """A file of the build context that is a published Maven artifact."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    maven: str = Field(pattern=r"^[\w.-]+:[\w.-]+:[\w.-]+:[\w.-]+$")
    """Its coordinates: group, name, version and packaging, for example `org.example:server:1.2.3:zip`."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """What it must contain; a repository that serves anything else is refused."""


def fetch(
    declared: MavenInput, target: Path, downloads: Path, log: Path, on_line: Callable[[str], None] = lambda _: None
) -> None:
    """Copy an artifact to `target`, from the folder of downloads where it is there already.

    Maven's own settings on this machine say where its repository is.

    Args:
        declared: The artifact.
        target: The file to write.
        downloads: A folder that outlives the build.
        log: Gets Maven's output.
        on_line: Gets each line that Maven prints.

    Raises:
        CommandError: if Maven cannot fetch it.
        MachineError: if it has another content than declared.
    """
    repository = downloads / "maven"
    kept = repository / _path(declared.maven)
    if not kept.exists() or _sha256(kept) != declared.sha256:
        require_programs(log, mvn="maven")
        options = [f"-Dmaven.repo.local={repository}", f"-Dartifact={declared.maven}", "-Dtransitive=false"]
        run(["mvn", "--batch-mode", "--no-transfer-progress", *options, _FETCH], log, on_line)
    if (found := _sha256(kept)) != declared.sha256:
        message = (
            f"{declared.maven}: the repository serves a file with the SHA-256 {found}, not {declared.sha256}: "
            f"delete {kept} and find out why before you change image.yaml"
        )
        raise MachineError(message)
    shutil.copyfile(kept, target)


def _path(coordinates: str) -> Path:
    """Where Maven keeps an artifact in its local repository."""
    group, name, version, packaging = coordinates.split(":")
    return Path(*group.split("."), name, version, f"{name}-{version}.{packaging}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
