"""Vault's API, as far as the program needs it; OpenBao's is the same.

The token is asked for when it is needed, since the run that installs a key store is also the one that issues it.
"""

import os
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, VaultDown, VaultError
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from components.remote_objects import whole_numbers

TOKEN_KEY = "cloison:vaultToken"  # noqa: S105 - the name of a setting
"""Where the stack's configuration holds the operator's token."""
TOKEN_VARIABLE = "CLOISON_VAULT_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable that holds it where the configuration does not."""
TOKEN_FILE_VARIABLE = "CLOISON_VAULT_TOKEN_FILE"  # noqa: S105 - the name of a variable
"""The environment variable that names the file it is in, or will be written to when the key store is initialised."""

TIMEOUT = 30
"""Seconds for one request; an answer takes milliseconds."""

UNTIL_REACHABLE = Retry(connect=6, read=0, redirect=0, status=6, status_forcelist=(502, 504), backoff_factor=0.5)
"""For half a minute: a server that is ready may not yet be routed to. Nothing that was processed is sent twice."""


class KeyStoreError(Exception):
    """The key store cannot be reached, is sealed, or refuses."""


@dataclass(frozen=True)
class SealStatus:
    """What a key store says of itself to anybody."""

    initialized: bool
    sealed: bool
    threshold: int
    """How many shares open it; 0 where it opens itself."""


