"""The `cloison` command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from documents import InvalidDocumentsError
from operations.addresses import addresses, tokens
from operations.engines import Engine, choose_engine
from operations.errors import OperationError
from operations.smoke import check
from operations.stack import CHECKOUT, LOCAL, Stack

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Isolated research environments for health data: one workspace file per project, one stack per provider.",
    epilog="Exit status: 0 done, 1 something failed on the way, 2 the request or a file is not valid, nothing changed.",
)

StackName = Annotated[str, typer.Option("--stack", "-s", help="Stack to work on: a file stacks/Pulumi.<stack>.yaml.")]
ProjectFolder = Annotated[Path, typer.Option("--project", help="Folder of the Pulumi project.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")]

talk = Console(stderr=True, highlight=False, soft_wrap=True)


@application.command()
def validate(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT) -> None:
    """Check the stack's profile and every workspace file; contact nothing."""
    chosen = _checked(project, stack)
    count = len(chosen.workspaces())
    typer.echo(f"{count} workspace{'s' if count != 1 else ''} on {chosen.profile().title}: all files are valid")


@application.command()
def preview(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Show what `up` would do, and change nothing."""
    chosen = _checked(project, stack)
    _engine(chosen).run(chosen, "preview", ["--json"] if as_json else [])


@application.command()
def up(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False) -> None:
    """Make the cluster what the workspace files say, and print where each member finds each tool."""
    chosen = _checked(project, stack)
    engine = _engine(chosen)
    engine.run(chosen, "up", ["--yes"] if yes else [])
    _print_addresses(engine, chosen)


@application.command()
def urls(
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    as_json: Json = False,
    show_tokens: Annotated[bool, typer.Option("--show-tokens", help="Print what each member signs in with.")] = False,
) -> None:
    """Print where each member finds each tool."""
    chosen = Stack(project, stack)
    chosen.profile()
    engine = choose_engine(chosen)
    if not as_json:
        _print_addresses(engine, chosen, show_tokens=show_tokens)
        return
    secret = tokens(engine, chosen) if show_tokens else {}
    found = [asdict(each) for each in addresses(engine, chosen)]
    typer.echo(json.dumps([each | ({"token": secret[each["url"]]} if show_tokens else {}) for each in found], indent=2))


@application.command()
def smoke(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT) -> None:
    """Fetch every address, and run a Python and an R cell in the first JupyterLab."""
    chosen = _checked(project, stack)
    engine = choose_engine(chosen)
    for finding in check(addresses(engine, chosen), tokens(engine, chosen)):
        typer.echo(f"{finding.subject}: {finding.result}")


@application.command()
def destroy(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False) -> None:
    """Delete everything the stack made, members' data included. Shows the plan and asks first."""
    chosen = Stack(project, stack)
    chosen.profile()
    _engine(chosen).run(chosen, "destroy", ["--yes"] if yes else [])


def main() -> None:
    """Run the command: one clear message for what the person can put right, no traceback."""
    with _clear_errors():
        application()


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except InvalidDocumentsError as error:
        talk.print(str(error), style="red", markup=False)
        raise SystemExit(2) from error
    except OperationError as error:
        talk.print(f"cloison: {error}", style="red", markup=False)
        raise SystemExit(error.status) from error


def _checked(project: Path, stack: str) -> Stack:
    """A stack whose files are all valid; so that bad input is found before anything is contacted."""
    chosen = Stack(project, stack)
    chosen.profile()
    chosen.workspaces()
    return chosen


def _engine(stack: Stack) -> Engine:
    engine = choose_engine(stack)
    talk.print(f"Running stack {stack.name} with {engine.title}.", style="dim")
    return engine


def _print_addresses(engine: Engine, stack: Stack, *, show_tokens: bool = False) -> None:
    secret = tokens(engine, stack) if show_tokens else {}
    for each in addresses(engine, stack):
        token = f"  token {secret[each.url]}" if show_tokens else ""
        typer.echo(f"{each.project}  {each.member}  {each.tool}  {each.url}{token}")
