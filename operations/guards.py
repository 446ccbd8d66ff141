"""What a run would delete that nobody gave up: found before the engine starts, in the words of workspace files.

The volumes are protected in the stack as well, so that a run which passes here by mistake still deletes none.
"""

from collections.abc import Sequence

from operations.errors import UsageError
from workspaces.model import Workspace
from workspaces.summary import Summary


def refuse_lost_data(deployed: Sequence[Summary], projects: Sequence[Workspace]) -> None:
    """Refuse a run that would delete somebody's volume.

    Args:
        deployed: the projects as they were last brought up.
        projects: the projects as their files describe them now.

    Raises:
        UsageError: a project's file is gone, or a member's entry, and the project has not ended.
    """
    described = {project.name: project for project in projects}
    lost = [problem for each in deployed if each.state != "ended" for problem in _lost(each, described)]
    if lost:
        raise UsageError("\n".join(lost))


def refuse_unended(deployed: Sequence[Summary], verb: str) -> None:
    """Refuse to delete projects that have not ended.

    Raises:
        UsageError: there are such projects.
    """
    working = [each.project for each in deployed if each.state != "ended"]
    if working:
        message = f"{verb} would delete the data of {', '.join(working)}: run `cloison end NAME` for each first"
        raise UsageError(message)


def _lost(summary: Summary, described: dict[str, Workspace]) -> list[str]:
    file, name = f"workspaces/{summary.project}.yaml", summary.project
    if name not in described:
        return [f"{file} is gone, but {name} has not ended and its data would be deleted: put it back, or end it first"]
    members = {member.name for member in described[name].members}
    return [
        f"{file}: member {each.name} is gone, and their volume would be deleted: put the entry back with `left: true`"
        for each in summary.members
        if each.name not in members
    ]
