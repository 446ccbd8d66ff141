"""Who may work in a project: the rules in the jupyterhub image, apart from JupyterHub itself."""

import importlib
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.components.hub_rendering import hub_settings
from tests.samples import ROOT, TODAY, WORKSPACES, cohort, local_profile, workspace
from workspaces.model import Workspace

LIBRARY = ROOT / "images/jupyterhub/files/usr/local/lib/jupyterhub"
sys.path.append(str(LIBRARY))
admission, settings_module, subjects, culling = (
    importlib.import_module(f"project_hub.{name}") for name in ("admission", "settings", "subjects", "culling")
)
GROUP = "/projects/sleep-study"
CLAIMS = {"sub": "s-1", "email": "Ada@lab.example", "email_verified": True, "groups": [GROUP]}


def _told(project: Workspace | None = None) -> Any:
    return settings_module.Settings.model_validate(hub_settings(project or workspace(cohort()), local_profile()))


def _changed(settings: Any, **changes: object) -> Any:
    return settings.model_copy(update=changes)


def _admit(claims: dict[str, object], settings: Any = None, known: dict[str, str] | None = None) -> Any:
    person = admission.Person.of(claims, "groups")
    return admission.admit(person, settings or _told(), known or {}, TODAY)


@settings(max_examples=20)
@given(WORKSPACES)
def test_the_hub_understands_what_the_program_tells_it(project: Workspace) -> None:
    settings = _told(project)
    assert [member.name for member in settings.members] == [member.name for member in project.members]
    assert settings.permit.expires == project.permit.expires


def test_a_member_is_found_by_a_verified_address_whatever_its_case() -> None:
    assert _admit(CLAIMS).name == "ada"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email_verified": False}, "Your e-mail address is not verified"),
        ({"email_verified": "true"}, "Your e-mail address is not verified"),
        ({"email_verified": None}, "Your e-mail address is not verified"),
        ({"email": None}, "Your e-mail address is not verified"),
        ({"email": "eve@lab.example"}, "eve@lab.example is not a member of the project"),
        ({"groups": []}, "You are not in the group"),
        ({"groups": None}, "You are not in the group"),
        ({"groups": f"{GROUP} and more"}, "You are not in the group"),
        ({"groups": [f"{GROUP}-2"]}, "You are not in the group"),
    ],
)
def test_everybody_else_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    with pytest.raises(admission.RefusedError, match=reason):
        _admit({**CLAIMS, **change})


def test_a_known_subject_keeps_its_place_under_another_address() -> None:
    assert _admit({**CLAIMS, "email": "ada.married@lab.example"}, known={"s-1": "ada@lab.example"}).name == "ada"


def test_an_address_that_passed_to_somebody_else_lets_nobody_in() -> None:
    with pytest.raises(admission.RefusedError, match=r"ada@lab\.example is not a member"):
        _admit({**CLAIMS, "sub": "s-2"}, known={"s-1": "ada@lab.example"})


def test_a_subject_in_the_workspace_file_counts_more_than_any_address() -> None:
    settings = _told()
    named = settings.members[0].model_copy(update={"subject": "s-9"})
    settings = _changed(settings, members=(named,))
    assert _admit({**CLAIMS, "sub": "s-9", "email": "other@lab.example"}, settings).name == "ada"
    with pytest.raises(admission.RefusedError):
        _admit(CLAIMS, settings)


@pytest.mark.parametrize(
    ("state", "days", "reason"),
    [
        ("active", 0, None),
        ("active", -1, "ended on 2026-11-21"),
        ("frozen", 0, "is frozen"),
        ("ended", 0, "has ended"),
    ],
)
def test_a_project_is_open_up_to_the_last_day_of_its_permit(state: str, days: int, reason: str | None) -> None:
    settings = _told()
    permit = settings.permit.model_copy(update={"expires": TODAY + timedelta(days=days)})
    said = admission.refusal(_changed(settings, state=state, permit=permit), "ada", TODAY)
    assert (said is None) if reason is None else (reason in said)


def test_who_left_the_workspace_file_is_refused() -> None:
    assert "no longer a member" in admission.refusal(_told(), "ben", TODAY)


def test_subjects_are_remembered_by_their_latest_address(tmp_path: Path) -> None:
    file = tmp_path / "subjects.json"
    assert subjects.Subjects(file).known() == {}
    for subject, email in (("s-1", "ada@lab.example"), ("s-2", "ben@lab.example"), ("s-1", "ada.lovelace@lab.example")):
        subjects.Subjects(file).remember(subject, email)
    assert subjects.Subjects(file).known() == {"s-1": "ada.lovelace@lab.example", "s-2": "ben@lab.example"}
    assert [each.name for each in tmp_path.iterdir()] == ["subjects.json"]


@pytest.fixture
def settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The settings as the running hub finds them."""
    file = tmp_path / "settings.json"
    permit = {"reference": "DR", "expires": date.today().isoformat()}
    content = json.loads(_told().model_dump_json()) | {"permit": permit}
    file.write_text(json.dumps(content))
    _point_at(monkeypatch, file)
    return file


def _point_at(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    read = settings_module.Settings.read
    monkeypatch.setattr(culling.Settings, "read", lambda: read(file))


@pytest.mark.parametrize(
    ("member", "idle", "state", "stopped"),
    [
        ("ada", 59, "active", False),
        ("ada", 60, "active", True),
        ("ada", 0, "frozen", True),
        ("ben", 0, "active", True),
    ],
)
def test_idle_servers_and_those_of_the_shut_out_are_stopped(
    settings_file: Path, member: str, idle: int, state: str, stopped: bool
) -> None:
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | {"state": state}))
    server = {"url": f"/user/{member}/", "name": ""}
    assert culling.ends(inactive=timedelta(seconds=idle), inactive_limit=60, server=server) is stopped
