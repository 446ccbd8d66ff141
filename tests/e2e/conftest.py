"""A copy of the project that runs on the tests' own platform."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from local.platform import Platform
from tests.e2e.project import Project
from tests.samples import ROOT


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, platform: Platform, jupyterlab_image: str) -> Project:
    """The project's program, stack and example workspace, pointed at the tests' platform."""
    folder = tmp_path_factory.mktemp("project")
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / file, folder)
    for part in ("stacks", "workspaces"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    _point_at(folder / "stacks" / "profiles" / "local.yaml", platform)
    return Project(folder, platform)


def _point_at(profile: Path, platform: Platform) -> None:
    yaml = YAML()
    content = yaml.load(profile)
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["exposure"]["port"] = platform.ports.http
    yaml.dump(content, profile)
