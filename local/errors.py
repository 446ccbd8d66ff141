"""What can go wrong on the local platform, in one tree.

PlatformError          something failed while running: exit code 1
└── RefusedError       bad input or an unfit machine, found before anything changed: exit code 2
"""


class PlatformError(Exception):
    """The platform could not do what was asked; the message says what failed and where to look."""

    exit_code = 1


class RefusedError(PlatformError):
    """Refused before anything was changed; the message names the value and what to do instead."""

    exit_code = 2
