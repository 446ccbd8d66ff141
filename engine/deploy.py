"""Answers each registration of the program: finds the recorded resource, checks, compares, decides, and has it done."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from threading import BoundedSemaphore, Event, Lock
from typing import Protocol

from engine.aliases import Alias, all_aliases
from engine.cascade import dependants_to_replace
from engine.errors import EngineError, InputError, ProviderError, Unreachable
from engine.events import Events
from engine.execute import Executor, StepFailed, timestamp
from engine.paths import copy_ignored, parse_path
from engine.provider import CheckResult, DiffResult
from engine.providers import Providers, configuration, default_provider_name, package_of, provider_type
from engine.registration import Outcome, Registration, Scope
from engine.resource import Resource
from engine.state import State
from engine.steps import Action, Decision, Goal, decide, recorded
from engine.urn import make_urn, provider_package, split_reference
from engine.values import Object, Unknown, contains, mark_secrets, reveal


class Cancelled(EngineError):  # noqa: N818 - reads as what happened
    """The run has been asked to end; nothing more is begun."""


class Policies(Protocol):
    """Policy packs, as far as a deployment sees them."""

    def review(self, resource: Resource) -> tuple[Object, bool]:
        """Return the inputs, perhaps remediated, and whether a mandatory rule forbids the resource."""
        ...


class Deployer:
    """Brings the resources that a program registers into being, many at once.

    Args:
        scope: What the run is about.
        state: What is recorded.
        providers: Who manages what.
        events: Where it is told.
        policies: What is forbidden.
        preview: Whether nothing is changed.
    """

    def __init__(
        self, scope: Scope, state: State, providers: Providers, events: Events, policies: Policies, *, preview: bool
    ) -> None:
        self.scope = scope
        self.state = state
        self.preview = preview
        self.events = events
        self.executor = Executor(state, providers, events, preview)
        self.cancelled = Event()
        self.registered: set[str] = set()
        """URNs that the program has named, now or by an alias."""
        self.fatal: EngineError | None = None
        self.unsettled: dict[str, str] = {}
        """Why it is not known whether an interrupted creation left something, by URN."""
        self.on_abort: Callable[[], None] = lambda: None
        """Called when the run must end early; stops the program."""
        self._providers = providers
        self._policies = policies
        self._claimed: set[str] = set()
        self._failed: set[str] = set()
        self._absent: set[str] = set()
        self._replaced: set[str] = set()
        self._aliases: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()
        self._slots = BoundedSemaphore(scope.parallel)
        self._defaults: dict[str, str] = {}
        self._defaulting = Lock()

    @property
    def has_failed(self) -> bool:
        """Whether any resource is not as the program wants it."""
        return bool(self._failed) or self.fatal is not None

    def abort(self, error: EngineError) -> None:
        """End the run because of an error that concerns all of it; only the first one is told."""
        with self._lock:
            self.fatal = self.fatal or error
        self.cancelled.set()
        self.on_abort()

    def register(self, registration: Registration) -> Outcome:
        """Do what is needed for one resource.

        Raises:
            Cancelled: If the run is ending.
            EngineError: If the whole run must end.
        """
        if self.cancelled.is_set():
            raise Cancelled("the run is ending")
        goal = registration.goal
        self._claim(goal.urn)
        if goal.custom and not goal.provider and not provider_package(goal.type):
            goal = replace(goal, provider=self._default_provider(package_of(goal.type), registration.version))
        goal = replace(goal, aliases=self._expand_aliases(goal, registration.aliases))
        if blocker := self._blocker(goal):
            return self._skip(goal, blocker)
        return self._attempt(goal)

    def _attempt(self, goal: Goal) -> Outcome:
        """Deploy, and confine a failure to the resource and its dependants."""
        try:
            with self._slots if goal.custom else nullcontext():
                return self._deploy(goal)
        except StepFailed:
            return self._fail(goal.urn)
        except Unreachable as error:
            if self.preview:
                raise
            return self._fail(goal.urn, str(error))
        except ProviderError as error:
            return self._fail(goal.urn, str(error))

    def register_outputs(self, urn: str, outputs: Object) -> None:
        """Record the outputs of a component; in an update that failed half-way, unknown ones are left out."""
        old = self.state.get(urn)
        if old is None:
            return
        if not self.preview:
            outputs = {key: value for key, value in outputs.items() if not contains(value, Unknown)}
        new = replace(old, outputs=outputs)
        if new.outputs != old.outputs:
            self.state.commit(put=[new])
        self.events.outputs(old, new)

    def _claim(self, urn: str) -> None:
        with self._lock:
            if urn in self._claimed:
                raise InputError(f"Duplicate resource URN {urn!r}; try giving it a unique name")
            self._claimed.add(urn)
            self.registered.add(urn)

    def _expand_aliases(self, goal: Goal, given: Iterable[Alias]) -> tuple[str, ...]:
        aliases = all_aliases(goal.urn, goal.name, goal.parent, given, self._aliases.get(goal.parent, ()))
        if aliases:
            with self._lock:
                self._aliases[goal.urn] = aliases
        return aliases

    def _default_provider(self, package: str, version: str) -> str:
        with self._defaulting:
            name = default_provider_name(version)
            type_ = provider_type(package)
            urn = make_urn(self.scope.stack, self.scope.project, "", type_, name)
            if urn not in self._defaults:
                inputs: Object = dict(self.scope.namespace(package))
                if version:
                    inputs["version"] = version
                outcome = self.register(Registration(Goal(urn, type_, name, True, inputs)))
                self._defaults[urn] = f"{urn}::{outcome.id}"
            return self._defaults[urn]

    def _blocker(self, goal: Goal) -> str | None:
        """Return a resource that this one needs and that is not there."""
        if not self._failed and not self._absent:
            return None
        needed = recorded(goal, None, "").references()
        return next((urn for urn in needed if urn in self._failed or urn in self._absent), None)

    def _skip(self, goal: Goal, blocker: str) -> Outcome:
        if blocker in self._absent and self.scope.includes(goal.urn):
            return self._fail(goal.urn, f"depends on {blocker}, which does not exist and is not among the targets")
        if blocker in self._absent:
            return self._leave(goal, None)
        self.events.diagnostic("warning", f"skipped, because it depends on {blocker}, which failed", goal.urn)
        return self._fail(goal.urn)

    def _fail(self, urn: str, message: str = "") -> Outcome:
        if message:
            self.events.diagnostic("error", message, urn)
        with self._lock:
            self._failed.add(urn)
        return Outcome(urn)

    def _find(self, goal: Goal) -> Resource | None:
        for urn in (goal.urn, *goal.aliases):
            if old := self.state.get(urn):
                with self._lock:
                    self.registered.add(urn)
                return old
        return None

    def _deploy(self, goal: Goal) -> Outcome:
        old = self._find(goal)
        if goal.custom and not provider_package(goal.type) and not self.scope.includes(goal.urn):
            return self._leave(goal, old)
        if reason := self.unsettled.get(goal.urn):
            return self._fail(goal.urn, reason)
        if not self.preview and contains(goal.inputs, Unknown):
            return self._fail(goal.urn, "an input is not known although every resource it depends on is ready")
        given = goal
        if goal.custom:
            goal = self._checked(goal, old if old and not old.pending_replacement else None)
        goal = self._reviewed(goal)
        decision = self._decide(goal, old)
        if decision.action is Action.REPLACE and goal.custom:
            goal = self._reviewed(self._checked(given, None))
        made = self._carry_out(decision, goal, old)
        return Outcome(goal.urn, made.id, made.outputs)

    def _leave(self, goal: Goal, old: Resource | None) -> Outcome:
        if old is not None:
            return Outcome(goal.urn, old.id, old.outputs)
        with self._lock:
            self._absent.add(goal.urn)
        return Outcome(goal.urn)

    def _checked(self, goal: Goal, old: Resource | None) -> Goal:
        """Have the inputs validated and completed, without losing which of them are secret."""
        inputs = goal.inputs
        if old is not None:
            for pattern in goal.ignore_changes:
                inputs = copy_ignored(inputs, old.inputs, parse_path(pattern))
        manager = self._providers.for_resource(recorded(goal, None, ""))
        seed = hmac.digest(self.scope.seed, goal.urn.encode(), hashlib.sha256)
        result = manager.check(goal.urn, reveal(old.inputs) if old else None, reveal(inputs), random_seed=seed)
        self._report_failures(goal.urn, result)
        return replace(goal, inputs=mark_secrets(result.inputs, inputs))

    def _report_failures(self, urn: str, result: CheckResult) -> None:
        for failure in result.failures:
            where = f"{failure.property}: " if failure.property else ""
            self.events.diagnostic("error", f"{where}{failure.reason}", urn)
        if result.failures:
            raise StepFailed

    def _reviewed(self, goal: Goal) -> Goal:
        inputs, forbidden = self._policies.review(recorded(goal, None, ""))
        if forbidden:
            raise StepFailed
        return replace(goal, inputs=inputs)

    def _decide(self, goal: Goal, old: Resource | None) -> Decision:
        diff = None
        if old is not None and goal.custom and old.custom and not old.pending_replacement:
            diff = self._diff(goal, old)
        return decide(goal, old, diff, provider_replaced=old is not None and self._provider_replaced(goal, old))

    def _diff(self, goal: Goal, old: Resource) -> DiffResult:
        manager = self._providers.for_resource(recorded(goal, None, ""))
        old_inputs, old_outputs, inputs = reveal(old.inputs), reveal(old.outputs), reveal(goal.inputs)
        return manager.diff(goal.urn, old.id, old_inputs, old_outputs, inputs, goal.ignore_changes)

    def _provider_replaced(self, goal: Goal, old: Resource) -> bool:
        """Tell whether a change of provider means that the resource must be made anew elsewhere."""
        if not goal.provider or old.provider == goal.provider:
            return False
        (old_urn, _), (new_urn, _) = split_reference(old.provider), split_reference(goal.provider)
        if old_urn == new_urn:
            return True
        before, after = self.state.get(old_urn), self.state.get(new_urn)
        if before is None or after is None:
            return False
        provider = self._providers.make(provider_package(after.type) or "")
        return bool(provider.diff_config(configuration(before.inputs), configuration(after.inputs)).replaces)

    def _carry_out(self, decision: Decision, goal: Goal, old: Resource | None) -> Resource:
        if old is None or decision.action is Action.CREATE:
            return self.executor.create(recorded(goal, None, timestamp()), None, decision)
        if decision.action is Action.SAME:
            return self.executor.same(old, recorded(goal, old, timestamp()))
        if decision.action is Action.UPDATE:
            return self.executor.update(recorded(goal, old, timestamp()), old, decision)
        if decision.action is Action.REPLACE:
            return self._replace(decision, goal, old)
        return self.executor.create(recorded(goal, None, timestamp()), old, decision)

    def _replace(self, decision: Decision, goal: Goal, old: Resource) -> Resource:
        self._begin_replacement(decision, goal, old)
        left = self.state.get(old.urn) if decision.delete_first else old
        made = self.executor.create(recorded(goal, None, timestamp()), left, decision)
        self.events.after("replace", old, made)
        return made

    def _begin_replacement(self, decision: Decision, goal: Goal, old: Resource) -> None:
        if old.protect:
            raise ProviderError(
                f"unable to replace resource {old.urn!r} as it is currently marked for protection. "
                "To unprotect it, remove the `protect` flag in the program and run `up` first"
            )
        with self._lock:
            self._replaced.add(goal.urn)
        wanted = recorded(goal, old, timestamp())
        self.events.before("replace", old, wanted, replaces=decision.replaces, detailed=decision.detailed)
        if decision.delete_first:
            for dependent in reversed(dependants_to_replace(old, self.state, self._providers)):
                self.executor.delete(dependent, replacing=True)
            self.executor.delete(old, replacing=True)
