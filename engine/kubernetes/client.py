"""Requests to the API server that survive what can be survived: overload, restarts, broken connections.

The rule that everything here serves: a write whose outcome is not known is never reported as a plain failure, because
the object may exist.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from engine.errors import Interrupted, ProviderError, Unreachable
from engine.kubernetes.fields import list_at
from engine.kubernetes.kubeconfig import Cluster
from engine.kubernetes.limiter import Limiter
from engine.kubernetes.transport import Answer, LostError, NotSentError, Transport

_LOG = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds for which a request is tried again while the API server restarts or is overloaded."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_REQUESTS_AT_ONCE = 48
_TRANSIENT = frozenset({500, 502, 503, 504})


class ApiError(ProviderError):
    """The API server refused a request; nothing changed.

    Args:
        status: The HTTP status.
        body: The ``Status`` object of the answer.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("message") or f"the API server answered {status}"))
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.causes = [cause for cause in list_at(dict(body), "details", "causes") if isinstance(cause, dict)]
        self.outcome_was_lost = False
        """Whether an earlier attempt of the same request may have succeeded."""

    def is_missing_namespace(self) -> bool:
        """Tell whether the namespace, rather than the object, was not found."""
        return self.status == 404 and str(self).startswith("namespaces ")

    def is_race(self) -> bool:
        """Tell whether somebody else's write came first; a conflict over fields has causes, and lasts."""
        return self.status == 409 and self.reason == "Conflict" and not self.causes

    def is_passing(self) -> bool:
        """Tell whether the API server was overloaded or starting."""
        return self.status == 429 or self.status in _TRANSIENT


class ExpiredError(Exception):
    """A watch asked for changes since a version that the API server no longer has."""


