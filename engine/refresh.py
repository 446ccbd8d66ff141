"""Compares the state with what exists, and settles operations that were cut short."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from engine.deploy import Deployer
from engine.errors import ProviderError, StateError, Unreachable, Unrecoverable
from engine.execute import timestamp
from engine.provider import ReadResult
from engine.providers import Providers
from engine.resource import Resource
from engine.state import Pending
from engine.urn import provider_package
from engine.values import mark_names, mark_secrets, reveal

UNSETTLED = "its creation was interrupted"
_MAY_EXIST = (
    f"{UNSETTLED}, so it may exist, unknown to the state; find out, and delete it if it does. "
    "It is created anew while the program wants it; `refresh --clear-pending-creates` ends this warning"
)
_CANNOT_BE_KNOWN = (
    f"{UNSETTLED}, and whether it exists cannot be known ({{}}); find out, delete it if it does, "
    "then run `refresh --clear-pending-creates`"
)


def settle(deployer: Deployer, providers: Providers, *, forget: bool = False) -> None:
    """Find out what became of operations without a recorded end, and record it.

    A creation is adopted if its object exists, an update is done again, and a deletion counts if its object is gone.
    What the provider cannot know stays pending, unless it is to be forgotten; where it has no way to look at all, the
    user is warned and the resource is created anew, as by Pulumi.
    """
    for pending in deployer.state.pending():
        if pending.type == "creating" and forget:
            deployer.state.commit(end=pending.key)
        elif pending.type == "creating":
            _settle_creation(deployer, providers, pending)
        elif pending.type == "deleting":
            _settle_deletion(deployer, providers, pending)
        else:
            old = deployer.state.get(pending.resource.urn)
            again = [replace(old, init_errors=("its update was interrupted",))] if old else []
            deployer.state.commit(put=again, end=pending.key)


def _settle_creation(deployer: Deployer, providers: Providers, pending: Pending) -> None:
    wanted = pending.resource
    try:
        found = providers.for_resource(wanted).recover(wanted.urn, reveal(wanted.inputs))
    except Unreachable:
        raise
    except (Unrecoverable, StateError):  # a provider that is no longer recorded cannot be asked either
        deployer.events.diagnostic("warning", _MAY_EXIST, wanted.urn)
    except ProviderError as error:
        deployer.unsettled[wanted.urn] = _CANNOT_BE_KNOWN.format(error)
    else:
        if found:
            _adopt(deployer, pending, found)
        else:
            deployer.state.commit(end=pending.key)


def _adopt(deployer: Deployer, pending: Pending, found: ReadResult) -> None:
    wanted = pending.resource
    adopted = replace(_seen(wanted, found), init_errors=(UNSETTLED,))
    old = deployer.state.get(wanted.urn)
    replaced = old is not None and not old.pending_replacement and old.id != found.id
    deployer.state.commit(put=[replace(old, delete=True), adopted] if old and replaced else [adopted], end=pending.key)


def _settle_deletion(deployer: Deployer, providers: Providers, pending: Pending) -> None:
    old = pending.resource
    try:
        found = providers.for_resource(old).read(old.urn, old.id, reveal(old.inputs), reveal(old.outputs))
    except Unreachable:
        raise
    except ProviderError:
        return
    if found:
        deployer.state.commit(put=[_seen(old, found)], end=pending.key)
    else:
        deployer.state.commit(drop=[old], end=pending.key)


def refresh(deployer: Deployer, providers: Providers) -> None:
    """Read every resource in the run's scope and record what has changed or is gone."""
    chosen = [item for item in deployer.state.resources() if _readable(item) and deployer.scope.includes(item.urn)]
    _for_all(deployer, providers, chosen)


def _readable(resource: Resource) -> bool:
    return resource.custom and not provider_package(resource.type) and not resource.pending_replacement


def _for_all(deployer: Deployer, providers: Providers, resources: Iterable[Resource]) -> None:
    with ThreadPoolExecutor(deployer.scope.parallel) as pool:
        list(pool.map(lambda item: _refresh_one(deployer, providers, item), resources))


def _refresh_one(deployer: Deployer, providers: Providers, old: Resource) -> None:
    if deployer.cancelled.is_set():
        return
    events = deployer.events
    events.before("refresh", old, old)
    try:
        provider = providers.for_resource(old)
        found = provider.read(old.urn, old.id, reveal(old.inputs), reveal(old.outputs))
    except ProviderError as error:
        events.failed("refresh", old, old, str(error))
        return
    if found is None:
        deployer.state.commit(drop=[old])
        events.after("delete", old, None)
        return
    new = replace(_seen(old, found), inputs=mark_secrets(found.inputs, old.inputs), init_errors=())
    changed = vars(new) != vars(old)
    if changed:
        new = replace(new, modified=timestamp())
        deployer.state.commit(put=[new])
    events.after("update" if changed else "same", old, new)


def _seen(old: Resource, found: ReadResult) -> Resource:
    outputs = mark_names(mark_secrets(found.outputs, old.inputs), set(old.additional_secret_outputs))
    return replace(old, id=found.id, outputs=outputs)
