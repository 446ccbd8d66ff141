"""Where members find their tools, and whether anything answers there."""

from collections.abc import Mapping
from typing import cast

import urllib3
from urllib3.exceptions import HTTPError

from operations.engines import Engine
from operations.errors import NotAnsweringError
from operations.stack import Stack
from workspaces.address import Address

FETCH_SECONDS = 30.0


def addresses(engine: Engine, stack: Stack) -> list[Address]:
    """Every address of a stack, as its last run exported them."""
    exported = cast("list[Mapping[str, str]]", engine.outputs(stack).get("urls") or [])
    return [Address(**entry) for entry in exported]


def tokens(engine: Engine, stack: Stack) -> Mapping[str, str]:
    """What members sign in with, by address. Secret: for those who hold the stack's passphrase."""
    return cast("Mapping[str, str]", engine.outputs(stack, show_secrets=True).get("tokens") or {})


def fetch(address: Address) -> int:
    """Fetch an address as a browser first does, without following redirects.

    Returns:
        The status, which is 200.

    Raises:
        NotAnsweringError: another status, or nobody there.
    """
    try:
        response = urllib3.request("GET", address.url, timeout=FETCH_SECONDS, redirect=False, retries=2)
    except HTTPError as error:
        message = f"{address.url} does not answer ({type(error).__name__}); is the cluster up?"
        raise NotAnsweringError(message) from error
    if response.status != 200:
        message = f"{address.url} answers {response.status} instead of 200"
        raise NotAnsweringError(message)
    return response.status
