"""Sign in to Keycloak as a person with a browser and an authenticator app does."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import ssl
import struct
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.error import HTTPError

from local import waiting
from tests.e2e.browser import Page, form_address, hidden_fields

STEP_SECONDS = 30
"""A one-time password's life (RFC 6238)."""


@dataclass(frozen=True)
class Client:
    """A tool at the issuer."""

    issuer: str
    client_id: str
    redirect_uri: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def authorize_url(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email",
            "state": "of the tests",
            "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }
        return f"{self.issuer}/protocol/openid-connect/auth?{urllib.parse.urlencode(query)}"


class Authenticator:
    """An authenticator app that has scanned one code."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._used = 0

    def code(self) -> str:
        """A code that was not used yet; one step ahead is accepted, beyond that its time must come."""
        step = max(_step(), self._used + 1)
        waiting.until(lambda: step <= _step() + 1, "the next one-time password", 2 * STEP_SECONDS)
        self._used = step
        digest = hmac.new(self._secret, struct.pack(">Q", step), "sha1").digest()
        offset = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def _step() -> int:
    return int(time.time()) // STEP_SECONDS


class _StopOutside(urllib.request.HTTPRedirectHandler):
    """Follow redirects within the issuer's host; one to a tool is the end of signing in."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).netloc != urllib.parse.urlsplit(req.full_url).netloc:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Person:
    """Somebody at a browser."""

    def __init__(self, authority: str) -> None:
        """Open a browser without a history that trusts one authority, PEM."""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=authority)),
            urllib.request.ProxyHandler({}),
            _StopOutside(),
        )

    def open(self, url: str, form: dict[str, str] | None = None) -> Page:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        try:
            answer = self._opener.open(urllib.request.Request(url, data), timeout=60)  # noqa: S310 - https to the platform
        except HTTPError as error:
            answer = error
        target = answer.headers.get("Location") or answer.url
        return Page(int(answer.status or 0), str(target), cast("bytes", answer.read()).decode(errors="replace"))

    def submit(self, page: Page, **fields: str) -> Page:
        """Fill in the form of a page and send it, with its hidden fields."""
        return self.open(form_address(page), hidden_fields(page) | fields)

    def password(self, client: Client, email: str, password: str) -> Page:
        """Answer the first page."""
        return self.submit(self.open(client.authorize_url()), username=email, password=password)

    def first_sign_in(self, client: Client, email: str, first: str, own: str) -> tuple[Page, Authenticator]:
        """Sign in with the first password, set one of one's own and enrol an authenticator app, in whichever order."""
        page, app = self.password(client, email, first), None
        while (asked := asked_for(page)) in ("password-new", "totpSecret"):
            if asked == "password-new":
                page = self.submit(page, **{"password-new": own, "password-confirm": own})
            else:
                app = Authenticator(hidden_fields(page)["totpSecret"])
                page = self.submit(page, totp=app.code(), userLabel="of the tests")
        assert app, page.text
        return page, app


def asked_for(page: Page) -> str:
    """What a page asks for: the name of the field that tells its form."""
    for name in ("password-new", "totpSecret", "otp", "password"):
        if re.search(rf'<input[^>]*name="{name}"', page.text):
            return name
    return "nothing"


def code_of(answer: Page) -> str:
    """The code that a finished sign-in sends the browser back to the tool with."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.url).query)
    assert "code" in query, f"{answer.url}\n{answer.text}"
    return query["code"][0]


def claims(token: str) -> dict[str, Any]:
    """What a token says; its signature is the tool's to check."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
