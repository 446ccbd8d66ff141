"""What can go wrong in a command, in words for the person who typed it.

OperationError
├── UsageError       what was asked cannot be done; nothing was contacted
├── EngineFailedError    the engine ended with an error, which it has shown
├── KeyStoreClosedError  the key store is sealed, or cannot be reached
└── NotAnsweringError    a tool does not do what a researcher expects of it
"""


class OperationError(Exception):
    """Base of the errors below; ``status`` is the command's exit status."""

    status = 1


class UsageError(OperationError):
    """What was asked cannot be done: the message says why and what to do instead."""

    status = 2


class EngineFailedError(OperationError):
    """The engine has said what failed."""

    def __init__(self, command: str, status: int) -> None:
        self.status = status
        super().__init__(f"{command} failed with status {status}; what it says above names the resource and the reason")


class KeyStoreClosedError(OperationError):
    """The key store is sealed, or cannot be reached: nothing can be declared in it."""


class NotAnsweringError(OperationError):
    """A tool does not do what a researcher expects of it."""
