"""A provider in memory: a cloud whose objects outlive the runs of a test, and whose failures a test chooses."""

# ruff: noqa: A002 - the signatures are those of the seam

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ProviderError
from engine.provider import Changes, CheckFailure, CheckResult, DiffKind, DiffResult, ReadResult, Reporter
from engine.urn import Urn
from engine.values import UNKNOWN, Object, Unknown, contains


@dataclass
class Cloud:
    """The objects that exist, by id, and what is to go wrong."""

    objects: dict[str, Object] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    immutable: set[str] = field(default_factory=set)
    """Input keys whose change replaces an object."""
    refused: set[str] = field(default_factory=set)
    """Names whose check fails."""
    before: Callable[[str, str], None] = lambda method, name: None
    """Called before each operation with its method and the resource's name; raises to make it fail."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    counter: int = 0
    delete_first: bool = False
    configurations: list[Object] = field(default_factory=list)
    cancelled: bool = False

    def factory(self, report: Reporter) -> "MemoryProvider":
        return MemoryProvider(self, report)

    def made(self, method: str) -> list[str]:
        """Names for which a method was called, in order."""
        return [name for called, name in self.calls if called == method]


class MemoryProvider:
    def __init__(self, cloud: Cloud, report: Reporter) -> None:
        self.cloud = cloud
        self.report = report

    def _called(self, method: str, urn: str) -> None:
        name = Urn.parse(urn).name
        with self.cloud.lock:
            self.cloud.calls.append((method, name))
        self.cloud.before(method, name)

    def check_config(self, config: Object) -> CheckResult:
        return CheckResult(config)

    def diff_config(self, old: Object, new: Object) -> DiffResult:
        replaces = ("cluster",) if old.get("cluster") != new.get("cluster") else ()
        return DiffResult(Changes.SOME if replaces else Changes.NONE, replaces)

    def configure(self, config: Object) -> None:
        self.cloud.configurations.append(config)

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        name = Urn.parse(urn).name
        if name in self.cloud.refused:
            return CheckResult(new_inputs, (CheckFailure("size", "is not allowed"),))
        inputs = copy.deepcopy(new_inputs)
        if "name" not in inputs:
            inputs["name"] = (old_inputs or {}).get("name") or f"{name}-{random_seed.hex()[:7]}"
        return CheckResult(inputs)

    def diff(
        self, urn: str, id: str, old_inputs: Object, old_outputs: Object, new_inputs: Object, ignore_changes: Any = ()
    ) -> DiffResult:
        changed = {k for k in {*old_inputs, *new_inputs} if old_inputs.get(k) != new_inputs.get(k)}
        detailed = {
            k: DiffKind.ADD if k not in old_inputs else DiffKind.DELETE if k not in new_inputs else DiffKind.UPDATE
            for k in sorted(changed)
        }
        replaces = tuple(sorted(changed & (self.cloud.immutable | {"name"})))
        return DiffResult(Changes.SOME if changed else Changes.NONE, replaces, self.cloud.delete_first, detailed)

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        if preview:
            return "", {**inputs, "serial": UNKNOWN}
        assert not contains(inputs, Unknown)
        self._called("create", urn)
        id_ = str(inputs["name"])
        with self.cloud.lock:
            if id_ in self.cloud.objects:
                raise ProviderError(f"{id_} exists already")
            self.cloud.counter += 1
            self.cloud.objects[id_] = {**copy.deepcopy(inputs), "serial": self.cloud.counter}
            result = copy.deepcopy(self.cloud.objects[id_])
        self.cloud.before("created", Urn.parse(urn).name)
        return id_, result

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        found = self.cloud.objects.get(str(inputs["name"]))
        return ReadResult(str(inputs["name"]), inputs, copy.deepcopy(found)) if found else None

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:
        self._called("read", urn)
        found = self.cloud.objects.get(id)
        if found is None:
            return None
        live = {key: found[key] for key in inputs if key in found}
        return ReadResult(id, live, copy.deepcopy(found))

    def update(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        *,
        timeout: float | None,
        preview: bool,
        ignore_changes: Any = (),
    ) -> Object:
        if preview:
            return {**new_inputs, "serial": old_outputs["serial"]}
        self._called("update", urn)
        with self.cloud.lock:
            serial = self.cloud.objects[id]["serial"]
            self.cloud.objects[id] = {**copy.deepcopy(new_inputs), "serial": serial}
            result = copy.deepcopy(self.cloud.objects[id])
        self.cloud.before("updated", Urn.parse(urn).name)
        return result

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:
        self._called("delete", urn)
        with self.cloud.lock:
            self.cloud.objects.pop(id, None)
        self.cloud.before("deleted", Urn.parse(urn).name)

    def cancel(self) -> None:
        self.cloud.cancelled = True

    def close(self) -> None:
        pass
