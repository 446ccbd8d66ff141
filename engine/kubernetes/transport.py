"""One HTTP exchange with the API server, over pooled connections, and what it says about its outcome."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from engine.errors import Unreachable
from engine.kubernetes.credentials import Credentials, tls_context
from engine.kubernetes.kubeconfig import Cluster

CONNECT_SECONDS = 5.0
READ_SECONDS = 65.0
"""A little more than the minute after which the API server itself gives up a request."""

_POOL_SIZE = 64
_USER_AGENT = "pulumi-python-engine"


class NotSentError(Exception):
    """No connection could be made: the server has not seen the request."""


class LostError(Exception):
    """The connection broke before an answer came: the server may have done what was asked."""


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait as the server asks, or None."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isdigit() else None


class Transport:
    """Sends requests to one API server. Thread-safe.

    Args:
        cluster: The API server and how to authenticate to it.

    Raises:
        InputError: If certificates cannot be read, or the way to authenticate is not supported.
        Unreachable: If a program that should print a credential fails.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._credentials = Credentials(cluster)
        self._prefix = urlsplit(cluster.server).path.rstrip("/")
        self._pool = _pool(cluster, self._credentials)
        self._streams: set[urllib3.BaseHTTPResponse] = set()
        self._lock = threading.Lock()

    def exchange(
        self, method: str, path: str, query: Mapping[str, Any], body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        """Send one request and read the whole answer.

        Raises:
            NotSentError: If there is no connection.
            LostError: If it breaks before the answer is complete.
            Unreachable: If the server is not the one the kubeconfig trusts.
        """
        response = self._send(method, path, query, body, headers, stream=False)
        return Answer(response.status, response.headers, _decoded(response.data))

    def stream(self, path: str, query: Mapping[str, Any], seconds: float) -> Iterator[Answer]:
        """Yield one answer per line of an endless response; ends when the server or :meth:`shut_streams` ends it.

        Raises:
            NotSentError: If there is no connection.
            LostError: If it breaks.
        """
        response = self._send("GET", path, query, None, {}, stream=True, read_seconds=seconds)
        with self._lock:
            self._streams.add(response)
        try:
            if response.status != 200:
                yield Answer(response.status, response.headers, _decoded(response.data))
                return
            for line in response:
                yield Answer(200, {}, _decoded(line))
        except (HTTPError, OSError) as error:
            raise LostError(str(error)) from error
        finally:
            with self._lock:
                self._streams.discard(response)
            response.close()

    def shut_streams(self) -> None:
        """Break every open stream, so that whoever reads it wakes up."""
        with self._lock:
            for response in self._streams:
                response.shutdown()

    def renew_credentials(self) -> bool:
        """Forget a refused token; False if there is no other to try."""
        return self._credentials.renew()

    def close(self) -> None:
        """Close every connection."""
        self.shut_streams()
        self._pool.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: bytes | None,
        headers: dict[str, str],
        *,
        stream: bool,
        read_seconds: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        url = self._prefix + path + ("?" + urlencode(query) if query else "")
        try:
            return self._pool.urlopen(
                method,
                url,
                body=body,
                headers={"User-Agent": _USER_AGENT} | self._credentials.headers() | headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds or READ_SECONDS),
                preload_content=not stream,
            )
        except SSLError as error:
            raise Unreachable(f"{self.cluster.server} is not the server its kubeconfig trusts: {error}") from error
        except (NewConnectionError, ConnectTimeoutError, ProxyError, MaxRetryError) as error:
            raise NotSentError(_reason(error)) from error
        except (HTTPError, OSError) as error:
            raise LostError(str(error)) from error


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        loaded = json.loads(data) if data.strip() else {}
    except ValueError:
        return {"message": data.decode(errors="replace").strip()}
    return loaded if isinstance(loaded, dict) else {"value": loaded}


def _pool(cluster: Cluster, credentials: Credentials) -> urllib3.HTTPConnectionPool:
    details = cluster.cluster
    options: dict[str, Any] = {"maxsize": _POOL_SIZE, "block": False}
    if cluster.server.startswith("https:"):
        options["ssl_context"] = tls_context(cluster, credentials)
        if details.get("insecure-skip-tls-verify"):
            urllib3.disable_warnings(InsecureRequestWarning)
        if details.get("tls-server-name"):
            options["server_hostname"] = options["assert_hostname"] = details["tls-server-name"]
    if details.get("proxy-url"):
        manager = urllib3.ProxyManager(str(details["proxy-url"]), **options)
        return manager.connection_from_url(cluster.server)
    return urllib3.connection_from_url(cluster.server, **options)
