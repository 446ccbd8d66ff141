"""The command `python -m images`."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from images.builder import Builder
from images.catalogue import Catalogue
from images.errors import ImageError
from images.progress import Progress
from images.store import Image, Store

app = typer.Typer(
    help="Build container images without Docker and without a registry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(help="A folder of images/.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Folders of images/; all that can be built here when none is given.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[Path, typer.Argument(help="The file to write.")]


@app.command()
def build(names: Names = None, as_json: Json = False) -> None:
    """Build images and those they stand on, and print their digests and sizes."""
    _show(_builder().build(names or Catalogue().buildable()), as_json)


@app.command("list")
def list_images(as_json: Json = False) -> None:
    """Print which images there are, and which are built in their present form."""
    builder, store = _builder(), Store()
    found = {name: store.find(content) for name, content in builder.hashes(Catalogue().names()).items()}
    if as_json:
        typer.echo(
            json.dumps([image.as_dict() if image else {"name": name} for name, image in found.items()], indent=2)
        )
        return
    for name, image in found.items():
        typer.echo(_line(image) if image else f"{name}: not built")


@app.command()
def digest(name: Name) -> None:
    """Print the digest of a built image."""
    typer.echo(_builder().find(name).digest)


@app.command()
def archive(name: Name) -> None:
    """Print where the OCI archive of a built image is."""
    typer.echo(_builder().find(name).archive)


@app.command()
def save(name: Name, file: Target) -> None:
    """Write the OCI archive of a built image to a file."""
    shutil.copyfile(_builder().find(name).archive, file)


def main() -> None:
    """Run the command; one clear line and status 2 for what its user can put right."""
    try:
        app()
    except (ImageError, OSError) as error:
        typer.echo(f"images: {error}", err=True)
        raise SystemExit(2) from error


def _builder() -> Builder:
    return Builder(Catalogue(), Store(), Progress())


def _show(images: list[Image], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([image.as_dict() for image in images], indent=2))
        return
    for image in images:
        typer.echo(_line(image))


def _line(image: Image) -> str:
    return f"{image.reference} {image.digest} {image.size / 1e6:.0f} MB"
