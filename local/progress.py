"""Progress of a command: one line for each step with its duration, on a terminal and in a log alike."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

REMIND = 20.0
"""Seconds after which a step that is still running says so, where there is no terminal to show a moving line."""


class Progress:
    """Prints what is being done and how long it took.

    Args:
        console: where to print; by default standard error, so that standard output stays for results.
        quiet: print nothing, for callers that report in their own way.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, highlight=False, quiet=quiet)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Time the block and print its line when it ends well."""
        began = time.monotonic()
        with self._moving(text, began):
            yield
        self._line(text, began)

    @contextmanager
    def total(self, text: str) -> Iterator[None]:
        """Time a block of several steps and print its line below theirs."""
        began = time.monotonic()
        yield
        self._line(text, began)

    @contextmanager
    def _moving(self, text: str, began: float) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(text):
                yield
            return
        done = threading.Event()
        reminder = threading.Thread(target=self._remind, args=(text, began, done), daemon=True)
        reminder.start()
        try:
            yield
        finally:
            done.set()
            reminder.join()

    def _remind(self, text: str, began: float, done: threading.Event) -> None:
        while not done.wait(REMIND):
            self._line(f"… {text}", began)

    def _line(self, text: str, began: float) -> None:
        self.console.print(f"{time.monotonic() - began:7.1f} s  {text}", markup=False, soft_wrap=True)
