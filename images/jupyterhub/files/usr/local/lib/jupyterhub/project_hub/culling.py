"""Which running servers end: those that are idle, and those whose member may no longer work."""

from datetime import UTC, datetime, timedelta
from typing import Any

from project_hub.admission import refusal
from project_hub.settings import Settings


def ends(inactive: timedelta, inactive_limit: float, server: dict[str, Any]) -> bool:
    """Tell the idle culler whether to stop a server.

    Args:
        inactive: time since somebody last used it.
        inactive_limit: how long that may be, in seconds.
        server: JupyterHub's model of the server; its path is `/user/<member>/`.
    """
    member = server["url"].strip("/").rpartition("/")[2]
    shut = refusal(Settings.read(), member, datetime.now(UTC).date()) is not None
    return shut or inactive.total_seconds() >= inactive_limit
