"""How a stack's projects stand: as their files say, as they were brought up, and whether they answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from operations.answering import answers
from operations.deployed import Deployed
from workspaces.model import Workspace
from workspaces.summary import Summary

SOON = 30
"""Days before the end of a permit from which it is shown as a warning."""


@dataclass(frozen=True)
class Standing:
    """One project."""

    project: str
    state: str
    """As its file says."""
    deployed: str
    """The state that it was last brought up in; `never`, or `undescribed` where its file is gone."""
    permit_days: int
    """Days that the permit still holds; negative when it has ended."""
    members: int
    answers: bool

    @property
    def well(self) -> bool:
        """Whether nothing asks for anybody's attention."""
        return self.answers and self.state == self.deployed and self.permit_days >= 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"well": self.well}


def standings(deployed: Deployed, projects: Sequence[Workspace], today: date) -> list[Standing]:
    """How every project stands that has a file or was brought up."""
    files = {each.name: each for each in projects}
    running = {each.project: each for each in deployed.projects}
    return [
        _standing(name, files.get(name), running.get(name), deployed.authority, today)
        for name in sorted(files.keys() | running.keys())
    ]


def _standing(
    name: str, described: Workspace | None, running: Summary | None, authority: str | None, today: date
) -> Standing:
    ends = described.permit.expires if described else date.fromisoformat(running.permit_expires if running else "")
    return Standing(
        project=name,
        state=described.state if described else "undescribed",
        deployed=running.state if running else "never",
        permit_days=(ends - today).days,
        members=len(described.members if described else running.members if running else ()),
        answers=bool(running and running.tools and answers(running.tools[0].url, authority)),
    )
