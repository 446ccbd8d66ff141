"""Where a researcher finds a tool: what a stack hands out in the end."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """Where one member finds one tool."""

    project: str
    tool: str
    member: str
    url: str
