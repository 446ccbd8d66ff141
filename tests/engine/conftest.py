import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine import crypto
from engine.events import Event
from engine.run import Options, Result, destroy, preview, refresh_stack, up
from engine.session import Place
from tests.engine.memory import Cloud
from tests.engine.simulation import Simulation

PASSPHRASE = "correct horse"


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys in no time; the real number of rounds has a test of its own."""
    monkeypatch.setattr(crypto, "_ITERATIONS", 10)


@pytest.fixture
def stack(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path / "state")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> str:
    """The cluster in CLOISON_TEST_KUBECONFIG, or else the tests' own."""
    given = os.environ.get("CLOISON_TEST_KUBECONFIG")
    return given or str(request.getfixturevalue("platform").kubeconfig)


@dataclass
class Project:
    """A Pulumi project on disk, run by the real SDK against a cloud in memory."""

    folder: Path
    cloud: Cloud = field(default_factory=Cloud)
    events: list[Event] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def write(self, program: str, name: str = "__main__.py") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(program))

    @property
    def place(self) -> Place:
        environment = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
        return Place("dev", self.folder, environment=environment)

    def options(self, **settings: Any) -> Options:
        self.events.clear()
        factories = {"cloud": self.cloud.factory}
        return Options(self.place, factories=factories, listeners=[self.events.append], **{**self.settings, **settings})

    def preview(self, **settings: Any) -> Result:
        return preview(self.options(**settings))

    def up(self, **settings: Any) -> Result:
        return up(self.options(skip_preview=True, **settings))

    def planned_up(self, confirm: Callable[[Result], bool] = lambda _: True, **settings: Any) -> Result:
        return up(self.options(**settings), confirm)

    def refresh(self, **settings: Any) -> Result:
        return refresh_stack(self.options(skip_preview=True, **settings))

    def destroy(self, **settings: Any) -> Result:
        return destroy(self.options(skip_preview=True, **settings))

    @property
    def messages(self) -> list[str]:
        return [event["diagnosticEvent"]["message"] for event in self.events if "diagnosticEvent" in event]

    @property
    def operations(self) -> list[tuple[str, str]]:
        found = [event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event]
        return [(item["op"], item["urn"].rpartition("::")[2]) for item in found if item["op"] != "same"]


THINGS = """
import pulumi

class Thing(pulumi.CustomResource):
    serial: pulumi.Output[int]
    name: pulumi.Output[str]

    def __init__(self, label, opts=None, **inputs):
        super().__init__("cloud:index:Thing", label, {**inputs, "serial": None}, opts)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "shop")
    made.write("name: shop\nruntime: python\n", "Pulumi.yaml")
    made.write(THINGS, "things.py")
    return made
