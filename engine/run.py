"""The runs: preview, up, refresh, destroy."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.deploy import Deployer
from engine.dynamic import DynamicProvider
from engine.errors import EngineError, ProgramError
from engine.events import Events, Listener
from engine.history import write_history
from engine.monitor import serve
from engine.policy import PolicyPacks
from engine.program import Program
from engine.providers import Factory, Providers
from engine.refresh import refresh, settle
from engine.registration import Scope
from engine.removal import delete_all, targeted, unwanted
from engine.session import Place, Session, open_session
from engine.state import State
from engine.urn import STACK_TYPE
from engine.values import Object

Confirm = Callable[["Result"], bool]


@dataclass(frozen=True)
class Options:
    """How to run.

    Args:
        place: Which stack.
        targets: URNs, with ``*`` for any text, to limit the run to; empty for all.
        refresh: Read every resource first.
        parallel: How many operations on providers run at once.
        policy_packs: Folders of policy packs.
        listeners: Called with each event.
        skip_preview: Change without looking first.
        clear_pending_creates: Forget creations whose outcome nobody knows.
        untouched_sdk: Leave the SDK's own wait loop and debug messages as they are.
        factories: Makes the providers, by package.
    """

    place: Place
    targets: tuple[str, ...] = ()
    refresh: bool = False
    parallel: int = 16
    policy_packs: tuple[Path, ...] = ()
    listeners: Sequence[Listener] = ()
    skip_preview: bool = False
    clear_pending_creates: bool = False
    untouched_sdk: bool = False
    factories: Mapping[str, Factory] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a run did, or would do."""

    changes: Mapping[str, int]
    errors: tuple[str, ...]
    outputs: Object
    cancelled: bool
    violated: bool = False
    """Whether a mandatory rule of a policy pack is violated."""
    fatal: EngineError | None = None
    """What ended the run before its time."""

    @property
    def succeeded(self) -> bool:
        """Whether everything is as wanted."""
        return not self.errors and not self.cancelled

    @property
    def changed(self) -> int:
        """How many resources are touched."""
        return sum(count for op, count in self.changes.items() if op not in ("same", "refresh"))


class Declined(EngineError):  # noqa: N818 - reads as what happened
    """The user did not confirm."""


def preview(options: Options) -> Result:
    """Tell what ``up`` would do, and change nothing."""
    with open_session(options.place, "preview", creates=True, changes=False) as session:
        return _Run(options, session, os.urandom(32), offline=True).preview(_with_program)


def up(options: Options, confirm: Confirm = lambda _: True) -> Result:
    """Make the stack what its program says.

    Raises:
        Declined: If ``confirm`` returned false for the preview's result.
    """
    return _change(options, confirm, "up", _with_program, creates=True)


def refresh_stack(options: Options, confirm: Confirm = lambda _: True) -> Result:
    """Record what has drifted."""
    return _change(options, confirm, "refresh", _refresh_only, creates=False)


def destroy(options: Options, confirm: Confirm = lambda _: True) -> Result:
    """Delete all resources of the stack, or its targets."""
    return _change(options, confirm, "destroy", _delete_only, creates=False)


def _change(options: Options, confirm: Confirm, kind: str, work: "Work", *, creates: bool) -> Result:
    seed = os.urandom(32)
    with open_session(options.place, kind, creates=creates, changes=True) as session:
        run = _Run(options, session, seed, offline=False)
        if not options.skip_preview:
            plan = run.preview(work)
            if not plan.succeeded:
                return plan
            if not confirm(plan):
                raise Declined("not confirmed; nothing was changed")
        started = time.time()
        result = run.change(work)
        write_history(session, kind, started, result.changes, succeeded=result.succeeded)
        return result


@dataclass(frozen=True)
class _Workshop:
    """What the parts of one pass work with."""

    run: "_Run"
    deployer: Deployer
    providers: Providers
    policies: PolicyPacks


Work = Callable[[_Workshop], None]


