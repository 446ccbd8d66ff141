"""Why an object is not ready: what its pods, its events and its finalisers say."""

from typing import Any

from engine.errors import ProviderError
from engine.kubernetes.client import Client
from engine.kubernetes.fields import list_at, mapping_at, text_at
from engine.kubernetes.readiness import container_problems
from engine.values import Object

_MOST = 5
"""Reasons of each sort shown; the rest are nearly always the same ones."""

_WITH_PODS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Service"})


class Diagnosis:
    """Asks the cluster for reasons. Thread-safe.

    Args:
        client: Speaks to the API server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def of(self, obj: Object) -> list[str]:
        """Return reasons why an object is not ready; none if the cluster cannot or may not say."""
        if self._client.cancelled.is_set():
            return ["the run was cancelled"]
        try:
            return [*self._pods(obj), *self._events(obj)]
        except ProviderError:
            return []

    def _pods(self, obj: Object) -> list[str]:
        spec = mapping_at(obj, "spec")
        selector = spec.get("selector") or {}
        labels = selector if obj.get("kind") == "Service" else mapping_at(selector, "matchLabels")
        if obj.get("kind") not in _WITH_PODS or not labels:
            return []
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(labels.items()))}
        pods = self._client.get(_core("pods", obj), query).get("items") or []
        problems = [f"pod {pod['metadata']['name']}: {text}" for pod in pods for text in container_problems(pod)]
        return problems[:_MOST]

    def _events(self, obj: Object) -> list[str]:
        uid = text_at(obj, "metadata", "uid")
        query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
        events = self._client.get(_core("events", obj), query).get("items") or []
        latest = sorted(events, key=_when, reverse=True)
        texts = dict.fromkeys(f"{event.get('reason')}: {event.get('message', '').strip()}" for event in latest)
        return list(texts)[:_MOST]


def _core(plural: str, obj: Object) -> str:
    return f"/api/v1/namespaces/{text_at(obj, 'metadata', 'namespace') or 'default'}/{plural}"


def _when(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def why_it_stays(obj: Object) -> list[str]:
    """Say what keeps an object that is being deleted."""
    reasons = [
        str(each.get("message"))
        for each in list_at(obj, "status", "conditions")
        if each.get("status") == "True" and str(each.get("type", "")).startswith("Namespace")
    ]
    finalizers = [*list_at(obj, "metadata", "finalizers"), *list_at(obj, "spec", "finalizers")]
    if finalizers:
        reasons.append("finalizers: " + ", ".join(map(str, finalizers)))
    return reasons
