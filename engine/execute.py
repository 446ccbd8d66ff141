"""Carries out steps on resources: journals, calls the provider, records the result, tells what happens."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.errors import Interrupted, PartialFailure, ProviderError
from engine.events import Events
from engine.providers import Providers
from engine.resource import Resource
from engine.state import Operation, State
from engine.steps import Decision
from engine.urn import provider_package
from engine.values import Object, mark_names, mark_secrets, reveal

T = TypeVar("T")


class StepFailed(Exception):  # noqa: N818 - an outcome, already reported, not an error to handle
    """A step has failed; its failure is reported and recorded."""


@dataclass(frozen=True)
class Executor:
    """Carries out steps. In a preview providers only foresee, and the state is a copy in memory.

    Args:
        state: What is recorded.
        providers: Who does it.
        events: Where it is told.
        preview: Whether nothing is changed.
    """

    state: State
    providers: Providers
    events: Events
    preview: bool

    def same(self, old: Resource, new: Resource) -> Resource:
        """Keep a resource; what the program says about it (protection, dependencies, …) may still be new."""
        new = replace(new, modified=old.modified)
        self.events.before("same", old, new)
        if vars(new) != vars(old):
            self.state.commit(put=[new], drop=[] if old.urn == new.urn else [old])
        self.events.after("same", old, new)
        return new

    def create(self, new: Resource, old: Resource | None, decision: Decision) -> Resource:
        """Create a resource, or the successor of ``old``, which is then marked for deletion."""
        op = "create-replacement" if decision.replaces or (old and old.pending_replacement) else "create"
        self.events.before(op, old, new, replaces=decision.replaces, detailed=decision.detailed)
        condemned = [] if old is None or old.pending_replacement else [replace(old, delete=True)]
        dropped = [old] if old is not None and old.urn != new.urn else []

        def done(id_: str, outputs: Object, errors: Sequence[str] = ()) -> Resource:
            return _completed(new, id_, outputs, errors)

        if not new.custom:
            made = done("", new.inputs)
            self.state.commit(put=[*condemned, made], drop=dropped)
        else:
            provider = self.providers.for_resource(new)
            timeout = new.timeouts.get("create")

            def call() -> Resource:
                inputs = reveal(new.inputs)
                return done(*provider.create(new.urn, inputs, timeout=timeout, preview=self.preview))

            made = self._run("creating", op, old, new, call, lambda made: ([*condemned, made], dropped))
        self.events.after(op, old, made)
        return made

    def update(self, new: Resource, old: Resource, decision: Decision) -> Resource:
        """Change a resource in place."""
        self.events.before("update", old, new, detailed=decision.detailed)
        dropped = [old] if old.urn != new.urn else []
        if not new.custom:
            made = replace(new, outputs=old.outputs)
            self.state.commit(put=[made], drop=dropped)
        else:
            provider = self.providers.for_resource(new)

            def call() -> Resource:
                outputs = provider.update(
                    new.urn,
                    old.id,
                    reveal(old.inputs),
                    reveal(old.outputs),
                    reveal(new.inputs),
                    timeout=new.timeouts.get("update"),
                    preview=self.preview,
                    ignore_changes=new.ignore_changes,
                )
                return _completed(new, old.id, outputs)

            made = self._run("updating", "update", old, new, call, lambda made: ([made], dropped))
        self.events.after("update", old, made)
        return made

    def delete(self, old: Resource, *, replacing: bool = False) -> None:
        """Delete a resource.

        Args:
            old: The resource.
            replacing: Delete it in order to replace it: its record stays, as pending replacement.
        """
        op = "delete-replaced" if replacing or old.delete else "delete"
        left = [replace(old, pending_replacement=True)] if replacing else []
        self.events.before(op, old, None)
        if self._is_bookkeeping(old):
            self.state.commit(put=left, drop=[old])
        else:
            provider = self.providers.for_resource(old)

            def call() -> Resource:
                provider.delete(
                    old.urn, old.id, reveal(old.inputs), reveal(old.outputs), timeout=old.timeouts.get("delete")
                )
                return old

            self._run("deleting", op, old, None, call, lambda _: (left, [old]))
        self.events.after(op, old, None)

    def _is_bookkeeping(self, old: Resource) -> bool:
        """Tell whether nothing outside the state is to be deleted."""
        if self.preview or not old.custom or old.external or old.retain_on_delete or old.pending_replacement:
            return True
        return provider_package(old.type) is not None

    def _run(
        self,
        type_: Operation,
        op: str,
        old: Resource | None,
        new: Resource | None,
        call: Callable[[], Resource],
        effect: Callable[[Resource], tuple[list[Resource], list[Resource]]],
    ) -> Resource:
        """Journal, call, record. An outcome that is not known leaves the operation pending for the next run."""
        subject = new or old
        assert subject is not None, "a step is about a resource"  # noqa: S101 - a mistake of this package, not of input
        end = self.state.begin(type_, subject)
        try:
            made = call()
        except PartialFailure as error:
            if new is not None:
                put, drop = effect(_completed(new, error.id, error.outputs, error.reasons))
                self.state.commit(put, drop, end)
            else:
                self.state.commit(end=end)
            self.events.failed(op, old, new, str(error))
            raise StepFailed from error
        except ProviderError as error:
            if not isinstance(error, Interrupted):
                self.state.commit(end=end)
            self.events.failed(op, old, new, str(error))
            raise StepFailed from error
        except Exception as error:
            self.events.failed(op, old, new, f"the provider failed unexpectedly: {type(error).__name__}: {error}")
            raise StepFailed from error
        put, drop = effect(made)
        self.state.commit(put, drop, end)
        return made


def _completed(new: Resource, id_: str, outputs: Object, errors: Sequence[str] = ()) -> Resource:
    marked = mark_names(mark_secrets(outputs, new.inputs), set(new.additional_secret_outputs))
    return replace(new, id=id_, outputs=marked, init_errors=tuple(errors))


def timestamp() -> str:
    """Return the time now, as checkpoints write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
