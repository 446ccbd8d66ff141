"""The agent's status file: whether rules stand, and for which state of the cluster."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

STALE_SECONDS = 15
"""Age in seconds at which a heartbeat says that the agent is gone. It writes one every `agent.HEARTBEAT` seconds."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the agent says of itself.

    Attributes:
        ready: A complete rule set stands before the kernel.
        current: All watches stand, so the rules follow the API to within their latency.
        resourceVersion: The newest change that the rules include.
        resourceVersions: For each collection, the version up to which the rules include its changes.
        pods: Pods with an address that the rules know.
        policies: Policies that the rules enforce.
        applied: When the kernel last took a change.
        heartbeat: When this was written.
        pid: The agent's process.
        table: The nftables table, of family inet.
    """

    ready: bool
    current: bool
    resourceVersion: int  # noqa: N815 - the API's own spelling
    resourceVersions: Mapping[str, int]  # noqa: N815
    pods: int
    policies: int
    applied: str
    heartbeat: str
    pid: int
    table: str

    def is_alive(self, moment: datetime) -> bool:
        """Whether the agent was at work less than `STALE_SECONDS` before the moment."""
        return (moment - datetime.fromisoformat(self.heartbeat)).total_seconds() < STALE_SECONDS


def now() -> str:
    """This moment, in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_status(path: Path, status: Status) -> None:
    """Replace the file in one step, so that no reader sees half of it."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(status)) + "\n")
    partial.replace(path)


def read_status(path: Path) -> Status | None:
    """What the file says; None where there is none, which means that no complete rule set stands yet."""
    try:
        return Status(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
