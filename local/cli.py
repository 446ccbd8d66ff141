"""The command `python -m local`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local import build as builder
from local import links, resolver
from local import status as statuses
from local.components import START_ORDER
from local.errors import PlatformError, RefusedError
from local.paths import DEFAULT_NAME, Layout, platforms
from local.platform import Platform

app = typer.Typer(
    help="A real single-node Kubernetes on this machine, in a network namespace without a way out.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
)  # fmt: skip

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""For a command whose words are for another program, from the first one that is not an option of ours."""

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
    platform = _existing(name)
    platform.down(purge)
    if platform.layout.state.exists():
        typer.echo(f"data stays in {platform.layout.state} (delete it: python -m local down --name {name} --purge)")


@app.command(context_settings=PASSED_ON)
def kubectl(context: typer.Context, name: Name = DEFAULT_NAME) -> None:
    """Run kubectl as the platform's administrator."""
    platform = _existing(name)
    command = [*platform.kubectl.command, *context.args]
    os.execv(command[0], command)  # noqa: S606 - kubectl takes this process's place, terminal and all


@app.command()
def status(
    name: Annotated[str, typer.Option("--name", help="Which platform; all of them if none is named.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs, how much memory it takes, the ports and the links. Exit code 1 when something is amiss."""
    found = [statuses.of(_existing(layout.name)) for layout in ([Layout(name)] if name else platforms())]
    if as_json:
        typer.echo(json.dumps([one.document() for one in found], indent=2))
    else:
        for one in found:
            _show(one)
        if not found:
            typer.echo("no platform on this machine; make one: python -m local up")
    if not all(one.ready for one in found):
        sys.exit(1)


@app.command()
def logs(
    component: Annotated[str, typer.Argument(help="Name of a component (see `status`), or `audit`.")],
    name: Name = DEFAULT_NAME,
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
) -> None:
    """Print the end of a component's log."""
    layout = _existing(name).layout
    files = {part: layout.logs / f"{part}.log" for part in START_ORDER} | {"audit": layout.audit_log}
    if component not in files:
        message = f"unknown component {component!r}: choose one of {', '.join(files)}"
        raise RefusedError(message)
    if not files[component].exists():
        message = f"{component} has written nothing: {files[component]} does not exist"
        raise RefusedError(message)
    command = ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), str(files[component])]
    os.execvp(command[0], command)  # noqa: S606 - tail takes this process's place


@app.command()
def build(tool: Annotated[str, typer.Argument(help="Name of a tool; all of them if none is named.")] = "") -> None:
    """Build a pinned tool, if it is not in the cache, and print its path."""
    for name in [tool] if tool else sorted(builder.catalogue()):
        typer.echo(builder.tool(name))


@app.command()
def load(
    archives: Annotated[list[Path], typer.Argument(help="OCI or Docker archives.")], name: Name = DEFAULT_NAME
) -> None:
    """Import images into the node and print their names."""
    for archive in archives:
        if not archive.is_file():
            message = f"{archive}: no such file; give the archive of an image"
            raise RefusedError(message)
    platform = _existing(name)
    if "containerd" not in platform.running():
        message = f"platform {name} is not up: `python -m local up --name {name}`"
        raise RefusedError(message)
    for archive in archives:
        for image in platform.containerd.load(archive):
            typer.echo(image)


@app.command()
def link(first: str, second: str) -> None:
    """Let the pods of two platforms reach the other one, at one address and by one name."""
    platforms_ = [_existing(first), _existing(second)]
    end = links.link(platforms_[0].layout, platforms_[1].layout)
    _tell_dns(platforms_)
    typer.echo(f"{second} is {end.name} ({end.peer_address}) for pods of {first}")


@app.command()
def unlink(first: str, second: str) -> None:
    """Take the link between two platforms away."""
    platforms_ = [_existing(first), _existing(second)]
    links.unlink(platforms_[0].layout, platforms_[1].layout)
    _tell_dns(platforms_)


def main() -> None:
    """Run the command; an error is one line on standard error."""
    try:
        app()
    except PlatformError as error:
        typer.echo(f"local: {error}", err=True)
        sys.exit(error.exit_code)


def _existing(name: str) -> Platform:
    layout = Layout(name)
    if not (layout.state.exists() or layout.namespace_path.exists()):
        known = ", ".join(other.name for other in platforms()) or "none yet"
        message = f"there is no platform {name!r} (known: {known}); make it: python -m local up --name {name}"
        raise RefusedError(message)
    return Platform(name)


def _tell_dns(changed: list[Platform]) -> None:
    for platform in changed:
        if "kubelet" in platform.running():
            resolver.refresh(platform.layout, platform.kubectl)


def _show(one: statuses.Status) -> None:
    console = Console(highlight=False)
    console.print(statuses.table(one))
    console.print(f"{'ready' if one.ready else 'NOT READY: ' + one.message}", markup=False, soft_wrap=True)
    console.print(f"KUBECONFIG={one.kubeconfig}", soft_wrap=True)
    console.print(f"Services: http://<service>.<namespace>.localhost:{one.ports.http}/", markup=False, soft_wrap=True)
    for end in one.links:
        console.print(f"link to {end.peer}: {end.name} is {end.peer_address}", soft_wrap=True)
