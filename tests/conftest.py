"""What every test may ask for."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local.platform import Platform

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")

PLATFORM = os.environ.get("CLOISON_TEST_PLATFORM", "test")
"""Name of the platform that the tests share; a developer's own is never touched. Two runs at once need two names."""
KEEP = "CLOISON_KEEP_PLATFORM"
"""Set it to leave the tests' platform up between runs while working on a test."""


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A running local Kubernetes, gone without a trace afterwards."""
    platform = Platform(PLATFORM)
    try:
        yield platform.up()
    finally:
        if not os.environ.get(KEEP):
            platform.down(purge=True)


@pytest.fixture(scope="session")
def jupyterlab_image(platform: Platform) -> str:
    """Reference of the JupyterLab image, present on the platform's node."""
    command = [sys.executable, "-m", "images", "build", "--json", "jupyterlab"]
    built = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    image = next(each for each in built if each["name"] == "jupyterlab")
    platform.containerd.load(Path(image["archive"]))
    return image["reference"]
