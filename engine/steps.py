"""Decides what happens to one resource: a pure function of what the program wants, what is recorded, and the diff."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from engine.paths import covers, differences, format_path, parse_path
from engine.provider import Changes, DiffKind, DiffResult
from engine.resource import Resource
from engine.values import Object


class Action(StrEnum):
    """What happens to a resource that the program registers."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    RECREATE = "recreate"
    """Create what an earlier run, or an earlier step of this one, deleted in order to replace it."""


@dataclass(frozen=True)
class Goal:
    """What the program wants of one resource; field names are those of :class:`~engine.resource.Resource`."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Object
    parent: str = ""
    provider: str = ""
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    timeouts: Mapping[str, float] = field(default_factory=dict)
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The action, and why."""

    action: Action
    delete_first: bool = False
    """A replacement deletes the old resource before it creates the new one."""
    replaces: tuple[str, ...] = ()
    detailed: Mapping[str, DiffKind] = field(default_factory=dict)


def decide(goal: Goal, old: Resource | None, diff: DiffResult | None, *, provider_replaced: bool = False) -> Decision:
    """Decide what to do.

    Args:
        goal: What the program wants, with checked inputs.
        old: The recorded resource, if any.
        diff: What its provider says; None for components and for what is not recorded.
        provider_replaced: Whether its provider now means another service.
    """
    if old is None:
        return Decision(Action.CREATE)
    if old.pending_replacement:
        return Decision(Action.RECREATE)
    if diff is None or diff.changes is Changes.UNKNOWN:
        diff = replace(diff or DiffResult(Changes.NONE), **_input_diff(old, goal))
    replaces = (*diff.replaces, *forced_replaces(diff, goal.replace_on_changes))
    if provider_replaced:
        replaces = (*replaces, "provider")
    detailed = {path: _as_replace(kind) if path in replaces else kind for path, kind in diff.detailed.items()}
    if old.custom != goal.custom or replaces:
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        return Decision(Action.REPLACE, first, tuple(dict.fromkeys(replaces)), detailed)
    if diff.changes is Changes.SOME or old.init_errors:
        return Decision(Action.UPDATE, detailed=detailed)
    return Decision(Action.SAME)


def forced_replaces(diff: DiffResult, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the changed paths that ``replaceOnChanges`` names."""
    parsed = [parse_path(pattern) for pattern in patterns]
    return tuple(
        path
        for path in diff.detailed
        if any(covers(pattern, parse_path(path)) or covers(parse_path(path), pattern) for pattern in parsed)
    )


def _input_diff(old: Resource, goal: Goal) -> dict[str, object]:
    found = {format_path(path): DiffKind(kind) for path, kind in differences(old.inputs, goal.inputs)}
    return {"changes": Changes.SOME if found else Changes.NONE, "detailed": found}


def _as_replace(kind: DiffKind) -> DiffKind:
    return kind if kind.value.endswith("-replace") else DiffKind(f"{kind.value}-replace")


def recorded(goal: Goal, old: Resource | None, now: str) -> Resource:
    """Form the record of a resource from its goal, before its provider has returned id and outputs.

    What the goal leaves open (``protect``, ``retainOnDelete``) is off, as in Pulumi.
    """
    kept = old is not None and not old.pending_replacement
    return Resource(
        urn=goal.urn,
        custom=goal.custom,
        id=old.id if kept and old else "",
        inputs=goal.inputs,
        outputs=old.outputs if kept and old else {},
        parent=goal.parent,
        provider=goal.provider,
        protect=bool(goal.protect),
        retain_on_delete=bool(goal.retain_on_delete),
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        additional_secret_outputs=goal.additional_secret_outputs,
        aliases=goal.aliases,
        timeouts=goal.timeouts,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        created=old.created if kept and old else now,
        modified=now,
    )
