"""The Kubernetes API as the agent needs it: lists and watches, with the client certificate of a kubeconfig."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import urllib3

from local.policy.connection import read_connection
from local.policy.errors import PolicyError
from local.policy.model import Json

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for the API server to accept a connection."""

LIST_TIMEOUT = 30.0
"""Seconds to wait for the answer to a list."""

WATCH_SECONDS = 240
"""Seconds after which the server ends a watch; it is then taken up again where it stopped."""

WATCH_TIMEOUT = WATCH_SECONDS + 30.0
"""Seconds of silence after which a watch is taken for dead."""

PAGE_SIZE = 500
"""Objects per page of a list, as client-go asks."""


class ExpiredError(PolicyError):
    """The resource version asked for is gone (HTTP 410): only a fresh list helps."""


class ApiClient:
    """Lists and watches resources of one API server."""

    def __init__(self, kubeconfig: Path) -> None:
        connection = read_connection(kubeconfig)
        self._server = connection.server
        self._pool = urllib3.PoolManager(
            maxsize=8, retries=False, ssl_context=connection.tls, server_hostname=connection.name
        )

    def list(self, path: str) -> tuple[list[Json], str]:
        """All objects of a collection and the resource version they stand for.

        Raises:
            ExpiredError: The list took so long that its pages expired.
            PolicyError: The server is out of reach or refuses.
        """
        items: list[Json] = []
        token = ""
        while True:
            page = self._page(path, token)
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return items, page["metadata"]["resourceVersion"]

    def watch(self, path: str, version: str) -> Iterator[Json]:
        """The changes after a resource version, as they happen, until the server ends the watch.

        The first value is an empty object: it says that the server has accepted the watch.

        Raises:
            ExpiredError: The version is too old.
            PolicyError: The server is out of reach or refuses.
        """
        fields = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        response = self._get(path, fields, WATCH_TIMEOUT)
        try:
            yield {}
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _failure(path, event["object"])
                yield event
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the watch of {path} broke off: {error}"
            raise PolicyError(message) from error
        finally:
            response.close()

    def _page(self, path: str, token: str) -> Json:
        fields = {"limit": str(PAGE_SIZE)} | ({"continue": token} if token else {})
        response = self._get(path, fields, LIST_TIMEOUT)
        try:
            return json.loads(response.read())
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the list of {path} broke off: {error}"
            raise PolicyError(message) from error
        finally:
            response.close()

    def _get(self, path: str, fields: Mapping[str, str], timeout: float) -> urllib3.BaseHTTPResponse:
        limits = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout)
        try:
            response = self._pool.request(
                "GET", self._server + path, fields=fields, timeout=limits, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the API server does not answer {path}: {error}"
            raise PolicyError(message) from error
        if response.status != 200:
            raise _failure(path, _status(response))
        return response


def _status(response: urllib3.BaseHTTPResponse) -> Json:
    try:
        return json.loads(response.read())
    except ValueError:
        return {"code": response.status, "message": response.reason}
    finally:
        response.close()


def _failure(path: str, status: Json) -> PolicyError:
    message = f"the API server refuses {path}: {status.get('code')} {status.get('message')}"
    return ExpiredError(message) if status.get("code") == 410 else PolicyError(message)
