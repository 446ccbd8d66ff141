"""What is wrong with a file, in words its author can act on."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one place of one file."""

    file: Path
    line: int
    """Line of the field, counted from 1; 0 when the whole file is meant."""
    field: str
    """Path of the field, such as ``members[2].email``; empty when the whole file is meant."""
    value: str
    """The offending value as written; empty when there is none to show."""
    message: str
    remedy: str

    def of(self, file: Path) -> "Problem":
        """The same problem in another file."""
        return replace(self, file=file)

    def __str__(self) -> str:
        """One line: place, field, value, what is wrong, what to do."""
        parts = [f"{self.file}:{self.line}" if self.line else str(self.file)]
        if self.field:
            parts.append(f"{self.field} = {self.value}" if self.value else self.field)
        return f"{': '.join(parts)}: {self.message}; {self.remedy}"


class InvalidDocumentsError(ValueError):
    """Files that cannot be used, with every problem found in them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