class VaultApi:
    """A session with one key store."""

    def __init__(self, address: str, authority: str, token: Callable[[], str] = str) -> None:
        """Prepare a session; nothing is contacted yet.

        Args:
            address: where it answers, without a path.
            authority: PEM of the authority that signed its certificate.
            token: gives the token; what Vault answers to anybody needs none.
        """
        self._address, self._token = address, token
        self._authority = _file_with(authority)
        self._client = hvac.Client(url=address, timeout=TIMEOUT, session=_session(self._authority.name))

    def signed_in(self, token: str) -> "VaultApi":
        """A session of its own with the same key store, with another token."""
        return VaultApi(self._address, Path(self._authority.name).read_text(), lambda: token)

    def read(self, path: str) -> dict[str, Any] | None:
        """The data at a path; None when there is nothing."""
        with self._request("read", path, signed_in=True):
            answer = cast("Mapping[str, Any] | None", self._client.read(path))
            return None if answer is None else answer["data"]

    def names(self, path: str) -> list[str]:
        """What is below a path; folders end with a slash."""
        with self._request("list", path, signed_in=True):
            answer = cast("Mapping[str, Any] | None", self._client.list(path))
            return [] if answer is None else answer["data"]["keys"]

    def write(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Write, and return what Vault answers."""
        with self._request("write", path, signed_in=True):
            answer = self._client.write_data(path, data=dict(_as_object(whole_numbers(content))))
            return answer if isinstance(answer, dict) else {}

    def delete(self, path: str) -> None:
        """Delete; what is gone already is no error."""
        with self._request("delete", path, signed_in=True):
            try:
                self._client.delete(path)
            except InvalidPath:
                return

    def seal_status(self) -> SealStatus:
        """Whether it is initialised, and open."""
        with self._request("read", "sys/seal-status"):
            found = self._client.sys.read_seal_status()
            threshold = 0 if found.get("recovery_seal") else found["t"]
            return SealStatus(found["initialized"], found["sealed"], threshold)

    def is_active(self) -> bool:
        """Whether it serves requests: an open key store takes a moment to become its cluster's leader."""
        with self._request("read", "sys/health"):
            answer = self._client.sys.read_health_status(method="GET")
            return not isinstance(answer, requests.Response) or answer.status_code == requests.codes.ok

    def initialize(self, shares: int, threshold: int, *, opens_itself: bool) -> tuple[list[str], str]:
        """Initialise it, once in its life.

        Args:
            shares: how many there will be.
            threshold: how many of them suffice.
            opens_itself: whether its seal opens it; the shares are then for recovery alone.

        Returns:
            The shares, and the root token that comes with them, to be revoked soon.
        """
        counted = ("recovery_shares", "recovery_threshold") if opens_itself else ("secret_shares", "secret_threshold")
        with self._request("initialise", "sys/init"):
            answer = self._client.sys.initialize(**dict(zip(counted, (shares, threshold), strict=True)))
        return answer["recovery_keys_base64" if opens_itself else "keys_base64"], answer["root_token"]

    def unseal(self, share: str) -> bool:
        """Give one share; returns whether it is still sealed."""
        with self._request("unseal", "sys/unseal"):
            return self._client.sys.submit_unseal_key(key=share)["sealed"]

    def generate_root(self, shares: Sequence[str]) -> str:
        """Make a root token with shares, as Vault's `sys/generate-root` has it; whoever asks revokes it again."""
        system = self._client.sys
        with self._request("make a root token", "sys/generate-root"):
            system.cancel_root_generation()
            attempt = system.start_root_token_generation(None, None)
            for share in shares:
                done = system.generate_root(key=share, nonce=attempt["nonce"])
                if done["complete"]:
                    return _without_pad(done["encoded_token"], attempt["otp"])
        message = f"{self._address}: {len(shares)} shares do not suffice: give {attempt['required']}"
        raise KeyStoreError(message)

    @contextmanager
    def _request(self, verb: str, path: str, *, signed_in: bool = False) -> Iterator[None]:
        """Say what a request was about when it fails; nothing of its content, which may be secret."""
        self._client.token = self._token() if signed_in else ""
        try:
            yield
        except requests.RequestException as error:
            message = (
                f"{self._address}: the key store cannot be reached ({type(error).__name__}): "
                "see keys.administration in the profile"
            )
            raise KeyStoreError(message) from error
        except VaultDown as error:
            message = f"{self._address}: the key store is sealed: `cloison unseal` opens it"
            raise KeyStoreError(message) from error
        except Forbidden as error:
            message = (
                f"cannot {verb} {path}: the token has ended or may not; `cloison unseal --new-token` issues another"
            )
            raise KeyStoreError(message) from error
        except VaultError as error:
            message = f"cannot {verb} {path}: {'; '.join(error.errors or [type(error).__name__])}"
            raise KeyStoreError(message) from error


def operator_token(configured: str | None = None) -> str:
    """The operator's token: from the stack's configuration, the environment, or the file that it names.

    Raises:
        KeyStoreError: there is none.
    """
    file = os.environ.get(TOKEN_FILE_VARIABLE)
    found = configured or os.environ.get(TOKEN_VARIABLE) or (_text(Path(file)) if file else "")
    if not found:
        message = (
            f"the key store's token is missing: set it with `pulumi config set --secret {TOKEN_KEY}`, in the variable "
            f"{TOKEN_VARIABLE}, or name its file in {TOKEN_FILE_VARIABLE}"
        )
        raise KeyStoreError(message)
    return found


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def _session(authority: str) -> requests.Session:
    """A session that believes one authority, and that no proxy of the machine's stands between."""
    session = requests.Session()
    session.trust_env, session.verify = False, authority
    session.mount("https://", HTTPAdapter(max_retries=UNTIL_REACHABLE))
    return session


def _file_with(authority: str) -> "tempfile._TemporaryFileWrapper[str]":
    """The authority as a file, which is how requests wants it; gone with the session."""
    file = tempfile.NamedTemporaryFile("w", suffix=".crt")  # noqa: SIM115 - lives as long as the session
    file.write(authority)
    file.flush()
    return file


def _as_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object is written to Vault, not {type(value).__name__}")
    return value


def _without_pad(encoded: str, pad: str) -> str:
    """A generated root token, which comes combined with a one-time pad (Vault: operator generate-root)."""
    padded = b64decode(encoded + "=" * (-len(encoded) % 4))
    return "".join(chr(left ^ right) for left, right in zip(padded, pad.encode(), strict=True))
