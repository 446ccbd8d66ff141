"""The `cloison` command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.images import needed_images
from documents import InvalidDocumentsError
from operations import key_store, portal, printing
from operations.answering import sign_in_pages
from operations.deployed import Deployed
from operations.editing import set_state, write_new
from operations.engines import Engine, choose_engine
from operations.errors import EngineFailedError, OperationError, UsageError
from operations.guards import refuse_lost_data, refuse_unended
from operations.stack import CHECKOUT, LOCAL, Stack
from operations.status import standings

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
Json = Annotated[bool, typer.Option("--json", help="Print JSON: of a run, the events of Pulumi's engine, one a line.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show each changed property.")]

talk = Console(stderr=True, highlight=False, soft_wrap=True)


@application.command()
def new(
    name: ProjectName,
    lead: Annotated[str, typer.Option("--lead", help="E-mail of the project's lead.")] = "lead@organisation.example",
    project: ProjectFolder = CHECKOUT,
    as_json: Json = False,
) -> None:
    """Write a valid workspace file to start from; contact nothing."""
    file = write_new(project / "workspaces", name, lead, _today())
    if as_json:
        printing.as_json({"file": str(file)})
    else:
        typer.echo(f"{file}: written; edit it, then run `cloison preview`")


@application.command()
def validate(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Check the stack's profile and every workspace file; contact nothing."""
    chosen = _checked(project, stack)
    names = [each.name for each in chosen.workspaces()]
    if as_json:
        printing.as_json({"profile": chosen.profile().name, "workspaces": names})
    else:
        plural = "s" if len(names) != 1 else ""
        typer.echo(f"{len(names)} workspace{plural} on {chosen.profile().title}: all files are valid")


