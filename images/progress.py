"""What the user sees while an image is built."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Progress:
    """Tells each step on standard error: a moving line on a terminal, one line a step elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)

    @contextmanager
    def task(self, title: str) -> Iterator["Task"]:
        """Show a task for as long as it runs, then how long it took."""
        began = time.monotonic()
        with self._console.status(f"{title} …") as status:
            yield Task(self._console, title, status)
        self.note(f"{title}: {time.monotonic() - began:.1f} s")

    def note(self, text: str) -> None:
        """Say one line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)


class Task:
    """A running task."""

    def __init__(self, console: Console, title: str, status: Status) -> None:
        self._console = console
        self._title = title
        self._status = status

    def say(self, step: str) -> None:
        """Tell which step of the task runs now."""
        line = Text(f"{self._title}: {step}", overflow="ellipsis", no_wrap=True)
        if self._console.is_terminal:
            self._status.update(line)
        else:
            self._console.print(line, soft_wrap=True)
