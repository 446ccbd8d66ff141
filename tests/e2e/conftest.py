"""A copy of the project that runs on the tests' own platform."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.platform.identity import NAMESPACE
from local.platform import Platform
from tests.e2e.project import Project
from tests.samples import ROOT

IMAGES = ["envoy", "envoy-gateway", "jupyterhub", "jupyterlab", "keycloak"]


@pytest.fixture(scope="session")
def stack_images(platform: Platform) -> None:
    """Every image of the stack, present on the platform's node."""
    command = [sys.executable, "-m", "images", "build", "--json", *IMAGES]
    built = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    for image in built:
        if image["name"] in IMAGES:
            platform.containerd.load(Path(image["archive"]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, platform: Platform, stack_images: None) -> Iterator[Project]:
    """The project's program, stack and example workspaces, pointed at the tests' platform; destroyed afterwards."""
    folder = tmp_path_factory.mktemp("project")
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / file, folder)
    for part in ("stacks", "workspaces"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    _point_at(folder / "stacks" / "profiles" / "local.yaml", platform)
    project = Project(folder, platform)
    yield project
    project.destroy()


@pytest.fixture(scope="module")
def running(project: Project) -> Project:
    """The project, brought up."""
    project.cloison("up", "--yes")
    return project


def _point_at(profile: Path, platform: Platform) -> None:
    yaml = YAML()
    content = yaml.load(profile)
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["exposure"]["gateway"]["port"] = platform.ports.tls
    content["identity"]["administration"] = f"https://keycloak.{NAMESPACE}.localhost:{platform.ports.tls}"
    yaml.dump(content, profile)