@dataclass(frozen=True)
class _Run:
    options: Options
    session: Session
    seed: bytes
    offline: bool

    def preview(self, work: Work) -> Result:
        return self._pass(self.session.preview_state(), work, preview=True)

    def change(self, work: Work) -> Result:
        with self.session.changing_state() as state:
            return self._pass(state, work, preview=False)

    def _pass(self, state: State, work: Work, *, preview: bool) -> Result:
        options, session = self.options, self.session
        events = Events(options.listeners, preview=preview)
        events.prelude(session.masked_configuration())
        scope = Scope(
            options.place.stack,
            session.project.name,
            session.configuration.namespace,
            self.seed,
            options.parallel,
            options.targets,
        )
        factories = {"pulumi-python": self._dynamic, **options.factories}
        with ExitStack() as stack:
            providers = Providers(factories, state, _reporter(events), offline=self.offline)
            stack.callback(providers.close)
            policies = stack.enter_context(PolicyPacks(options.policy_packs, session, events, preview=preview))
            deployer = Deployer(scope, state, providers, events, policies, preview=preview)
            with _stopping_gently(deployer, providers):
                try:
                    work(_Workshop(self, deployer, providers, policies))
                except EngineError as error:
                    deployer.abort(error)
        return _conclude(deployer, policies)

    def program(self, deployer: Deployer, address: str) -> Program:
        """Start the program."""
        session, environment = self.session, self.options.place.environment
        untouched = self.options.untouched_sdk
        return Program(session.project, session.configuration, deployer, address, environment, untouched_sdk=untouched)

    def _dynamic(self, report: Any) -> DynamicProvider:
        return DynamicProvider(self.session.project, self.session.configuration, self.options.place.environment, report)


def _conclude(deployer: Deployer, policies: PolicyPacks) -> Result:
    events = deployer.events
    cancelled = deployer.cancelled.is_set() and deployer.fatal is None
    if deployer.fatal and not (isinstance(deployer.fatal, ProgramError) and events.errors):
        events.diagnostic("error", str(deployer.fatal))
    events.summary(policies.versions)
    events.cancel()
    root = next((item for item in deployer.state.resources() if item.type == STACK_TYPE), None)
    return Result(
        changes=dict(+events.changes),
        errors=tuple(events.errors),
        outputs=root.outputs if root else {},
        cancelled=cancelled,
        violated=policies.violated,
        fatal=deployer.fatal,
    )


def _with_program(shop: _Workshop) -> None:
    deployer, options = shop.deployer, shop.run.options
    settle(deployer, shop.providers)
    if options.refresh:
        refresh(deployer, shop.providers)
    ended = threading.Event()

    def at_end() -> None:
        ended.set()
        shop.policies.review_stack(deployer.state.resources())
        if not shop.policies.violated:
            delete_all(deployer, unwanted(deployer))

    with serve(deployer, at_end, 4 * options.parallel + 8) as address:
        program = shop.run.program(deployer, address)
        deployer.on_abort = program.stop
        try:
            program.wait()
            if not ended.is_set() and not deployer.cancelled.is_set():
                at_end()  # the program has left by sys.exit()
        except ProgramError as error:
            if not deployer.cancelled.is_set():
                deployer.abort(error)


def _refresh_only(shop: _Workshop) -> None:
    settle(shop.deployer, shop.providers, forget=shop.run.options.clear_pending_creates)
    refresh(shop.deployer, shop.providers)


def _delete_only(shop: _Workshop) -> None:
    settle(shop.deployer, shop.providers)
    if shop.run.options.refresh:
        refresh(shop.deployer, shop.providers)
    delete_all(shop.deployer, targeted(shop.deployer.state.resources(), shop.deployer))


def _reporter(events: Events) -> Callable[[str, str, str], None]:
    def report(severity: str, urn: str, message: str) -> None:
        if severity == "status":
            events.diagnostic("info", message, urn, ephemeral=True)
        elif severity != "debug":
            events.diagnostic(severity, message, urn)

    return report


@contextmanager
def _stopping_gently(deployer: Deployer, providers: Providers) -> Iterator[None]:
    """On the first Ctrl-C finish what is in flight, on the second give up; the journal has what is known."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        if deployer.cancelled.is_set():
            raise KeyboardInterrupt
        deployer.cancelled.set()
        providers.cancel()
        deployer.on_abort()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
