from pathlib import Path

import pytest

from documents import InvalidDocumentsError
from operations.editing import set_state, write_new
from operations.errors import UsageError
from tests.samples import ROOT, TODAY
from workspaces.loading import load_workspace


def test_a_new_file_is_valid_and_named_after_its_project(tmp_path: Path) -> None:
    file = write_new(tmp_path, "sleep-study", "Ada.King@lab.example", TODAY)
    workspace = load_workspace(file, TODAY)
    assert (file.name, workspace.name) == ("sleep-study.yaml", "sleep-study")
    assert (workspace.members[0].name, workspace.members[0].email) == ("ada-king", "ada.king@lab.example")
    assert file.read_text().startswith("# yaml-language-server: $schema=workspace.schema.json\n")


def test_an_existing_project_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "sleep-study.yaml").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_new(tmp_path, "sleep-study", "ada@lab.example", TODAY)
    assert (tmp_path / "sleep-study.yaml").read_text() == "mine"


@pytest.mark.parametrize(("name", "email"), [("Sleep", "ada@lab.example"), ("sleep", "ada")])
def test_what_cannot_be_a_project_is_not_written(tmp_path: Path, name: str, email: str) -> None:
    with pytest.raises(InvalidDocumentsError, match=rf"{name}\.yaml"):
        write_new(tmp_path, name, email, TODAY)
    assert list(tmp_path.iterdir()) == []


def test_a_change_of_state_keeps_everything_else_as_it_was_written(tmp_path: Path) -> None:
    example = (ROOT / "workspaces" / "diabetes-cohort.yaml").read_text()
    file = tmp_path / "diabetes-cohort.yaml"
    file.write_text(example)
    assert set_state(file, "frozen", TODAY).state == "frozen"
    assert file.read_text() == example + "state: frozen\n"
    assert set_state(file, "active", TODAY).state == "active"
    assert file.read_text() == example + "state: active\n"


def test_the_state_of_an_unknown_project_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    with pytest.raises(UsageError, match="no project 'b'; there are: a"):
        set_state(tmp_path / "b.yaml", "frozen", TODAY)
