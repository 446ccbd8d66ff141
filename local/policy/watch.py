"""A local copy of a collection of the API, kept current by list and watch.

The protocol is that of https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
"""

import logging
import random
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from local.policy.api import ApiClient, ExpiredError
from local.policy.errors import PolicyError
from local.policy.model import Json

FIRST_DELAY, LAST_DELAY = 0.1, 5.0
"""Seconds before the server is tried again: after a first failure, and at most. Each failure doubles them."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Mirror(Generic[T]):
    """The objects of one collection, parsed, as the API server last told them.

    Attributes:
        path: The collection's path on the server.
        live: Whether a watch stands, so that the objects are current to within its latency.
        generation: Grows whenever an object differs from before, in what the parser takes from it.
        version: The resource version up to which changes are included.
    """

    def __init__(self, client: ApiClient, path: str, parse: Callable[[Json], T], changed: threading.Event) -> None:
        self.path = path
        self.live = False
        self.generation = 0
        self.version = ""
        self._client = client
        self._parse = parse
        self._changed = changed
        self._complaint = ""
        self._listed = False
        self._objects: dict[tuple[str, str], T] = {}
        self._lock = threading.Lock()

    def objects(self) -> tuple[T, ...]:
        """The objects at this moment."""
        with self._lock:
            return tuple(self._objects.values())

    def start(self) -> None:
        """Follow the collection in a thread that ends with the process."""
        threading.Thread(target=self._follow, name=self.path, daemon=True).start()

    def _follow(self) -> None:
        delay = FIRST_DELAY
        while True:
            went_live = self._attempt()
            delay = FIRST_DELAY if went_live else min(2 * delay, LAST_DELAY)
            _pause.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret

    def _attempt(self) -> bool:
        """Follow the collection until something ends it; returns whether a watch stood."""
        try:
            self._round()
        except ExpiredError as error:
            log.info("%s; listing again", error)
            self._listed = False
        except PolicyError as error:
            self._complain(str(error))
        except Exception:
            # A thread that ended here would leave the rules stale for good: start over from a list instead.
            log.exception("the mirror of %s failed; listing again", self.path)
            self._listed = False
        went_live = self.live
        self._say_live(False)
        return went_live

    def _round(self) -> None:
        """List if nothing is known, then follow one watch to its end."""
        if not self._listed:
            items, version = self._client.list(self.path)
            self._replace({_key(item): self._parse(item) for item in items}, version)
        for event in self._client.watch(self.path, self.version):
            if event:
                self._take(event)
            else:
                self._complaint = ""
                self._say_live(True)

    def _replace(self, objects: dict[tuple[str, str], T], version: str) -> None:
        with self._lock:
            self.generation += objects != self._objects
            self._objects = objects
            self.version = version
            self._listed = True

    def _take(self, event: Json) -> None:
        item = event["object"]
        with self._lock:
            if event["type"] == "DELETED":
                self.generation += self._objects.pop(_key(item), None) is not None
            elif event["type"] != "BOOKMARK":
                parsed = self._parse(item)
                self.generation += self._objects.get(_key(item)) != parsed
                self._objects[_key(item)] = parsed
            self.version = item["metadata"]["resourceVersion"]
        self._changed.set()

    def _complain(self, message: str) -> None:
        """Log a failure once, not at every attempt that fails alike."""
        if message != self._complaint:
            log.warning("%s; trying until it does", message)
        self._complaint = message

    def _say_live(self, live: bool) -> None:
        self.live = live
        self._changed.set()


_pause = threading.Event()
"""Never set: the wait between attempts, which ends with the process."""


def _key(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
