"""Wait for a condition with a deadline; never for a fixed time."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.2


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it does not hold within the time; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(POLL_SECONDS)
