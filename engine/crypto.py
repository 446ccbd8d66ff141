"""Encryption of secrets exactly as Pulumi's passphrase secrets provider does it.

The key is PBKDF2-HMAC-SHA256 over the passphrase; a value is AES-256-GCM, written ``v1:<nonce>:<ciphertext and tag>``
in base64. The stack's salt line ``v1:<salt>:<value>`` ends in the encrypted word ``pulumi``, which proves a passphrase.
Source: ``sdk/go/common/resource/config/crypt.go`` and ``pkg/secrets/passphrase/manager.go`` of pulumi/pulumi.
"""

import hashlib
import json
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import PassphraseError, StateError

_ITERATIONS = 1_000_000
_SALT_BYTES = 8
_NONCE_BYTES = 12
_PROOF = "pulumi"


class Crypter:
    """Encrypts and decrypts with one passphrase and salt. The key is derived at the first use (about a quarter second).

    Args:
        salt_line: The stack's salt line.
        passphrase: Called once, when the key is needed first.

    Raises:
        StateError: If the salt line is malformed.
    """

    def __init__(self, salt_line: str, passphrase: Callable[[], str]) -> None:
        version, _, rest = salt_line.partition(":")
        salt, _, self._proof = rest.partition(":")
        if version != "v1" or not self._proof:
            raise StateError(f"the salt {salt_line!r} is not of the form v1:<salt>:<value>; was the stack file edited?")
        self.salt_line = salt_line
        self._salt = b64decode(salt)
        self._passphrase = passphrase
        self._sealed: dict[str, str] = {}
        self._lock = Lock()

    @classmethod
    def new(cls, passphrase: str) -> "Crypter":
        """Make a crypter with a fresh salt."""
        salt = os.urandom(_SALT_BYTES)
        proof = _seal(AESGCM(_derive(passphrase, salt)), _PROOF)
        return cls(f"v1:{b64encode(salt).decode()}:{proof}", lambda: passphrase)

    @cached_property
    def _cipher(self) -> AESGCM:
        cipher = AESGCM(_derive(self._passphrase(), self._salt))
        try:
            proof = _open(cipher, self._proof)
        except StateError:
            proof = ""
        if proof != _PROOF:
            raise PassphraseError("incorrect passphrase: set PULUMI_CONFIG_PASSPHRASE to the one of this stack")
        return cipher

    def unlock(self) -> None:
        """Derive the key and prove the passphrase.

        Raises:
            PassphraseError: If the passphrase is missing or wrong.
        """
        with self._lock:
            _ = self._cipher

    def encrypt(self, plaintext: str) -> str:
        """Encrypt a text. The same text yields the same ciphertext within one run, so that state does not churn."""
        self.unlock()
        if plaintext not in self._sealed:
            self._sealed[plaintext] = _seal(self._cipher, plaintext)
        return self._sealed[plaintext]

    def decrypt(self, ciphertext: str) -> str:
        """Decrypt a text.

        Raises:
            PassphraseError: If the passphrase is missing or wrong.
            StateError: If the ciphertext is damaged or belongs to another stack.
        """
        self.unlock()
        plaintext = _open(self._cipher, ciphertext)
        self._sealed[plaintext] = ciphertext
        return plaintext


class Unopened:
    """Stands in for a crypter where no passphrase is at hand: what is secret stays ciphertext, in and out.

    Args:
        salt_line: The stack's salt line.
    """

    def __init__(self, salt_line: str) -> None:
        self.salt_line = salt_line

    def encrypt(self, text: str) -> str:
        """Return the ciphertext that :meth:`decrypt` wrapped."""
        return json.loads(text)

    def decrypt(self, ciphertext: str) -> str:
        """Wrap a ciphertext as the JSON text of a string."""
        return json.dumps(ciphertext)


def passphrase_from(environment: Mapping[str, str]) -> str:
    """Read the passphrase as Pulumi does; an empty one is allowed when set on purpose.

    Raises:
        PassphraseError: If neither variable is set, or the file cannot be read.
    """
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return environment["PULUMI_CONFIG_PASSPHRASE"]
    file = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not file:
        raise PassphraseError(
            "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE "
            "environment variables"
        )
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PassphraseError(f"PULUMI_CONFIG_PASSPHRASE_FILE: cannot read {file}: {error.strerror}") from error


def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ITERATIONS, 32)


def _seal(cipher: AESGCM, plaintext: str) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = cipher.encrypt(nonce, plaintext.encode(), None)
    return f"v1:{b64encode(nonce).decode()}:{b64encode(sealed).decode()}"


def _open(cipher: AESGCM, text: str) -> str:
    version, _, rest = text.partition(":")
    nonce, _, sealed = rest.partition(":")
    if version != "v1":
        raise StateError(f"a secret begins with {version!r}, but only the passphrase form v1 can be read")
    try:
        return cipher.decrypt(b64decode(nonce), b64decode(sealed), None).decode()
    except (InvalidTag, Base64Error, ValueError) as error:
        raise StateError("a secret cannot be decrypted: it is damaged, or belongs to another stack") from error
