"""Comparison of recorded and new inputs, as the detailed diff of Pulumi's protocol has it.

pulumi-kubernetes compares the recorded live object, cut down to the recorded inputs, with the new inputs. A refresh
records the live object's values as inputs, so comparing inputs finds the same changes, and finds none where a
webhook has altered what the program asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.kubernetes.equality import same
from engine.kubernetes.fields import MISSING
from engine.kubernetes.immutable import forces_new
from engine.kubernetes.naming import is_autonamed
from engine.paths import Path, covers, format_path
from engine.provider import Changes, DiffKind, DiffResult
from engine.values import UNKNOWN, Object

_REPLACING = {
    DiffKind.ADD: DiffKind.ADD_REPLACE,
    DiffKind.DELETE: DiffKind.DELETE_REPLACE,
    DiffKind.UPDATE: DiffKind.UPDATE_REPLACE,
}


@dataclass(frozen=True)
class Change:
    """One property that differs; ``value`` is the new one, or the old one of a deletion."""

    path: Path
    kind: DiffKind
    value: Any


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Yield what turns ``old`` into ``new``, each change as deep down as it can be named.

    Values that the API server takes for the same (:func:`engine.kubernetes.equality.same`) are no change. An empty
    value that comes or goes is one: ``replicas: 0`` is not the default.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from changes(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from changes(_item(old, index), _item(new, index), (*path, index))
    else:
        yield from _change(old, new, path)


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else MISSING


def _change(old: Any, new: Any, path: Path) -> Iterator[Change]:
    if old is MISSING:
        yield Change(path, DiffKind.ADD, new)
    elif new is MISSING:
        yield Change(path, DiffKind.DELETE, old)
    elif new is UNKNOWN or not same(old, new, path):
        yield Change(path, DiffKind.UPDATE, new)


def wanted_changes(old_inputs: Object, new_inputs: Object, ignored: tuple[Path, ...]) -> list[Change]:
    """Return the changes that ``ignoreChanges`` does not hide, in the order of their paths."""
    found = changes(old_inputs, new_inputs)
    kept = [change for change in found if not any(covers(pattern, change.path) for pattern in ignored)]
    return sorted(kept, key=lambda change: format_path(change.path))


def result(found: list[Change], patterns: tuple[Path, ...], old: Object, new: Object) -> DiffResult:
    """Make the answer to ``diff`` out of the changes found.

    Args:
        found: The changes.
        patterns: The properties that cannot change in place.
        old: The recorded live object.
        new: The new inputs.
    """
    detailed = {
        format_path(change.path): _REPLACING[change.kind]
        if forces_new(change.path, change.value, patterns)
        else change.kind
        for change in found
    }
    replaces = tuple(text for text, kind in detailed.items() if kind in _REPLACING.values())
    return DiffResult(
        changes=Changes.SOME if detailed else Changes.NONE,
        replaces=replaces,
        delete_before_replace=bool(replaces) and must_delete_first(old, new),
        detailed=detailed,
    )


def must_delete_first(old: Object, new: Object) -> bool:
    """Tell whether the old object must go before the new one can come: both have the same fixed name and namespace."""
    identity = [
        (obj.get("metadata", {}).get("namespace", ""), obj.get("metadata", {}).get("name")) for obj in (old, new)
    ]
    return not is_autonamed(new) and identity[0] == identity[1]
