"""How many requests may be under way at once, learnt from the API server's answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Limiter:
    """Additive increase, multiplicative decrease, as TCP does it. Thread-safe.

    Each answer that is not a refusal raises the limit by one per round; each ``429 Too Many Requests`` halves it, but
    only once for all requests that were under way then.

    Args:
        initial: Requests at once to start with, and the most ever allowed.
    """

    def __init__(self, initial: int) -> None:
        self._most = float(initial)
        self._limit = float(initial)
        self._active = 0
        self._round = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be under way at once now."""
        return int(self._limit)

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Wait for a place, hold it, and yield the number of the current round for :meth:`refused`."""
        with self._changed:
            self._changed.wait_for(lambda: self._active < self.limit)
            self._active += 1
            current = self._round
        try:
            yield current
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify()

    def accepted(self) -> None:
        """Note that the server answered."""
        if self._limit >= self._most:
            return
        with self._changed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._changed.notify()

    def refused(self, round_: int) -> None:
        """Note that the server had too much to do, in answer to a request of that round."""
        with self._changed:
            if round_ == self._round:
                self._limit = max(1.0, self._limit / 2)
                self._round += 1
