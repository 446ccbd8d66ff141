"""Runs of the engine without a program process: a list of wanted resources stands in for the program."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from engine.aliases import Alias
from engine.crypto import Crypter
from engine.deploy import Cancelled, Deployer
from engine.errors import EngineError
from engine.events import Event, Events
from engine.journal import Journal
from engine.providers import Factory, Providers
from engine.refresh import refresh, settle
from engine.registration import Outcome, Registration, Scope
from engine.removal import delete_all, targeted, unwanted
from engine.resource import Resource
from engine.state import Deployment, StackFiles, State, load_deployment, save_checkpoint
from engine.steps import Goal
from engine.urn import make_urn
from engine.values import UNKNOWN, Object, transform
from tests.engine.memory import Cloud

PROJECT, STACK = "shop", "dev"
THING = "cloud:index:Thing"


@cache
def crypter() -> Crypter:
    return Crypter.new("test")


def urn_of(name: str, type_: str = THING, parent: str = "") -> str:
    return make_urn(STACK, PROJECT, parent, type_, name)


@dataclass(frozen=True)
class Ref:
    """An output of another wanted resource."""

    name: str
    key: str


@dataclass(frozen=True)
class Want:
    """One resource as a program would declare it."""

    name: str
    inputs: dict[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    type: str = THING
    custom: bool = True
    parent: str = ""
    aliases: tuple[Alias, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


class NoPolicies:
    def review(self, resource: Resource) -> tuple[Object, bool]:
        return resource.inputs, False


@dataclass
class Ran:
    """What a run left."""

    resources: list[Resource]
    events: list[Event]
    errors: list[str]
    changes: dict[str, int]
    fatal: EngineError | None

    def __getitem__(self, name: str) -> Resource:
        return next(item for item in self.resources if item.urn.endswith(f"::{name}") and not item.delete)

    @property
    def names(self) -> list[str]:
        return [item.urn.rpartition("::")[2] for item in self.resources if item.type == THING]

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Operation and name of each step that was not a no-op, in order."""
        found = [event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event]
        return [(item["op"], item["urn"].rpartition("::")[2]) for item in found if item["op"] != "same"]


class WatchedJournal(Journal):
    """Calls its hook after every record, durable or not, so that a run can be cut short at each."""

    def append(self, record: dict[str, Any], *, durable: bool) -> None:
        super().append(record, durable=durable)
        if not durable:
            self._sync(0)


class Simulation:
    """A stack on disk and a cloud in memory."""

    def __init__(self, folder: Path, cloud: Cloud | None = None) -> None:
        self.files = StackFiles(folder, PROJECT, STACK)
        self.files.make_folders()
        self.cloud = cloud or Cloud()
        self.factories: dict[str, Factory] = {"cloud": self.cloud.factory}
        self.journal_sync: Any = lambda descriptor: None

    def up(self, wants: Sequence[Want], **settings: Any) -> Ran:
        return self._run(lambda deployer, providers: self._program(deployer, wants), preview=False, **settings)

    def preview(self, wants: Sequence[Want], **settings: Any) -> Ran:
        return self._run(lambda deployer, providers: self._program(deployer, wants), preview=True, **settings)

    def destroy(self, **settings: Any) -> Ran:
        return self._run(
            lambda deployer, _: delete_all(deployer, targeted(deployer.state.resources(), deployer)),
            preview=False,
            **settings,
        )

    def refresh(self, **settings: Any) -> Ran:
        return self._run(lambda deployer, providers: refresh(deployer, providers), preview=False, **settings)

    def load(self) -> Deployment:
        return load_deployment(self.files, crypter())

    def _run(
        self, work: Any, *, preview: bool, targets: tuple[str, ...] = (), parallel: int = 4, config: Any = None
    ) -> Ran:
        seen: list[Event] = []
        events = Events([seen.append], preview=preview)
        journal = None if preview else WatchedJournal(self.files.journal, self.journal_sync)
        deployment = self.load()
        if journal and self.files.journal.exists():
            save_checkpoint(self.files, deployment, crypter())
            self.files.journal.unlink()
        state = State(deployment, journal, crypter())
        providers = Providers(self.factories, state, lambda *_: None, offline=False)
        scope = Scope(STACK, PROJECT, lambda _: config or {}, os.urandom(32), parallel, targets)
        deployer = Deployer(scope, state, providers, events, NoPolicies(), preview=preview)
        try:
            settle(deployer, providers)
            work(deployer, providers)
        except EngineError as error:
            deployer.abort(error)
        snapshot = state.snapshot(crypter().salt_line)
        if journal:
            save_checkpoint(self.files, snapshot, crypter())
            journal.remove()
        return Ran(snapshot.resources, seen, events.errors, dict(+events.changes), deployer.fatal)

    def _program(self, deployer: Deployer, wants: Sequence[Want]) -> None:
        outcomes: dict[str, Outcome] = {}
        for want in wants:
            try:
                outcomes[want.name] = deployer.register(_registration(want, outcomes))
            except Cancelled:
                return
        delete_all(deployer, unwanted(deployer))


def _registration(want: Want, outcomes: dict[str, Outcome]) -> Registration:
    used: dict[str, set[str]] = {}

    def resolve(key: str) -> Any:
        def leaf(value: Any) -> Any:
            if not isinstance(value, Ref):
                return value
            used.setdefault(key, set()).add(outcomes[value.name].urn)
            return (outcomes[value.name].outputs or {}).get(value.key, UNKNOWN)

        return leaf

    inputs = {key: transform(value, resolve(key)) for key, value in want.inputs.items()}
    parent = outcomes[want.parent].urn if want.parent else ""
    explicit = {outcomes[name].urn for name in want.depends_on}
    goal = Goal(
        urn=urn_of(want.name, want.type, parent),
        type=want.type,
        name=want.name,
        custom=want.custom,
        inputs=inputs,
        parent=parent,
        dependencies=tuple(sorted(explicit.union(*used.values()))),
        property_dependencies={key: tuple(sorted(urns)) for key, urns in used.items()},
    )
    return Registration(replace(goal, **want.options), "1.2.3", want.aliases)
