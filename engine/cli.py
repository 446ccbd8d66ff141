"""The command line: ``python -m engine preview|up|refresh|destroy|export|import|history --stack S``."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.prompt import Confirm

from engine.display import Display, JsonLines
from engine.errors import EngineError, InputError, LockedError, Unreachable
from engine.events import Listener
from engine.history import read_history
from engine.providers import Factory
from engine.run import Declined, Options, Result, destroy, preview, refresh_stack, up
from engine.session import Place, StackNotFound
from engine.transfer import export_stack, import_stack

# Pulumi's own exit codes: sdk/go/common/util/cmdutil/exit.go of pulumi/pulumi.
OK, FAILED, CONFIGURATION, AUTHENTICATION, RESOURCE, POLICY, NO_STACK, NO_CHANGES, CANCELLED = range(9)

Run: TypeAlias = Callable[[Options, Callable[[Result], bool]], Result]


class ChangesFoundError(EngineError):
    """A preview has changes although none were expected."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except EngineError as error:
        Console(stderr=True).print(f"error: {error}", style="bold red", highlight=False, markup=False)
        return exit_code(error)
    except KeyboardInterrupt:
        return CANCELLED


def exit_code(error: EngineError) -> int:
    """Return Pulumi's exit code for an error."""
    codes: list[tuple[type[EngineError], int]] = [
        (StackNotFound, NO_STACK),
        (Declined, CANCELLED),
        (ChangesFoundError, NO_CHANGES),
        (InputError, CONFIGURATION),
        (Unreachable, AUTHENTICATION),
        (LockedError, RESOURCE),
    ]
    return next((code for kind, code in codes if isinstance(error, kind)), FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary, run in _COMMANDS:
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run, command=name)
        command.add_argument("--stack", "-s", required=True, help="the stack's name")
        command.add_argument("--cwd", "-C", type=Path, default=Path.cwd(), help="the program's folder")
        command.add_argument("--state", type=Path, help="the state folder (default: .engine beside Pulumi.yaml)")
        command.add_argument("--salt-in-state", action="store_true", help="keep a new stack's salt out of its file")
        _ADDERS.get(name, _add_run_options)(command)
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--yes", "-y", action="store_true", help="do not ask")
    add("--skip-preview", "-f", action="store_true", help="change without a preview")
    add("--json", "-j", action="store_true", help="print events of Pulumi's engine-event schema, one a line")
    add("--diff", action="store_true", help="show each changed property")
    add("--target", "-t", action="append", default=[], metavar="URN", help="limit to a resource; * stands for any text")
    add("--refresh", "-r", action="store_true", help="read every resource first")
    add("--parallel", "-p", type=int, default=16, help="operations at once (default: 16)")
    add("--expect-no-changes", action="store_true", help="fail if anything changes")
    if command.get_default("command") == "refresh":
        add("--clear-pending-creates", action="store_true", help="forget creations whose outcome nobody knows")
    add("--policy-pack", action="append", default=[], type=Path, metavar="FOLDER", help="enforce a policy pack")


def _place(arguments: argparse.Namespace) -> Place:
    return Place(arguments.stack, arguments.cwd, arguments.state, arguments.salt_in_state)


def _factories() -> dict[str, Factory]:
    from engine.kubernetes.provider import KubernetesProvider  # imported only by the commands that need it

    return {"kubernetes": KubernetesProvider}


def _options(arguments: argparse.Namespace, listener: Listener) -> Options:
    return Options(
        _place(arguments),
        targets=tuple(arguments.target),
        refresh=arguments.refresh,
        parallel=arguments.parallel,
        policy_packs=tuple(arguments.policy_pack),
        listeners=[listener],
        skip_preview=arguments.skip_preview,
        clear_pending_creates=getattr(arguments, "clear_pending_creates", False),
        factories=_factories(),
    )


def _display(arguments: argparse.Namespace) -> Display:
    return Display(Console(highlight=False, soft_wrap=True), details=arguments.diff)


def _preview(arguments: argparse.Namespace) -> int:
    listener = JsonLines() if arguments.json else _display(arguments)
    return _conclude(arguments, preview(_options(arguments, listener)))


def _changing(run: Run) -> Callable[[argparse.Namespace], int]:
    return lambda arguments: _change_as_json(run, arguments) if arguments.json else _change(run, arguments)


def _change(run: Run, arguments: argparse.Namespace) -> int:
    options = _options(arguments, _display(arguments))
    return _conclude(arguments, run(options, lambda plan: _confirmed(arguments, plan)))


def _change_as_json(run: Run, arguments: argparse.Namespace) -> int:
    """Print one stream of events: the change's, or its preview's if it ends there."""
    if not arguments.yes and not arguments.skip_preview:
        raise InputError(f"{arguments.command} --json cannot ask; add --yes")
    events = JsonLines(held=not arguments.skip_preview)

    def confirmed(plan: Result) -> bool:
        agreed = _confirmed(arguments, plan)
        events.drop()
        return agreed

    try:
        return _conclude(arguments, run(_options(arguments, events), confirmed))
    finally:
        events.release()


def _confirmed(arguments: argparse.Namespace, plan: Result) -> bool:
    if arguments.expect_no_changes and plan.changed:
        raise ChangesFoundError("no changes were expected, but the preview has some; nothing was changed")
    if arguments.yes or (arguments.command == "up" and not plan.changed):
        return True
    if not sys.stdin.isatty():
        raise InputError(f"{arguments.command} asks before it changes anything; use --yes where nobody can answer")
    return Confirm.ask(f"Do you want to perform this {arguments.command}?", default=False)


def _conclude(arguments: argparse.Namespace, result: Result) -> int:
    if result.cancelled:
        return CANCELLED
    if result.violated:
        return POLICY
    if not result.succeeded:
        return exit_code(result.fatal) if result.fatal else FAILED
    if arguments.expect_no_changes and result.changed:
        return NO_CHANGES
    return OK


def _export(arguments: argparse.Namespace) -> int:
    document = export_stack(_place(arguments), show_secrets=arguments.show_secrets)
    text = json.dumps(document, indent=4) + "\n"
    if arguments.file:
        arguments.file.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return OK


def _import(arguments: argparse.Namespace) -> int:
    text = arguments.file.read_text(encoding="utf-8") if arguments.file else sys.stdin.read()
    import_stack(_place(arguments), text)
    return OK


def _history(arguments: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(read_history(_place(arguments)), indent=4) + "\n")
    return OK


def _add_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--file", type=Path, help="read or write here instead of the terminal")


def _add_export_options(command: argparse.ArgumentParser) -> None:
    _add_file(command)
    command.add_argument("--show-secrets", action="store_true", help="write secrets in plain text")


_ADDERS = {"export": _add_export_options, "import": _add_file, "history": lambda _: None}
_COMMANDS: list[tuple[str, str, Callable[[argparse.Namespace], int]]] = [
    ("preview", "Show what up would do", _preview),
    ("up", "Make the stack what its program says", _changing(up)),
    ("refresh", "Record what has drifted", _changing(refresh_stack)),
    ("destroy", "Delete the stack's resources", _changing(destroy)),
    ("export", "Write the state as pulumi stack import takes it", _export),
    ("import", "Take over a state that pulumi stack export wrote", _import),
    ("history", "List the runs so far", _history),
]
