"""Write and change workspace files as their authors would, comments and order kept."""

import os
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from documents import InvalidDocumentsError
from operations.errors import UsageError
from workspaces.loading import load_workspace
from workspaces.model import Workspace

START = """\
# yaml-language-server: $schema=workspace.schema.json
# Every field is described in workspace.schema.json; `cloison validate` checks the file.
name: {name}
title: {title}
data_class: synthetic        # synthetic, anonymous, pseudonymised or identifying
permit:
  reference: {permit}
  expires: {expires}
members:
  - {{name: {lead}, email: {email}, role: lead}}
tools:
  jupyterlab:
    size: small              # small, medium or large
storage:
  home_gib: 5                # for each member
"""


def write_new(folder: Path, name: str, email: str, today: date) -> Path:
    """Write a valid workspace file to start from.

    Args:
        folder: where workspace files are.
        name: the project.
        email: address of its lead.
        today: the permit is written to end a year from it.

    Raises:
        UsageError: there is such a project already.
        InvalidDocumentsError: name or address cannot be used; nothing is written.
    """
    file = folder / f"{name}.yaml"
    if file.exists():
        message = f"{file} exists already; choose another name, or edit it"
        raise UsageError(message)
    content = START.format(
        name=name,
        title="Title of the study",
        permit="TO-BE-GIVEN",
        expires=today + timedelta(days=365),
        lead=email.partition("@")[0].replace(".", "-").replace("_", "-").lower(),
        email=email,
    )
    _write_valid(file, content, today)
    return file


def set_state(file: Path, state: str, today: date) -> Workspace:
    """Change a project's state in its file.

    Raises:
        UsageError: there is no such project.
        InvalidDocumentsError: the file would not be valid; nothing is written.
    """
    if not file.exists():
        known = ", ".join(sorted(each.stem for each in file.parent.glob("*.yaml")))
        message = f"there is no project {file.stem!r}; there are: {known}"
        raise UsageError(message)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(file)
    content["state"] = state
    text = StringIO()
    yaml.dump(content, text)
    return _write_valid(file, text.getvalue(), today)


def _write_valid(file: Path, content: str, today: date) -> Workspace:
    """Write a file at once or not at all, and only when it is valid."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(content, encoding="utf-8")
    try:
        workspace = load_workspace(draft, today)
        draft.replace(file)
    except InvalidDocumentsError as error:
        raise InvalidDocumentsError([problem.of(file) for problem in error.problems]) from error
    finally:
        draft.unlink(missing_ok=True)
    return workspace
