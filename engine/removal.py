"""Deletes resources in the order their dependencies allow, as many at once as is allowed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from graphlib import TopologicalSorter

from engine.deploy import Deployer
from engine.errors import InputError
from engine.execute import StepFailed
from engine.resource import Resource

Key = tuple[str, str, bool]


def unwanted(deployer: Deployer) -> list[Resource]:
    """Return what an update has to delete: replaced resources, and what the program no longer names.

    After a failure only replaced resources are deleted: a program that saw unknown values may have left out
    resources that it still wants.
    """
    resources = deployer.state.resources()
    replaced = [item for item in resources if item.delete]
    left = [item for item in resources if not item.delete and item.urn not in deployer.registered]
    left = [item for item in left if deployer.scope.includes(item.urn)]
    if deployer.has_failed and left:
        deployer.events.diagnostic("warning", f"{len(left)} deletions are postponed until nothing fails")
        left = []
    refuse_protected(left)
    return replaced + left


def targeted(resources: Iterable[Resource], deployer: Deployer) -> list[Resource]:
    """Return what a destroy has to delete.

    Raises:
        InputError: If a resource outside the targets depends on one inside, or a resource is protected.
    """
    resources = list(resources)
    chosen = [item for item in resources if deployer.scope.includes(item.urn)]
    urns = {item.urn for item in chosen}
    for item in resources:
        if item.urn not in urns and (needed := urns.intersection(item.references())):
            raise InputError(f"{needed.pop()} cannot be deleted: {item.urn} depends on it; add it with --target")
    refuse_protected(chosen)
    return chosen


def refuse_protected(resources: Iterable[Resource]) -> None:
    """Refuse, before anything is deleted, to delete protected resources.

    Raises:
        InputError: With all of them.
    """
    if protected := [item.urn for item in resources if item.protect]:
        raise InputError(
            "\n".join(f"resource {urn!r} cannot be deleted because it is protected" for urn in protected)
            + "\nTo unprotect a resource, remove the `protect` flag in the program and run `up` first"
        )


def delete_all(deployer: Deployer, resources: list[Resource]) -> bool:
    """Delete resources, dependants first; what a failed deletion still needs is left alone.

    Returns:
        Whether all are deleted.
    """
    order: TopologicalSorter[Key] = TopologicalSorter({item.key: () for item in resources})
    by_key = {item.key: item for item in resources}
    for item in resources:
        for needed in _needed(item, by_key):
            order.add(needed, item.key)
    order.prepare()
    deleted = 0
    for key in _in_order(order, lambda key: _delete(deployer, by_key[key]), deployer.scope.parallel):
        order.done(key)
        deleted += 1
    return deleted == len(resources)


def _needed(item: Resource, by_key: dict[Key, Resource]) -> Iterator[Key]:
    """Yield the keys that must outlast an item: a replaced resource may use both generations, a live one the live."""
    for key, other in by_key.items() if item.delete else ():
        if other.delete and other.urn != item.urn and other.urn in set(item.references()):
            yield key
    for urn in item.references():
        if (urn, "", False) in by_key:
            yield urn, "", False


def _in_order(order: TopologicalSorter[Key], act: Callable[[Key], bool], parallel: int) -> Iterator[Key]:
    """Yield each key after ``act`` has succeeded on it; the caller then marks it done."""
    running: dict[Future[bool], Key] = {}
    with ThreadPoolExecutor(parallel) as pool:
        while True:
            running.update({pool.submit(act, key): key for key in order.get_ready()})
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key = running.pop(future)
                if future.result():
                    yield key


def _delete(deployer: Deployer, resource: Resource) -> bool:
    if deployer.cancelled.is_set():
        return False
    with suppress(StepFailed):
        deployer.executor.delete(resource)
        return True
    return False
