"""Read all workspace files of a folder."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from documents import InvalidDocumentsError, Problem, read_document, validate
from documents.reading import Document
from workspaces.model import Workspace


def load_workspaces(folder: Path, today: date) -> list[Workspace]:
    """Every project described in a folder, in order of name.

    Args:
        folder: where the ``*.yaml`` files are, one project each.
        today: the day on which permits must be valid.

    Raises:
        InvalidDocumentsError: with every problem of every file.
    """
    found: list[tuple[Path, Workspace]] = []
    problems: list[Problem] = []
    for file in sorted(folder.glob("[!.]*.yaml")):
        try:
            found.append((file, load_workspace(file, today)))
        except InvalidDocumentsError as error:
            problems += error.problems
    problems += _misnamed(found)
    if problems:
        raise InvalidDocumentsError(problems)
    return [workspace for _, workspace in found]


def load_workspace(file: Path, today: date) -> Workspace:
    """The project that one file describes.

    Raises:
        InvalidDocumentsError: with every problem of the file.
    """
    document = read_document(file)
    result = validate(Workspace, document, {"today": today, "closed": _closed(document)})
    if isinstance(result, Workspace):
        return result
    raise InvalidDocumentsError(result)


def _closed(document: Document) -> bool:
    """Whether nobody works in the project any more, so that its permit need not hold."""
    content = document.content
    return isinstance(content, Mapping) and content.get("state") in {"frozen", "ended"}


def _misnamed(found: Sequence[tuple[Path, Workspace]]) -> list[Problem]:
    """Files whose name is not their project's: with them gone, no two files can describe one project."""
    return [
        Problem(file, 1, "name", repr(workspace.name), "is not the name of the file", _rename(file, workspace))
        for file, workspace in found
        if file.stem != workspace.name
    ]


def _rename(file: Path, workspace: Workspace) -> str:
    return f"rename the file to {workspace.name}.yaml, or the project to {file.stem}"
