"""Read a YAML file and remember on which line each field stands."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from documents.problems import InvalidDocumentsError, Problem

Location = tuple[str | int, ...]
"""Keys and positions that lead from the top of a document to a field."""


@dataclass(frozen=True)
class Document:
    """A parsed YAML file."""

    file: Path
    content: CommentedMap

    def line(self, location: Location) -> int:
        """Line of a field, counted from 1; of its nearest existing parent when the field is absent."""
        line, node = 1, cast("object", self.content)
        for step in location:
            line = _line_of(node, step, otherwise=line)
            node = _child(node, step)
        return line

    def value(self, location: Location) -> object:
        """The value at a location, or None when there is none."""
        node = cast("object", self.content)
        for step in location:
            node = _child(node, step)
        return node


def read_document(file: Path) -> Document:
    """Parse one file.

    Raises:
        InvalidDocumentsError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        content = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise InvalidDocumentsError([_syntax_problem(file, error)]) from error
    except OSError as error:
        problem = Problem(file, 0, "", "", f"cannot be read ({error.strerror})", "check that the file exists")
        raise InvalidDocumentsError([problem]) from error
    if not isinstance(content, CommentedMap):
        problem = Problem(file, 1, "", "", "is not a mapping of fields", "write it as `field: value` lines")
        raise InvalidDocumentsError([problem])
    return Document(file, content)


def _syntax_problem(file: Path, error: Exception) -> Problem:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    reason = error.problem if isinstance(error, MarkedYAMLError) and error.problem else "unreadable text"
    line = mark.line + 1 if mark else 0
    return Problem(file, line, "", "", f"is not valid YAML ({reason.strip()})", "correct the YAML at this line")


def _line_of(node: object, step: str | int, otherwise: int) -> int:
    if isinstance(node, CommentedMap) and step in node:
        return node.lc.key(step)[0] + 1
    if isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
        return node.lc.item(step)[0] + 1
    return otherwise


def _child(node: object, step: str | int) -> object:
    if isinstance(node, CommentedMap):
        return node.get(step)
    if isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
        return node[step]
    return None
