"""Which issuer's subject first signed in with which address, kept on the hub's volume beside its database."""

import json
import os
from collections.abc import Mapping
from pathlib import Path


class Subjects:
    """A file of addresses by subject."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def known(self) -> Mapping[str, str]:
        """Addresses by subject; empty before the first sign-in."""
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def remember(self, subject: str, email: str) -> None:
        """Tie a subject to the address it first signed in with."""
        known = self.known()
        if known.get(subject) == email:
            return
        draft = self._file.with_suffix(".part")
        with draft.open("w") as stream:
            json.dump({**known, subject: email}, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(self._file)
