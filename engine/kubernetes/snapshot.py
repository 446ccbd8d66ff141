"""Reading many objects of a kind by listing the kind, where that is cheaper than a request for each.

How many objects will be asked for is not known beforehand. So the first few are fetched one by one; after each
eightfold number a list is tried, of at most fifty times as many objects as were asked for. A cluster with very many
objects of which few are ours thus never costs more than a constant factor, and a refresh of thousands costs a
handful of requests.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.kubernetes.client import ApiError, Client
from engine.kubernetes.discovery import Resource
from engine.kubernetes.fields import number_at

_FIRST_LIST = 8
_GROWTH = 8
_OBJECTS_PER_READ = 50

Identity: TypeAlias = tuple[str, str]
"""Namespace and name."""


@dataclass
class _Listing:
    reads: int = 0
    next_list: int = _FIRST_LIST
    objects: dict[Identity, dict[str, Any]] | None = None
    outdated: set[Identity] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Snapshots:
    """Answers reads from lists. Thread-safe.

    Each object is answered from a list once: who asks again wants to know what has changed since.

    Args:
        client: Speaks to the API server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listings: dict[Resource, _Listing] = {}
        self._lock = threading.Lock()

    def read(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
        listing, identity = self._listing(resource), (namespace if resource.namespaced else "", name)
        with listing.lock:
            listing.reads += 1
            if listing.objects is None and listing.reads >= listing.next_list:
                self._try_list(resource, listing)
            if listing.objects is not None and identity not in listing.outdated:
                listing.outdated.add(identity)
                return listing.objects.pop(identity, None)
        return self._get(resource, namespace, name)

    def forget(self, resource: Resource, namespace: str, name: str) -> None:
        """Note that an object is about to be written."""
        listing = self._listing(resource)
        with listing.lock:
            listing.outdated.add((namespace if resource.namespaced else "", name))

    def _listing(self, resource: Resource) -> _Listing:
        with self._lock:
            return self._listings.setdefault(resource, _Listing())

    def _get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return self._client.get(resource.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _try_list(self, resource: Resource, listing: _Listing) -> None:
        listing.next_list *= _GROWTH
        try:
            answer = self._client.get(resource.collection(), {"limit": listing.reads * _OBJECTS_PER_READ})
        except ApiError:
            return  # Not everybody may list a whole kind; everybody may read their own objects.
        if number_at(answer, "metadata", "remainingItemCount") or answer.get("metadata", {}).get("continue"):
            return
        kind = {"apiVersion": resource.kind.api_version, "kind": resource.kind.kind}
        listing.objects = {
            (item["metadata"].get("namespace", ""), item["metadata"]["name"]): kind | item
            for item in answer.get("items") or []
        }
