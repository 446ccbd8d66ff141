"""Keycloak's admin REST API, as far as a realm's resources need it.

The administrator is a service account of the ``master`` realm, named when Keycloak first starts. Its secret is used to
ask for tokens of a minute's life, which stay in this object's memory.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager, Retry
from urllib3.exceptions import HTTPError

from components.remote_objects import whole_numbers

SECRET_KEY = "cloison:identityAdministrator"  # noqa: S105 - the name of a setting
"""Where the stack's configuration holds the administrator's secret."""
SECRET_VARIABLE = "CLOISON_IDENTITY_ADMINISTRATOR"  # noqa: S105 - the name of a variable
"""The environment variable that holds it where the configuration does not."""

ADMINISTRATOR = "cloison"
"""Client id of the service account that the program administers Keycloak with."""

TIMEOUT = 30
"""Seconds for one request; an answer takes milliseconds, but for the first ones after a start."""

UNTIL_REACHABLE = Retry(6, redirect=False, allowed_methods=None, status_forcelist=(502, 503, 504), backoff_factor=0.5)
"""How asking for a token is tried again, for half a minute: a server that is ready may not yet be routed to."""

ONCE = Retry(connect=3, read=0, redirect=0, status=0, other=0, backoff_factor=0.5)
"""How all else is: a request that was sent may have had its effect."""

_MARGIN = 15
"""Seconds before its end at which a token is no longer used."""


class AdministrationError(Exception):
    """Keycloak cannot be reached, or refuses."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the answer; 0 when there was none."""


class AdministrationApi:
    """A signed-in session with one Keycloak."""

    def __init__(self, address: str, authority: str, secret: str) -> None:
        """Prepare a session; nothing is contacted yet.

        Args:
            address: where Keycloak's administration answers, without a path.
            authority: PEM of the authority that signed its certificate.
            secret: the administrator's.
        """
        self._address = address.rstrip("/")
        self._secret = secret
        self._http = PoolManager(ca_cert_data=authority, timeout=TIMEOUT)
        self._token, self._ends = "", 0.0

    def get(self, path: str, **query: str) -> Any:
        """Read; None when there is nothing."""
        try:
            return _content(self._call("GET", path, query=query))
        except AdministrationError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: object) -> str:
        """Create, and return the new object's id where Keycloak tells it."""
        return self._call("POST", path, body).headers.get("Location", "").rpartition("/")[2]

    def put(self, path: str, body: object = None) -> None:
        """Change."""
        self._call("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete; what is gone already is no error."""
        try:
            self._call("DELETE", path)
        except AdministrationError as error:
            if error.status != 404:
                raise

    def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self._current_token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(whole_numbers(body))
        return self._sent(method, f"/admin/realms{path}", retries=ONCE, fields=query, body=text, headers=headers)

    def _current_token(self) -> str:
        if time.monotonic() > self._ends:
            form = {"grant_type": "client_credentials", "client_id": ADMINISTRATOR, "client_secret": self._secret}
            path = "/realms/master/protocol/openid-connect/token"
            answer = _content(self._sent("POST", path, retries=UNTIL_REACHABLE, fields=form, encode_multipart=False))
            self._ends = time.monotonic() + answer["expires_in"] - _MARGIN
            self._token = answer["access_token"]
        return self._token

    def _sent(self, method: str, path: str, **request: Any) -> BaseHTTPResponse:
        try:
            response = self._http.request(method, self._address + path, **request)
        except HTTPError as error:
            message = (
                f"{self._address}: Keycloak's administration cannot be reached ({error}): "
                "see identity.administration in the profile"
            )
            raise AdministrationError(message) from error
        if response.status >= 400:
            raise AdministrationError(f"{method} {path}: {response.status} {_reason(response)}", response.status)
        return response


def _content(response: BaseHTTPResponse) -> Any:
    return json.loads(response.data) if response.data else None


def _reason(response: BaseHTTPResponse) -> str:
    """What Keycloak says is wrong; nothing of the request, which may hold a secret."""
    try:
        said = json.loads(response.data)
    except ValueError:
        return response.reason or ""
    known = ("errorMessage", "error_description", "error")
    return next((str(said[key]) for key in known if isinstance(said, dict) and said.get(key)), response.reason or "")
