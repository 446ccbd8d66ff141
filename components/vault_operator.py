"""What an operator does with a key store: initialise it once, hand out its shares, open it, issue the token.

The shares are given to the operator in a file of their own, once, and are in nothing that the program keeps: neither
in the stack's state nor in the cluster. Who holds enough of them can open the key store and issue a new token.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.vault_api import TOKEN_FILE_VARIABLE, KeyStoreError, VaultApi

SHARES_VARIABLE = "CLOISON_VAULT_SHARES"
"""The environment variable that names the operator's file of shares."""

ACTIVE_SECONDS = 60
"""How long an open key store may take to serve; one to three seconds were measured."""

POLICY = "cloison-operator"
TOKEN_PERIOD = "768h"  # noqa: S105 - a time
"""How long the operator's token is good for without being used; each run that uses it renews it (Vault's own longest
time of a lease, 32 days)."""

AUDIT = "stdout"
"""Name of the audit device: to Vault's standard output, which the cluster's log collection takes away."""

RIGHTS: dict[str, Sequence[str]] = {
    "sys/mounts": ("read",),
    "sys/mounts/*": ("create", "read", "update", "delete"),
    "sys/auth": ("read",),
    "sys/auth/*": ("create", "read", "update", "delete", "sudo"),
    "sys/audit": ("read", "sudo"),
    "sys/policies/acl/project-*": ("create", "read", "update", "delete"),
    "auth/kubernetes/config": ("create", "read", "update", "delete"),
    "auth/kubernetes/role/project-*": ("create", "read", "update", "delete"),
    "transit/keys/project-*": ("create", "read", "update", "delete"),
    "kv/metadata/project-*": ("create", "read", "update", "delete", "list"),
    "pki/root/generate/internal": ("update",),
    "pki/root": ("delete", "sudo"),
    "pki/roles/project-*": ("create", "read", "update", "delete"),
    "pki/cert/ca": ("read",),
    "pki/issuers": ("list",),
}
"""What the program may do, by path: configure, and read no value. Names of projects' objects begin with `project-`."""


@dataclass(frozen=True)
class Custody:
    """Where the operator keeps what the key store hands out."""

    shares: Path | None
    """The file of shares; None where the operator gives none to this run."""
    token: Path | None
    """The file of the token."""

    @classmethod
    def of_environment(cls) -> "Custody":
        """As the environment says."""
        shares, token = os.environ.get(SHARES_VARIABLE), os.environ.get(TOKEN_FILE_VARIABLE)
        return cls(Path(shares) if shares else None, Path(token) if token else None)


def make_ready(api: VaultApi, shares: int, threshold: int, *, opens_itself: bool, custody: Custody) -> None:
    """Bring a new key store to where the program can declare things in it.

    Called when the stack's state knows of no key store: one that it knows is never initialised again.

    Args:
        api: the key store.
        shares: how many are handed out.
        threshold: how many of them open it.
        opens_itself: whether its seal opens it.
        custody: where the operator wants shares and token.

    Raises:
        KeyStoreError: the operator names no file, or the key store refuses.
    """
    root = None
    if not api.seal_status().initialized:
        root = _initialise(api, shares, threshold, opens_itself=opens_itself, custody=custody)
    open_up(api, custody, root)


def open_up(api: VaultApi, custody: Custody, root: str | None = None) -> None:
    """Open it if it is sealed, and issue the operator's token if there is none.

    Args:
        api: the key store.
        custody: where the operator keeps shares and token.
        root: a root token, where there is one; it is revoked.

    Raises:
        KeyStoreError: it is sealed, and the operator gives no shares.
    """
    held = read_shares(custody.shares) if custody.shares and custody.shares.exists() else []
    if api.seal_status().sealed:
        unseal(api, held)
    wait_until_active(api)
    if custody.token and (root or not custody.token.exists()) and (root or held):
        issue_token(api, root or api.generate_root(held), custody.token)


