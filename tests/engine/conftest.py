from pathlib import Path

import pytest

from tests.engine.simulation import Simulation


@pytest.fixture
def stack(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path / "state")
