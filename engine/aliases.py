"""Former names of a resource, so that a renamed one is found in the state instead of being made anew.

Source: ``pkg/resource/deploy/step_generator.go`` of pulumi/pulumi (``generateAliases``, ``inheritedChildAlias``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.urn import STACK_TYPE, Urn, make_urn


@dataclass(frozen=True)
class Alias:
    """An alias as a program gives it: a whole URN, or the parts that differ. Empty parts are as they are now."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


def all_aliases(
    urn: str, name: str, parent: str, given: Iterable[Alias], parent_aliases: Iterable[str]
) -> tuple[str, ...]:
    """Return every URN under which a resource may be recorded, the likeliest first.

    Args:
        urn: Its URN now.
        name: Its name now.
        parent: Its parent's URN now, or empty.
        given: The aliases that the program gives.
        parent_aliases: Former URNs of the parent, which its children inherit.
    """
    given, parent_aliases = list(given), list(parent_aliases)
    now = Urn.parse(urn)
    found: dict[str, None] = {}
    for alias in given:
        found[_expand(alias, now, name, parent)] = None
    for former_parent in parent_aliases:
        inherited = inherited_name(name, parent, former_parent)
        found[make_urn(now.stack, now.project, former_parent, now.type, inherited)] = None
        for alias in given:
            if not (alias.urn or alias.parent or alias.no_parent):
                renamed = inherited_name(alias.name or name, parent, former_parent)
                found[_expand(replace(alias, parent=former_parent, name=renamed), now, name, parent)] = None
    found.pop(urn, None)
    return tuple(found)


def _expand(alias: Alias, now: Urn, name: str, parent: str) -> str:
    if alias.urn:
        return alias.urn
    stack, project = alias.stack or now.stack, alias.project or now.project
    former_parent = "" if alias.no_parent else alias.parent or parent
    return make_urn(stack, project, former_parent, alias.type or now.type, alias.name or name)


def inherited_name(name: str, parent: str, former_parent: str) -> str:
    """A child whose name begins with its parent's had, under the former parent, a name that began with that one's."""
    if not parent or Urn.parse(parent).type == STACK_TYPE:
        return name
    prefix = Urn.parse(parent).name
    return Urn.parse(former_parent).name + name.removeprefix(prefix) if name.startswith(prefix) else name
