"""The same stack through the Pulumi CLI, where one is installed: it takes over and finds nothing to do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.transfer import export_stack, import_stack
from tests.engine.conftest import PASSPHRASE, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi command on PATH to compare with"),
]
PROGRAM = """
    import pulumi

    class Box(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("shop:index:Box", name, {"size": 1}, opts)
            self.register_outputs({"size": 1})

    inner = Box("inner", pulumi.ResourceOptions(parent=Box("outer"), protect=True))
    pulumi.export("secret", pulumi.Output.secret({"deep": ["hunter2"]}))
    pulumi.export("plain", [1, 2.5, None, True])
"""


@pytest.fixture
def shared(project: Project, tmp_path: Path) -> Project:
    project.write(PROGRAM)
    assert project.up().succeeded
    (tmp_path / "backend").mkdir()
    return project


def _pulumi(project: Project, *arguments: str, text: str | None = None) -> str:
    backend = {"PULUMI_BACKEND_URL": f"file://{project.folder.parent}/backend", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment = {**project.place.environment, **backend, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
    command = ["pulumi", *arguments, "--non-interactive"]
    done = subprocess.run(
        command, cwd=project.folder, env=environment, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_cli_takes_a_stack_over_and_back(shared: Project) -> None:
    text = json.dumps(export_stack(shared.place, show_secrets=False))
    _pulumi(shared, "stack", "init", "dev")
    _pulumi(shared, "stack", "import", text=text)
    outputs = json.loads(_pulumi(shared, "stack", "output", "--json", "--show-secrets"))
    assert outputs == {"secret": {"deep": ["hunter2"]}, "plain": [1, 2.5, None, True]}
    _pulumi(shared, "preview", "--expect-no-changes")
    import_stack(shared.place, _pulumi(shared, "stack", "export"))
    assert shared.up().changes == {"same": 3}
