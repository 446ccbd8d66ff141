"""The command `python -m local`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from local import build as builder
from local.errors import PlatformError, RefusedError
from local.paths import DEFAULT_NAME
from local.platform import Platform

app = typer.Typer(
    help="A real single-node Kubernetes on this machine, in a network namespace without a way out.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
)  # fmt: skip

Name = Annotated[str, typer.Option("--name", help="Which platform; several run side by side.")]


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    control_plane_only: Annotated[bool, typer.Option(help="No node: API server and controllers.")] = False,
) -> None:
    """Bring the platform up, or back to health after whatever happened to it. May be repeated."""
    platform = Platform(name).up(control_plane_only)
    typer.echo(f"export KUBECONFIG={platform.kubeconfig}")


@app.command()
def down(
    name: Name = DEFAULT_NAME,
    purge: Annotated[bool, typer.Option(help="Delete its data too: volumes, images, certificates, logs.")] = False,
) -> None:
    """Stop the platform and leave no process, mount, interface or firewall rule behind. Data stays."""
    platform = Platform(name)
    platform.down(purge)
    if platform.layout.state.exists():
        typer.echo(f"data stays in {platform.layout.state} (delete it: python -m local down --name {name} --purge)")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
def kubectl(context: typer.Context, name: Name = DEFAULT_NAME) -> None:
    """Run kubectl as the platform's administrator."""
    platform = Platform(name)
    if not platform.kubeconfig.exists():
        message = f"there is no platform {name}: bring it up with `python -m local up --name {name}`"
        raise RefusedError(message)
    command = [*platform.kubectl.command, *context.args]
    os.execv(command[0], command)  # noqa: S606 - kubectl takes this process's place, terminal and all


@app.command()
def build(tool: Annotated[str, typer.Argument(help="Name of the tool; prints its path.")] = "") -> None:
    """Build one tool and print its path, or build all and list them."""
    for name in [tool] if tool else sorted(builder.catalogue()):
        typer.echo(builder.tool(name))


@app.command()
def load(archive: Annotated[Path, typer.Argument(help="OCI or Docker archive.")], name: Name = DEFAULT_NAME) -> None:
    """Import an image into the node and print its name."""
    if not archive.is_file():
        message = f"{archive}: no such file; give the archive of an image"
        raise RefusedError(message)
    for image in Platform(name).containerd.load(archive):
        typer.echo(image)


def main() -> None:
    """Run the command; an error is one line on standard error."""
    try:
        app()
    except PlatformError as error:
        typer.echo(f"local: {error}", err=True)
        sys.exit(error.exit_code)
