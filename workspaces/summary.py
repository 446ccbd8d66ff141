"""What a stack hands out in the end: where each project's tools are, and for whom."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from workspaces.model import Workspace


@dataclass(frozen=True)
class ToolAddress:
    """Where one tool answers browsers."""

    tool: str
    url: str


@dataclass(frozen=True)
class MemberSummary:
    """One member, as a portal shows people."""

    name: str
    email: str
    role: str
    left: bool


@dataclass(frozen=True)
class Summary:
    """One project as it was last brought up."""

    project: str
    title: str
    state: str
    data_class: str
    permit_expires: str
    """Last day of the permit, YYYY-MM-DD."""
    tools: tuple[ToolAddress, ...]
    members: tuple[MemberSummary, ...]

    @classmethod
    def of(cls, workspace: Workspace, url: str) -> Self:
        """Summarise a project.

        Args:
            workspace: the project.
            url: where its hub answers, which starts all of its tools.
        """
        return cls(
            project=workspace.name,
            title=workspace.title,
            state=workspace.state,
            data_class=workspace.data_class,
            permit_expires=workspace.permit.expires.isoformat(),
            tools=tuple(ToolAddress(tool, url) for tool in workspace.tools.named()),
            members=tuple(MemberSummary(each.name, each.email, each.role, each.left) for each in workspace.members),
        )

    @classmethod
    def read(cls, exported: Mapping[str, Any]) -> Self:
        """The summary that `exported` was made from."""
        tools = tuple(ToolAddress(**each) for each in exported["tools"])
        members = tuple(MemberSummary(**each) for each in exported["members"])
        return cls(**{**exported, "tools": tools, "members": members})

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as it is exported and printed."""
        return asdict(self) | {
            "tools": [asdict(each) for each in self.tools],
            "members": [asdict(each) for each in self.members],
        }
