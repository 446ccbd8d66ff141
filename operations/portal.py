"""A file for a portal that lists the projects: the same that `cloison urls --json` prints, and whom to trust."""

import json
import os
from pathlib import Path

from operations.deployed import Deployed
from operations.stack import Stack

FORMAT = 1
"""Version of the file's form; it grows when a field goes or changes its meaning."""


def folder(stack: Stack) -> Path:
    """Where a stack's files for others are, out of version control: they name people."""
    return stack.project / ".cloison" / stack.name


def write(stack: Stack, deployed: Deployed) -> Path:
    """Write ``portal.json`` and, where the stack has an authority of its own, ``authority.crt`` beside it.

    Returns:
        The folder, readable by its owner and group.
    """
    place = folder(stack)
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    content = {"format": FORMAT, "stack": stack.name, "projects": [each.as_dict() for each in deployed.projects]}
    _replace(place / "portal.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    if deployed.authority:
        _replace(place / "authority.crt", deployed.authority)
    return place


def _replace(file: Path, content: str) -> None:
    """Write a file at once or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o640)
    draft.write_text(content, encoding="utf-8")
    draft.replace(file)
