"""What a run would delete that nobody gave up: found before the engine starts, in the words of workspace files.

The volumes are protected in the stack as well, so that a run which passes here by mistake still deletes none.
"""

from collections.abc import Sequence

from operations.deployed import Volume
from operations.errors import UsageError
from workspaces.model import Workspace


def refuse_lost_data(volumes: Sequence[Volume], projects: Sequence[Workspace]) -> None:
    """Refuse a run that would delete somebody's volume.

    Args:
        volumes: those that nobody gave up.
        projects: the projects as their files describe them now.

    Raises:
        UsageError: a project's file is gone, or a member's entry, and the project has not ended.
    """
    described = {project.name: {member.name for member in project.members} for project in projects}
    if lost := list(dict.fromkeys(problem for each in volumes if (problem := _loss(each, described)))):
        raise UsageError("\n".join(lost))


def refuse_unended(volumes: Sequence[Volume], verb: str) -> None:
    """Refuse to delete projects that have not ended.

    Raises:
        UsageError: there are such projects.
    """
    if working := sorted({each.project for each in volumes}):
        message = f"{verb} would delete the data of {', '.join(working)}: run `cloison end NAME` for each first"
        raise UsageError(message)


def _loss(volume: Volume, described: dict[str, set[str]]) -> str | None:
    name, file = volume.project, f"workspaces/{volume.project}.yaml"
    if name not in described:
        return f"{file} is gone, but {name} has not ended and its data would be deleted: put it back, or end it first"
    if volume.member is not None and volume.member not in described[name]:
        return f"{file}: member {volume.member} is gone, and their volume with it: put them back with `left: true`"
    return None
