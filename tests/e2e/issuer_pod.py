"""A small OpenID Connect issuer, run in a pod of the tests: it lets everybody in as whom they ask to be.

It checks what a real issuer checks of its client (secret, redirect address, PKCE, RFC 7636) and answers with the claims
of the person that the browser named by `login_hint`, kept in a cookie here as a real issuer keeps a session.
"""
# pyright: reportMissingImports=false
# Tornado is in the image that the pod runs, not here.

import base64
import hashlib
import json
import os
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any

from tornado.httputil import url_concat
from tornado.ioloop import IOLoop
from tornado.web import Application, HTTPError, RequestHandler

PEOPLE: dict[str, dict[str, Any]] = json.loads(Path("/etc/issuer/people.json").read_text())
CLIENT: dict[str, str] = json.loads(Path("/etc/issuer/client.json").read_text())
codes: dict[str, tuple[str, str]] = {}
"""Person and PKCE challenge of each code that is still to be redeemed."""
tokens: dict[str, str] = {}
"""Person of each access token."""


class Session(RequestHandler):
    """Stands for the issuer's own sign-in page."""

    def get(self, person: str) -> None:
        self.set_cookie("person", person, secure=True, httponly=True)
        self.write("signed in")


class Authorize(RequestHandler):
    def get(self) -> None:
        if self.get_argument("client_id") != CLIENT["id"] or self.get_argument("redirect_uri") != CLIENT["redirect"]:
            raise HTTPError(400, "another client, or another address to return to")
        if self.get_argument("code_challenge_method") != "S256":
            raise HTTPError(400, "no proof key")
        code = secrets.token_urlsafe()
        codes[code] = (self.get_cookie("person") or "", self.get_argument("code_challenge"))
        self.redirect(url_concat(CLIENT["redirect"], {"code": code, "state": self.get_argument("state")}))


class Token(RequestHandler):
    def post(self) -> None:
        person, challenge = codes.pop(self.get_argument("code"))
        digest = hashlib.sha256(self.get_argument("code_verifier").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            raise HTTPError(400, "the proof key is wrong")
        if self.get_argument("client_secret") != CLIENT["secret"]:
            raise HTTPError(401)
        token = secrets.token_urlsafe()
        tokens[token] = person
        self.write({"access_token": token, "token_type": "Bearer", "expires_in": 300})


class Userinfo(RequestHandler):
    def get(self) -> None:
        token = self.request.headers["Authorization"].removeprefix("Bearer ")
        self.write(PEOPLE[tokens[token]])


def main() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("/etc/issuer/tls.crt", "/etc/issuer/tls.key")
    routes = [("/session/(.*)", Session), ("/authorize", Authorize), ("/token", Token), ("/userinfo", Userinfo)]
    Application(routes).listen(int(os.environ.get("PORT", "8443")), ssl_options=context)
    IOLoop.current().start()


if __name__ == "__main__":
    sys.exit(main())
