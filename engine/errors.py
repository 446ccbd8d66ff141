"""The exceptions of this package.

::

    EngineError
    ├── InputError          what the user gave is wrong; nothing was contacted or changed
    │   ├── Unsupported     a Pulumi feature that this engine refuses by name
    │   └── PassphraseError the passphrase is missing or wrong
    ├── StateError          the saved state cannot be read or trusted
    ├── LockedError         another run holds the stack
    ├── ProgramError        the user's program failed (its traceback has been shown)
    └── ProviderError       a provider refused an operation; nothing changed
        ├── PartialFailure  the object exists but is not ready
        ├── Interrupted     the outcome of an operation is not known
        ├── Unrecoverable   nobody but a person can find out what an interrupted creation left
        └── Unreachable     the provider's service cannot be reached or refuses the credentials
"""

from collections.abc import Mapping, Sequence
from typing import Any


class EngineError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(EngineError):
    """What the user gave is wrong; the message names the file, field, value and remedy."""


class Unsupported(InputError):  # noqa: N818 - reads as what is said
    """A feature of Pulumi that this engine does not have.

    Args:
        feature: The feature's name in Pulumi's own documentation.
    """

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} is not supported by the embedded engine; use the Pulumi CLI")
        self.feature = feature


class PassphraseError(InputError):
    """The passphrase is missing, or is not the one the stack's secrets were encrypted with."""


class StateError(EngineError):
    """The saved state cannot be read or trusted."""


class LockedError(EngineError):
    """Another run holds the stack."""


class ProgramError(EngineError):
    """The user's program failed; its own message has already been shown."""


class ProviderError(EngineError):
    """A provider refused an operation and nothing changed."""


class PartialFailure(ProviderError):  # noqa: N818 - reads as what happened
    """The object exists (it was created or updated) but did not become ready.

    The engine records the object, reports the reasons, and awaits it again at the next run.

    Args:
        id: The object's provider id.
        outputs: Its properties as last seen.
        reasons: Why it is not ready, most important first.
    """

    def __init__(self, id: str, outputs: Mapping[str, Any], reasons: Sequence[str]) -> None:  # noqa: A002 - Pulumi's word
        super().__init__("; ".join(reasons))
        self.id = id
        self.outputs = dict(outputs)
        self.reasons = list(reasons)


class Interrupted(ProviderError):  # noqa: N818 - reads as what happened
    """The request was sent but its outcome is not known, for example because the connection broke.

    The engine keeps the operation as pending and settles it at the next run.
    """


class Unrecoverable(ProviderError):  # noqa: N818 - reads as what is said
    """The provider has no way to look for what an interrupted creation left behind."""


class Unreachable(ProviderError):  # noqa: N818 - reads as what happened
    """The provider's service cannot be reached, or it refuses the credentials; nothing changed."""
