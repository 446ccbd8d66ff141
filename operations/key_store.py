"""The key store of a stack as its operator sees it: whether it is open, and opening it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from components.vault_api import TOKEN_FILE_VARIABLE, KeyStoreError, SealStatus, VaultApi
from components.vault_operator import SHARES_VARIABLE, Custody, open_up
from operations.deployed import Deployed
from operations.errors import KeyStoreClosedError, UsageError
from operations.stack import Stack


def condition(stack: Stack, deployed: Deployed) -> str:
    """In a word or two: `open`, `sealed`, or what else is wrong; `not there` before the first run."""
    if (api := _reached(stack, deployed)) is None:
        return "not there"
    try:
        return _words(api.seal_status())
    except KeyStoreError:
        return "not reachable"


def require_open(stack: Stack, deployed: Deployed) -> None:
    """Open it with the operator's shares, where they are given, before a run needs it.

    Raises:
        KeyStoreClosedError: it is sealed or not reachable.
    """
    if (api := _reached(stack, deployed)) is not None:
        with _in_operations_words():
            open_up(api, custody(stack.environment()))


def unseal(stack: Stack, deployed: Deployed, shares: Path | None, *, new_token: bool) -> str:
    """Open it.

    Args:
        stack: the stack.
        deployed: what its last run left.
        shares: the operator's file of shares; None for the one that the environment names.
        new_token: issue the operator's token anew.

    Returns:
        Its condition afterwards.

    Raises:
        UsageError: there is no key store, or no such file.
        KeyStoreClosedError: it stays closed.
    """
    if (api := _reached(stack, deployed)) is None:
        message = f"stack {stack.name} has no key store yet: `cloison up` makes it"
        raise UsageError(message)
    held = custody(stack.environment(), shares)
    if held.shares is None or not held.shares.exists():
        message = f"{held.shares or SHARES_VARIABLE}: no file of shares; name it with --shares, or in {SHARES_VARIABLE}"
        raise UsageError(message)
    if new_token and held.token:
        held.token.unlink(missing_ok=True)
    with _in_operations_words():
        open_up(api, held)
        return _words(api.seal_status())


def custody(variables: Mapping[str, str], shares: Path | None = None) -> Custody:
    """Where the operator keeps shares and token, as the variables for the engine say."""
    named, token = variables.get(SHARES_VARIABLE), variables.get(TOKEN_FILE_VARIABLE)
    return Custody(shares or (Path(named) if named else None), Path(token) if token else None)


def _reached(stack: Stack, deployed: Deployed) -> VaultApi | None:
    if not deployed.has_key_store or deployed.authority is None:
        return None
    return VaultApi(stack.profile().keys.administration, deployed.authority)


def _words(status: SealStatus) -> str:
    if not status.initialized:
        return "not initialised"
    return "sealed" if status.sealed else "open"


@contextmanager
def _in_operations_words() -> Iterator[None]:
    try:
        yield
    except KeyStoreError as error:
        raise KeyStoreClosedError(str(error)) from error
