"""Following objects as they change: list, watch, and start over when the API server has forgotten."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.kubernetes.client import ApiError, Client, Event, ExpiredError
from engine.kubernetes.fields import text_at

QUIET = "QUIET"
"""The type of the event that says: nothing has happened for a while."""

_QUIET_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
"""Between two watches when the server ended one before its time."""


@dataclass
class Follower:
    """Yields the changes of some objects of one collection.

    Args:
        client: Speaks to the API server.
        path: The collection's path.
        selector: The ``fieldSelector`` or ``labelSelector`` of the objects.
        version: The resource version after which changes count; empty to begin with the objects there are.
    """

    client: Client
    path: str
    selector: Mapping[str, str]
    version: str = ""
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def until(self, deadline: float) -> Iterator[Event]:
        """Yield changes until ``deadline`` (of ``time.monotonic``) or until the client is cancelled.

        After about ten seconds without a change, an event of type :data:`QUIET` lets the caller look around.

        Raises:
            ApiError: If the server refuses for good.
        """
        while not self.client.cancelled.is_set():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            ends = time.monotonic() + min(remaining, _QUIET_SECONDS)
            try:
                if not self.version:
                    yield from self._listed()
                yield from self._watched(ends - time.monotonic())
            except ExpiredError:
                self.version = ""
            except ApiError as error:
                if not error.is_passing():
                    raise
            if time.monotonic() >= ends:
                yield Event(QUIET, {})
            else:
                self.client.pause(_PAUSE_SECONDS)

    def _listed(self) -> Iterator[Event]:
        answer = self.client.get(self.path, self.selector)
        self.version = text_at(answer, "metadata", "resourceVersion")
        items = {_uid(item): item for item in answer.get("items") or []}
        gone = [self._known[uid] for uid in self._known.keys() - items.keys()]
        self._known = items
        yield from (Event("DELETED", item) for item in gone)
        yield from (Event("ADDED", item) for item in items.values())

    def _watched(self, seconds: float) -> Iterator[Event]:
        for event in self.client.watch(self.path, {**self.selector, "resourceVersion": self.version}, seconds):
            self.version = text_at(event.object, "metadata", "resourceVersion") or self.version
            if event.type == "DELETED":
                self._known.pop(_uid(event.object), None)
            elif event.type != "BOOKMARK":
                self._known[_uid(event.object)] = event.object
            if event.type != "BOOKMARK":
                yield event


def _uid(obj: dict[str, Any]) -> str:
    return text_at(obj, "metadata", "uid")


def by_name(name: str) -> dict[str, str]:
    """Return the selector of one object."""
    return {"fieldSelector": f"metadata.name={name}"}
