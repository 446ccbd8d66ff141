"""The `cloison` command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from documents import InvalidDocumentsError
from operations.addresses import addresses, tokens
from operations.editing import set_state, write_new
from operations.engines import Engine, choose_engine
from operations.errors import OperationError, UsageError
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
ProjectName = Annotated[str, typer.Argument(help="Name of a research project: a file workspaces/<name>.yaml.")]
ProjectFolder = Annotated[Path, typer.Option("--project", help="Folder of the Pulumi project.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")]

talk = Console(stderr=True, highlight=False, soft_wrap=True)


@application.command()
def new(
    name: ProjectName,
    lead: Annotated[str, typer.Option("--lead", help="E-mail of the project's lead.")] = "lead@organisation.example",
    project: ProjectFolder = CHECKOUT,
) -> None:
    """Write a valid workspace file to start from; contact nothing."""
    file = write_new(project / "workspaces", name, lead, _today())
    typer.echo(f"{file}: written; edit it, then run `cloison preview`")


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
def freeze(name: ProjectName, stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False) -> None:
    """Lock a project: nobody signs in, servers stop, data stay. `thaw` undoes it."""
    _change_state(Stack(project, stack), name, "frozen", yes=yes)


@application.command()
def thaw(name: ProjectName, stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False) -> None:
    """Open a frozen project again."""
    _change_state(Stack(project, stack), name, "active", yes=yes)


@application.command()
def end(name: ProjectName, stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False) -> None:
    """End a project for good: nobody signs in, and its data lose their protection.

    The data are deleted by the first `up` after the project's file is removed, or by `destroy`.
    """
    if not yes and typer.prompt(f"Type the name of the project whose data may be deleted ({name})") != name:
        message = "that is another name; nothing was changed"
        raise UsageError(message)
    _change_state(Stack(project, stack), name, "ended", yes=yes)


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


def _change_state(stack: Stack, name: str, state: str, *, yes: bool) -> None:
    """Change a project's state in its file, then make the cluster agree."""
    stack.profile()
    set_state(stack.project / "workspaces" / f"{name}.yaml", state, _today())
    stack.workspaces()
    _engine(stack).run(stack, "up", ["--yes"] if yes else [])


def _today() -> date:
    return datetime.now(UTC).date()


def _engine(stack: Stack) -> Engine:
    engine = choose_engine(stack)
    talk.print(f"Running stack {stack.name} with {engine.title}.", style="dim")
    return engine


def _print_addresses(engine: Engine, stack: Stack, *, show_tokens: bool = False) -> None:
    secret = tokens(engine, stack) if show_tokens else {}
    for each in addresses(engine, stack):
        token = f"  token {secret[each.url]}" if show_tokens else ""
        typer.echo(f"{each.project}  {each.member}  {each.tool}  {each.url}{token}")