def _initialise(api: VaultApi, shares: int, threshold: int, *, opens_itself: bool, custody: Custody) -> str:
    """Initialise it and hand out the shares; returns the root token."""
    if custody.shares is None or custody.token is None:
        message = (
            f"the key store is new and hands out its shares once: name the file for them in {SHARES_VARIABLE} and the "
            f"one for the operator's token in {TOKEN_FILE_VARIABLE}"
        )
        raise KeyStoreError(message)
    _require_writable(custody.shares)
    _set_aside(custody.shares)
    handed, root = api.initialize(shares, threshold, opens_itself=opens_itself)
    _write(custody.shares, json.dumps({"threshold": threshold, "shares": handed}, indent=2) + "\n")
    return root


def wait_until_active(api: VaultApi) -> None:
    """Wait until it serves requests.

    Raises:
        KeyStoreError: it does not within `ACTIVE_SECONDS`.
    """
    deadline = time.monotonic() + ACTIVE_SECONDS
    while not api.is_active():
        if time.monotonic() > deadline:
            message = f"the key store is open but serves nothing after {ACTIVE_SECONDS} s: see its log"
            raise KeyStoreError(message)
        time.sleep(0.2)


def unseal(api: VaultApi, shares: Sequence[str] | None) -> None:
    """Give shares until it is open.

    Raises:
        KeyStoreError: there are no shares, or not enough of the right ones.
    """
    if not shares:
        message = f"the key store is sealed: `cloison unseal` opens it, with the file of shares or {SHARES_VARIABLE}"
        raise KeyStoreError(message)
    for share in shares:
        if not api.unseal(share):
            return
    message = f"{len(shares)} shares were given and the key store is still sealed: it needs more of its own"
    raise KeyStoreError(message)


def read_shares(file: Path) -> list[str]:
    """The shares that the operator holds.

    Raises:
        KeyStoreError: the file is not one of shares.
    """
    try:
        held: dict[str, Any] = json.loads(file.read_text())
        return list(held["shares"])[: int(held["threshold"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{file}: holds no shares ({type(error).__name__}): name the file that was written at initialisation"
        raise KeyStoreError(message) from error


def issue_token(api: VaultApi, root: str, file: Path) -> None:
    """Issue the operator's token by way of a root token, which does not outlive this call.

    The audit device is switched on first, so that everything that the token ever does is on record.
    """
    as_root = api.signed_in(root)
    try:
        if f"{AUDIT}/" not in (as_root.read("sys/audit") or {}):
            as_root.write(f"sys/audit/{AUDIT}", {"type": "file", "options": {"file_path": "stdout"}})
        as_root.write(f"sys/policies/acl/{POLICY}", {"policy": policy_text(RIGHTS)})
        asked = {"policies": [POLICY], "period": TOKEN_PERIOD, "display_name": POLICY}
        _write(file, as_root.write("auth/token/create-orphan", asked)["auth"]["client_token"])
    finally:
        as_root.write("auth/token/revoke-self", {})


def policy_text(rights: Mapping[str, Sequence[str]]) -> str:
    """Rights by path as a policy in HCL."""
    return "\n".join(f'path "{path}" {{ capabilities = {json.dumps(list(may))} }}' for path, may in rights.items())


def _set_aside(file: Path) -> None:
    """Keep shares of another key store: they may be all that opens its backups."""
    if file.exists():
        file.rename(file.with_name(f"{file.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}"))


def _require_writable(file: Path) -> None:
    """Find out before anything is initialised that the shares could not be written."""
    trial = file.with_name(f"{file.name}.trial")
    try:
        _write(trial, "")
        trial.unlink()
    except OSError as error:
        message = f"{file}: cannot be written ({error.strerror}): name another file in {SHARES_VARIABLE}"
        raise KeyStoreError(message) from error


def _write(file: Path, content: str) -> None:
    """Write a file that its owner alone reads, whole and on the disk, or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
