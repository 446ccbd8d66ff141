"""The finished runs of a stack, one file each, as Pulumi's local backend keeps them."""

import json
import time
from collections.abc import Mapping
from typing import Any

from engine.journal import write_atomically
from engine.session import Place, Session


def write_history(session: Session, kind: str, started: float, changes: Mapping[str, int], *, succeeded: bool) -> None:
    """Record a run.

    Args:
        session: The stack.
        kind: The command.
        started: Seconds since the epoch.
        changes: How many resources were touched, by operation.
        succeeded: Whether everything is as wanted.
    """
    masked = session.masked_configuration()
    entry = {
        "kind": {"up": "update"}.get(kind, kind),
        "startTime": int(started),
        "endTime": int(time.time()),
        "message": "",
        "environment": {},
        "config": {key: {"value": value, "secret": value == "[secret]"} for key, value in masked.items()},
        "result": "succeeded" if succeeded else "failed",
        "resourceChanges": dict(changes),
    }
    name = f"{session.place.stack}-{int(started * 1e9)}.history.json"
    write_atomically(session.files.history / name, json.dumps(entry, indent=4).encode())


def read_history(place: Place) -> list[dict[str, Any]]:
    """Return the entries of finished runs, the newest first."""
    files = place.files(place.project())
    return [json.loads(path.read_bytes()) for path in sorted(files.history.glob("*.history.json"), reverse=True)]
