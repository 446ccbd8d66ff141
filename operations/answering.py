"""Does a researcher find what was promised? What a browser sees that opens a tool's address for the first time."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from operations.deployed import Deployed
from operations.errors import NotAnsweringError

ANSWER_SECONDS = 60.0
"""How long a route and a server may take after `up` before somebody's first page comes."""
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that was tried and worked."""

    subject: str
    result: str


def sign_in_pages(deployed: Deployed) -> Iterator[Finding]:
    """Open every tool's address and follow it to the page that asks who one is.

    Raises:
        NotAnsweringError: nothing to open, or the first address that does not lead there.
    """
    if not deployed.projects:
        message = "the stack has no projects; run `cloison up` first"
        raise NotAnsweringError(message)
    for project in deployed.projects:
        for tool in project.tools:
            yield Finding(tool.url, f"{tool.tool} of {project.project} asks for sign-in at {page(tool.url, deployed)}")


def page(url: str, deployed: Deployed, seconds: float = ANSWER_SECONDS) -> str:
    """Host of the page that an address ends at, once it answers 200.

    Raises:
        NotAnsweringError: it does not within the time.
    """
    deadline = time.monotonic() + seconds
    with _client(deployed.authority) as client:
        while True:
            found, answer = _fetch(client, url)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                message = f"{url} {answer}, for {seconds:.0f} s; `cloison status` shows the stack's projects"
                raise NotAnsweringError(message)
            time.sleep(PAUSE_SECONDS)


def answers(url: str, authority: str | None) -> bool:
    """Whether a hub is in good health, as the gateway shows it."""
    with _client(authority) as client:
        try:
            return client.request("GET", f"{url.rstrip('/')}/hub/health").status == 200
        except HTTPError:
            return False


def _client(authority: str | None) -> urllib3.PoolManager:
    """A browser that trusts the stack's own authority beside the machine's."""
    trusted = ssl.create_default_context()
    if authority:
        trusted.load_verify_locations(cadata=authority)
    return urllib3.PoolManager(ssl_context=trusted, timeout=30.0, retries=urllib3.Retry(connect=0, redirect=10))


def _fetch(client: urllib3.PoolManager, url: str) -> tuple[str | None, str]:
    try:
        response = client.request("GET", url)
    except HTTPError as error:
        return None, f"does not answer ({type(error).__name__})"
    if response.status != 200:
        return None, f"answers {response.status} instead of 200"
    return parse_url(response.url or url).host, ""
