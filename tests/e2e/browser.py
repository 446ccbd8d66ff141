"""As much of a browser as signing in takes: cookies, redirects, one trusted authority."""

import json
import re
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.error import HTTPError


@dataclass(frozen=True)
class Page:
    """What came back, after all redirects."""

    status: int
    url: str
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Browser:
    """One person's browser."""

    def __init__(self, authority: str) -> None:
        """Open a browser without a history.

        Args:
            authority: certificate of the authority it trusts, PEM.
        """
        self._jar = CookieJar()
        context = ssl.create_default_context(cadata=authority)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._jar),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.ProxyHandler({}),
        )

    def get(self, url: str) -> Page:
        return self._open("GET", url)

    def send(self, method: str, url: str, body: object = None) -> Page:
        """Send JSON as a page's own script would, with the token that proves it is one (JupyterHub: _xsrf)."""
        data = json.dumps(body).encode() if body is not None else None
        return self._open(method, url, data, {"X-XSRFToken": self._xsrf(url), "Content-Type": "application/json"})

    def submit(self, page: Page, **fields: str) -> Page:
        """Fill in the form of a page and send it, with its hidden fields."""
        data = urllib.parse.urlencode(hidden_fields(page) | fields).encode()
        return self._open("POST", form_address(page), data)

    def cookie(self, name: str, path: str) -> str:
        """The value of the cookie with the longest path that covers this one."""
        found = [each for each in self._jar if each.name == name and path.startswith(each.path)]
        return str(max(found, key=lambda each: len(each.path)).value)

    def _xsrf(self, url: str) -> str:
        return self.cookie("_xsrf", urllib.parse.urlsplit(url).path)

    def _open(self, method: str, url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> Page:
        request = urllib.request.Request(url, data, headers or {}, method=method)  # noqa: S310 - https to the platform
        try:
            answer = self._opener.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        text = cast("bytes", answer.read()).decode(errors="replace")
        return Page(int(answer.status or 0), str(answer.url), text)


def form_address(page: Page) -> str:
    """Where a page's form is sent."""
    action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
    assert action, page.text
    return unescape(action[1])


def hidden_fields(page: Page) -> dict[str, str]:
    """The hidden fields of a page's form."""
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", page.text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") == "hidden" and "name" in attributes:
            fields[attributes["name"]] = unescape(attributes.get("value", ""))
    return fields
