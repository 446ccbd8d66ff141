"""What one image is made of, read from its folder."""

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from images.errors import RecipeError
from images.maven import MavenInput

REGISTRY = "cloison.local"
"""Host part of every image name. It resolves nowhere, so no node ever pulls from it by mistake."""

_FROM = re.compile(r"^[ \t]*FROM[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Debian(_Declared):
    """A Debian root file system, made by mmdebstrap, as a tar file."""

    suite: str
    """Debian's code name, for example `bookworm`."""
    packages: tuple[str, ...] = ()
    """Installed beside Debian's essential packages and apt."""


class DebianInput(_Declared):
    """A file of the build context that holds a Debian root file system."""

    debian: Debian


class ToolInput(_Declared):
    """A file of the build context that is a static Go binary."""

    tool: str
    """Its name for `python -m local build`."""


class Settings(_Declared):
    """The content of `image.yaml`."""

    date: datetime.date | None = None
    """The day up to which Debian's packages count, and the time stamp of every file.

    Raise it to take the packages of today. None means that of the image it stands on, and 1970-01-01 without one.
    """
    inputs: dict[str, DebianInput | MavenInput | ToolInput] = Field(default_factory=dict)
    """Files of the build context that are made, not kept, by file name."""
    needs: tuple[str, ...] = ()
    """Files of the folder that no package registry has and no checkout holds: whoever builds the image puts them in."""


@dataclass(frozen=True)
class Recipe:
    """One image's folder, read and checked."""

    name: str
    folder: Path
    base: str | None
    """Name of the image it stands on; None for `FROM scratch`."""
    settings: Settings

    @property
    def missing(self) -> list[str]:
        """What this machine lacks of the files that the image needs."""
        return [name for name in self.settings.needs if not (self.folder / name).exists()]

    @classmethod
    def read(cls, folder: Path) -> "Recipe":
        """Read the image in `folder`.

        Raises:
            RecipeError: if the `Containerfile` or `image.yaml` cannot be built here.
        """
        containerfile = folder / "Containerfile"
        return cls(folder.name, folder, base_of(containerfile.read_text(), containerfile), _settings(folder))


def base_of(text: str, file: Path) -> str | None:
    """Return the name of the image that a Containerfile stands on, None for `scratch`.

    Raises:
        RecipeError: if there is no `FROM` or more than one, or if it names an image of a registry.
    """
    stages = _FROM.findall(text)
    if len(stages) != 1:
        message = f"{file}: has {len(stages)} FROM lines, not one: give each stage an image folder of its own"
        raise RecipeError(message)
    (image,) = stages
    if image == "scratch":
        return None
    if not re.fullmatch(rf"{re.escape(REGISTRY)}/[a-z0-9-]+", image):
        message = f"{file}: FROM {image}: only `scratch` and `{REGISTRY}/<folder>` can be built on without a registry"
        raise RecipeError(message)
    return image.partition("/")[2]


def _settings(folder: Path) -> Settings:
    file = folder / "image.yaml"
    if not file.exists():
        return Settings()
    try:
        return Settings.model_validate(yaml.safe_load(file.read_text()) or {})
    except yaml.YAMLError as error:
        message = f"{file}: is no YAML: {error}"
        raise RecipeError(message) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        message = f"{file}: {problems}"
        raise RecipeError(message) from error