@application.command()
def images(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Print the images that the stack's cluster must have; contact nothing."""
    chosen = _checked(project, stack)
    names = needed_images(chosen.profile(), chosen.workspaces())
    printing.as_json(names) if as_json else typer.echo("\n".join(names))


@application.command()
def preview(
    stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, diff: Diff = False, as_json: Json = False
) -> None:
    """Show what `up` would do, and change nothing."""
    chosen = _checked(project, stack)
    engine = _engine(chosen)
    refuse_lost_data(Deployed.read(engine, chosen).volumes, chosen.workspaces())
    engine.run(chosen, "preview", _options(diff=diff, as_json=as_json))


@application.command()
def up(
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    yes: Yes = False,
    diff: Diff = False,
    as_json: Json = False,
) -> None:
    """Make the cluster what the workspace files say, and print where each project finds its tools."""
    _bring_up(_checked(project, stack), _options(yes=yes, diff=diff, as_json=as_json), as_json=as_json)


@application.command()
def status(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Show each project's state, permit and members, and whether its hub answers. Status 1 when one is not well."""
    chosen = _checked(project, stack)
    deployed = Deployed.read(choose_engine(chosen), chosen)
    found = standings(deployed, chosen.workspaces(), _today())
    keys = key_store.condition(chosen, deployed)
    printing.as_json([each.as_dict() for each in found]) if as_json else printing.standings(found)
    closed = deployed.has_key_store and keys != "open"
    if closed:
        talk.print(f"! the key store is {keys}: `cloison unseal` opens it", style="red", markup=False)
    if closed or not all(each.well for each in found):
        raise typer.Exit(1)


@application.command()
def unseal(
    shares: Annotated[
        Path | None, typer.Option("--shares", help="File of shares, as it was handed out; else $CLOISON_VAULT_SHARES.")
    ] = None,
    new_token: Annotated[bool, typer.Option("--new-token", help="Issue the operator's token anew.")] = False,
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    as_json: Json = False,
) -> None:
    """Open the key store with the operator's shares, after it was sealed or started anew."""
    chosen = Stack(project, stack)
    chosen.profile()
    found = key_store.unseal(chosen, Deployed.read(choose_engine(chosen), chosen), shares, new_token=new_token)
    printing.as_json({"key_store": found}) if as_json else typer.echo(f"the key store is {found}")


@application.command()
def urls(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Print where each project's members find each tool."""
    deployed = _deployed(project, stack)
    if as_json:
        printing.as_json([each.as_dict() for each in deployed.projects])
    else:
        printing.addresses(deployed)


@application.command()
def accounts(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Print the demonstration accounts and their first passwords, which are good until the first sign-in."""
    passwords = _deployed(project, stack, show_secrets=True).first_passwords
    if not passwords and not as_json:
        message = f"stack {stack} has no demonstration accounts; its people come from its issuer"
        raise UsageError(message)
    printing.as_json(passwords) if as_json else printing.accounts(passwords)


@application.command()
def smoke(stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, as_json: Json = False) -> None:
    """Open every address as a browser does, up to the page that asks for sign-in, and say how to sign in first."""
    chosen = _checked(project, stack)
    deployed = Deployed.read(choose_engine(chosen), chosen)
    findings = list(sign_in_pages(deployed))
    if as_json:
        printing.as_json([{"url": each.subject, "found": each.result} for each in findings])
        return
    for each in findings:
        typer.echo(f"{each.subject}: {each.result}")
    if chosen.profile().identity.demonstration_accounts:
        typer.echo(printing.FIRST_SIGN_IN.format(authority=portal.folder(chosen) / "authority.crt"))


@application.command()
def freeze(
    name: ProjectName,
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Lock a project: nobody signs in, servers stop, data stay. `thaw` undoes it."""
    _change_state(Stack(project, stack), name, "frozen", yes=yes, as_json=as_json)


@application.command()
def thaw(
    name: ProjectName,
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Open a frozen project again."""
    _change_state(Stack(project, stack), name, "active", yes=yes, as_json=as_json)


@application.command()
def end(
    name: ProjectName,
    stack: StackName = LOCAL,
    project: ProjectFolder = CHECKOUT,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End a project for good: nobody signs in, and its data lose their protection.

    The data are deleted by the first `up` after the project's file is removed, or by `destroy`.
    """
    if not yes and typer.prompt(f"Type the name of the project whose data may be deleted ({name})") != name:
        message = "that is another name; nothing was changed"
        raise UsageError(message)
    _change_state(Stack(project, stack), name, "ended", yes=yes, as_json=as_json)


@application.command()
def destroy(
    stack: StackName = LOCAL, project: ProjectFolder = CHECKOUT, yes: Yes = False, as_json: Json = False
) -> None:
    """Delete everything the stack made. Refused while a project has not ended; shows the plan and asks first."""
    chosen = Stack(project, stack)
    chosen.profile()
    engine = _engine(chosen)
    before = Deployed.read(engine, chosen)
    refuse_unended(before.volumes, "destroy")
    key_store.require_open(chosen, before)
    engine.run(chosen, "destroy", _options(yes=yes, as_json=as_json))


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


def _deployed(project: Path, stack: str, *, show_secrets: bool = False) -> Deployed:
    chosen = Stack(project, stack)
    chosen.profile()
    return Deployed.read(choose_engine(chosen), chosen, show_secrets=show_secrets)


def _bring_up(stack: Stack, options: Sequence[str], *, as_json: bool) -> None:
    engine = _engine(stack)
    before = Deployed.read(engine, stack)
    refuse_lost_data(before.volumes, stack.workspaces())
    key_store.require_open(stack, before)
    engine.run(stack, "up", options)
    deployed = Deployed.read(engine, stack)
    portal.write(stack, deployed)
    if not as_json:
        printing.addresses(deployed)


def _change_state(stack: Stack, name: str, state: str, *, yes: bool, as_json: bool) -> None:
    """Change a project's state in its file, then make the cluster agree."""
    stack.profile()
    file = stack.project / "workspaces" / f"{name}.yaml"
    set_state(file, state, _today())
    stack.workspaces()
    try:
        _bring_up(stack, _options(yes=yes, as_json=as_json), as_json=as_json)
    except EngineFailedError:
        talk.print(f"{file} says `state: {state}`; `cloison up` finishes what was begun.", style="yellow")
        raise


def _today() -> date:
    return datetime.now(UTC).date()


def _engine(stack: Stack) -> Engine:
    engine = choose_engine(stack)
    talk.print(f"Running stack {stack.name} with {engine.title}.", style="dim")
    return engine


def _options(*, yes: bool = False, diff: bool = False, as_json: bool = False) -> Sequence[str]:
    """Options as both engines spell them."""
    given = {"--yes": yes, "--diff": diff, "--json": as_json}
    return [option for option, wanted in given.items() if wanted]
