"""Which kinds the API server has, and under which paths: aggregated discovery.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from engine.kubernetes.client import ApiError, Client
from engine.kubernetes.fields import text_at
from engine.kubernetes.kinds import Kind
from engine.values import Object

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Resource:
    """How the API server calls a kind."""

    kind: Kind
    plural: str
    namespaced: bool

    def collection(self, namespace: str = "") -> str:
        """Return the path of all objects, or of those in one namespace."""
        root = "/apis/" if self.kind.group else "/api/"
        inside = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{root}{self.kind.api_version}{inside}/{self.plural}"

    def path(self, namespace: str, name: str) -> str:
        """Return the path of one object."""
        return f"{self.collection(namespace)}/{quote(name)}"

    def identity(self, obj: Object) -> tuple[str, str]:
        """Return namespace (empty for cluster-scoped kinds) and name of an object."""
        namespace = text_at(obj, "metadata", "namespace") or "default"
        return (namespace if self.namespaced else ""), text_at(obj, "metadata", "name")


class Discovery:
    """Knows the kinds of one API server. Thread-safe.

    Args:
        client: Speaks to the server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[Kind, Resource] | None = None
        self._lock = threading.Lock()

    def find(self, kind: Kind) -> Resource | None:
        """Return how the server calls a kind; None if it did not have it when last asked."""
        with self._lock:
            if self._known is None:
                self._known = self._ask()
            return self._known.get(kind)

    def find_surely(self, kind: Kind) -> Resource | None:
        """Return how the server calls a kind; None only if the kind is gone, and its objects with it.

        The list of all kinds leaves out those whose server is starting or out of order. Asked for the one group, the
        API server says so (503).

        Raises:
            ProviderError: If the server cannot say.
        """
        if found := self.find(kind):
            return found
        try:
            resources = list(self._ask_version("/apis" if kind.group else "/api", kind.api_version))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return next((resource for resource in resources if resource.kind == kind), None)

    def refresh(self) -> None:
        """Forget what is known, because a definition has appeared or gone."""
        with self._lock:
            self._known = None

    def _ask(self) -> dict[Kind, Resource]:
        found: dict[Kind, Resource] = {}
        for root in ("/api", "/apis"):
            answer = self._client.get(root, accept=_AGGREGATED)
            aggregated = answer.get("kind") == "APIGroupDiscoveryList"
            for resource in _resources(answer) if aggregated else self._ask_each(root, answer):
                found.setdefault(resource.kind, resource)
        return found

    def _ask_each(self, root: str, answer: dict[str, Any]) -> Iterator[Resource]:
        """Ask a server older than Kubernetes 1.30 for one group and version after the other."""
        versions = answer.get("versions") or []
        for group in answer.get("groups", []):
            versions += [each["groupVersion"] for each in group.get("versions", [])]
        for version in versions:
            with suppress(ApiError):  # An extension server that is down hides its own kinds only.
                yield from self._ask_version(root, version)

    def _ask_version(self, root: str, version: str) -> Iterator[Resource]:
        for item in self._client.get(f"{root}/{version}").get("resources", []):
            if "/" not in item["name"]:
                yield Resource(Kind(version, item["kind"]), item["name"], bool(item["namespaced"]))


def _resources(answer: dict[str, Any]) -> Iterator[Resource]:
    for group in answer.get("items", []):
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions", []):
            api_version = f"{name}/{version['version']}" if name else version["version"]
            for item in version.get("resources", []):
                if "responseKind" in item and item["responseKind"].get("kind"):
                    kind = Kind(api_version, item["responseKind"]["kind"])
                    yield Resource(kind, item["resource"], item.get("scope") == "Namespaced")
