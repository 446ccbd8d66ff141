"""A copy of the project that runs on the tests' own platform."""

from collections.abc import Iterator

import pytest

from local.platform import Platform
from tests.e2e.project import Project, load_images


@pytest.fixture(scope="session")
def stack_images(platform: Platform) -> None:
    """Every image of the stack, present on the platform's node."""
    load_images(platform)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, platform: Platform, stack_images: None) -> Iterator[Project]:
    """The project's program, stack and example workspaces, pointed at the tests' platform; destroyed afterwards."""
    project = Project.copied(tmp_path_factory.mktemp("project"), platform)
    yield project
    project.destroy()


@pytest.fixture(scope="module")
def running(project: Project) -> Project:
    """The project, brought up."""
    project.cloison("up", "--yes")
    return project
