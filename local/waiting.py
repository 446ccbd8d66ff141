"""Waiting for a condition with a deadline, never for a length of time."""

import time
from collections.abc import Callable

from local.errors import PlatformError


def until(condition: Callable[[], bool], what: str, seconds: float, pause: float = 0.1) -> None:
    """Return as soon as the condition holds.

    Args:
        condition: asked again and again; may raise PlatformError to give up at once.
        what: completes the sentence "… did not happen", for the error.
        seconds: how long to wait at most.
        pause: seconds between two questions.

    Raises:
        PlatformError: the condition does not hold at the deadline.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"{what} did not happen within {seconds:.0f} seconds"
            raise PlatformError(message)
        time.sleep(pause)