@dataclass(frozen=True)
class Event:
    """One change seen by a watch; ``type`` is ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    type: str
    object: dict[str, Any]


class Client:
    """Speaks to one API server. Thread-safe.

    Args:
        cluster: The API server and how to authenticate to it.
        warn: Called with each warning the API server attaches to an answer.
        patience: Seconds for which a request is tried again before it counts as failed.
    """

    def __init__(
        self, cluster: Cluster, warn: Callable[[str], None] = _LOG.warning, patience: float = PATIENCE
    ) -> None:
        self._transport = Transport(cluster)
        self._limiter = Limiter(_REQUESTS_AT_ONCE)
        self._warn = warn
        self._patience = patience
        self.cancelled = threading.Event()
        self.server = cluster.server

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, accept: str = "application/json"
    ) -> dict[str, Any]:
        """Read something."""
        return self._request("GET", path, query or {}, None, {"Accept": accept})

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Create an object."""
        return self._request("POST", path, query or {}, body, {"Content-Type": "application/json"})

    def put(self, path: str, body: Mapping[str, Any], query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Replace an object."""
        return self._request("PUT", path, query or {}, body, {"Content-Type": "application/json"})

    def patch(self, path: str, body: Any, query: Mapping[str, Any], content_type: str) -> dict[str, Any]:
        """Change an object; ``content_type`` names the kind of patch."""
        return self._request("PATCH", path, query, body, {"Content-Type": content_type})

    def delete(self, path: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Delete an object and return it, or a ``Status`` when it is gone at once."""
        return self._request("DELETE", path, {}, options, {"Content-Type": "application/json"})

    def watch(self, path: str, query: Mapping[str, Any], seconds: float) -> Iterator[Event]:
        """Yield changes until ``seconds`` have passed, the connection breaks, or :meth:`cancel` is called.

        Raises:
            ExpiredError: If the version asked for is too old: list again.
            ApiError: If the server refuses.
        """
        asked = {**query, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": max(1, round(seconds))}
        try:
            for answer in self._transport.stream(path, asked, seconds + 5):
                yield _event(answer)
        except (LostError, NotSentError) as error:
            _LOG.debug("watch of %s ended: %s", path, error)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until :meth:`cancel`."""
        self.cancelled.wait(seconds)

    def cancel(self) -> None:
        """End all watches and pauses."""
        self.cancelled.set()
        self._transport.shut_streams()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _request(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, headers: dict[str, str]
    ) -> dict[str, Any]:
        data = json.dumps(body, separators=(",", ":")).encode() if body is not None else None
        attempt = _Attempts(writes=method != "GET" and "dryRun" not in query, patience=self._patience)
        while True:
            try:
                answer = self._exchange(method, path, query, data, headers)
            except NotSentError as error:
                self._wait(attempt.after_no_connection(f"{self.server} cannot be reached: {error}"))
            except LostError as error:
                self._wait(attempt.after_loss(f"the connection to {self.server} broke: {error}"))
            except Unreachable as error:
                attempt.give_up(error)
            else:
                pause = attempt.after(answer)
                if pause is None:
                    return answer.body
                if answer.status == 401 and not self._transport.renew_credentials():
                    attempt.give_up(Unreachable(self._refused_credentials()))
                self._wait(pause)

    def _exchange(
        self, method: str, path: str, query: Mapping[str, Any], data: bytes | None, headers: dict[str, str]
    ) -> Answer:
        with self._limiter.slot() as round_:
            answer = self._transport.exchange(method, path, query, data, headers)
        if answer.status == 429:
            self._limiter.refused(round_)
        else:
            self._limiter.accepted()
        for text in _warnings(answer):
            self._warn(text)
        return answer

    def _wait(self, seconds: float) -> None:
        if self.cancelled.is_set():
            seconds = min(seconds, _FIRST_PAUSE)
        time.sleep(seconds)

    def _refused_credentials(self) -> str:
        context = self._transport.cluster.context
        return f"{self.server} refuses the credentials of context {context!r}: wrong or expired; sign in again"


def require_contact(cluster: Cluster, patience: float) -> None:
    """Ask a cluster for its version, so that one that is down or refuses us is reported once and early.

    Raises:
        Unreachable: If it cannot be reached, refuses the credentials, or is no API server.
    """
    client = Client(cluster, patience=patience)
    try:
        client.get("/version")
    except ApiError as error:
        raise Unreachable(f"{cluster.server} does not answer as a Kubernetes API server: {error}") from error
    finally:
        client.close()


class _Attempts:
    """Decides after each attempt of one request whether to try again; remembers whether a write may have happened."""

    def __init__(self, *, writes: bool, patience: float) -> None:
        self._writes = writes
        self._deadline = time.monotonic() + patience
        self._pause = _FIRST_PAUSE
        self._lost = False
        self._unauthorised = False

    def after(self, answer: Answer) -> float | None:
        """Return the seconds to wait before the next attempt, or None if the answer is final and good."""
        if answer.status < 300:
            return None
        if answer.status == 401:
            return self._after_unauthorised()
        failure = ApiError(answer.status, answer.body)
        if answer.status == 429:
            return self._next(failure, answer.retry_after)
        if answer.status in _TRANSIENT:
            self._lost |= self._writes
            return self._next(failure, answer.retry_after)
        failure.outcome_was_lost = self._lost
        raise failure

    def after_no_connection(self, message: str) -> float:
        """Return the seconds to wait before the next attempt."""
        return self._next(Unreachable(message), None)

    def after_loss(self, message: str) -> float:
        """Return the seconds to wait before the next attempt."""
        self._lost |= self._writes
        return self._next(Unreachable(message), None)

    def give_up(self, failure: ProviderError) -> NoReturn:
        """Report a failure for what it is after all the attempts: unknown, if one of them may have succeeded."""
        if self._lost:
            raise Interrupted(f"{failure}; it is not known whether the change was made") from failure
        raise failure

    def _after_unauthorised(self) -> float:
        if self._unauthorised:
            self.give_up(Unreachable("the API server refuses the credentials, also renewed ones; sign in again"))
        self._unauthorised = True
        return 0.0

    def _next(self, failure: ProviderError, asked: float | None) -> float:
        pause = self._pause if asked is None else asked
        if time.monotonic() + pause > self._deadline:
            self.give_up(failure)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause


def _event(answer: Answer) -> Event:
    if answer.status == 410:
        raise ExpiredError
    if answer.status != 200:
        raise ApiError(answer.status, answer.body)
    kind, obj = str(answer.body.get("type", "")), answer.body.get("object", {})
    if kind == "ERROR":
        if obj.get("code") == 410:
            raise ExpiredError
        raise ApiError(int(obj.get("code", 500)), obj)
    return Event(kind, obj)


def _warnings(answer: Answer) -> list[str]:
    """Return the texts of ``Warning: 299 - "text"`` headers."""
    header = answer.headers.get("Warning", "")
    return [part.rpartition('"')[0].replace('\\"', '"') for part in header.split('299 - "')[1:]]
