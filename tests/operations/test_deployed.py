"""What is read out of a state, and what of it is written for portals and shown to people."""

import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from operations import portal, printing, status
from operations.deployed import Deployed, Volume
from operations.engines import EMBEDDED, Engine
from operations.stack import Stack
from tests.samples import TODAY, cohort, workspace
from workspaces.summary import Summary

URL = "https://jupyter-sleep-study.hub.example/"
SUMMARY = Summary.of(workspace(cohort()), URL)
DEPLOYED = Deployed([SUMMARY], "the certificate", {}, [])


def _claim(member: str | None, *, protect: bool = True, project: str = "sleep-study") -> dict[str, Any]:
    labels = {"cloison/project": project} | ({"cloison/member": member} if member else {})
    claim = {"type": "kubernetes:core/v1:PersistentVolumeClaim", "inputs": {"metadata": {"labels": labels}}}
    return claim | ({"protect": True} if protect else {})


def _state(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, Any]) -> None:
    monkeypatch.setattr(Engine, "resources", lambda *_, **__: list(resources))


def _read(*, show_secrets: bool = False) -> Deployed:
    return Deployed.read(EMBEDDED, Stack(Path(), "local"), show_secrets=show_secrets)


def test_a_stack_that_was_never_run_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _state(monkeypatch)
    assert _read() == Deployed([], None, {}, [])


def test_projects_are_read_as_they_were_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"projects": [SUMMARY.as_dict()], "authority": "PEM", "first_passwords": {"ada@lab.example": "planted"}}
    _state(monkeypatch, {"type": "pulumi:pulumi:Stack", "outputs": json.loads(json.dumps(outputs))})
    assert _read() == Deployed([SUMMARY], "PEM", {}, [])
    assert _read(show_secrets=True).first_passwords == {"ada@lab.example": "planted"}


def test_only_protected_volumes_of_projects_count(monkeypatch: pytest.MonkeyPatch) -> None:
    of_the_platform = {"type": _claim(None)["type"], "protect": True, "inputs": {"metadata": {"labels": {}}}}
    _state(monkeypatch, _claim("ada"), _claim(None), _claim("ben", protect=False), of_the_platform)
    assert _read().volumes == [Volume("sleep-study", "ada"), Volume("sleep-study", None)]


def test_a_portal_s_file_is_for_owner_and_group_alone(tmp_path: Path) -> None:
    folder = portal.write(Stack(tmp_path, "local"), DEPLOYED)
    assert json.loads((folder / "portal.json").read_text()) == {
        "format": 1,
        "stack": "local",
        "projects": [
            {
                "project": "sleep-study",
                "title": "Sleep and blood pressure",
                "state": "active",
                "data_class": "pseudonymised",
                "permit_expires": str(TODAY + timedelta(days=90)),
                "tools": [{"tool": "jupyterlab", "url": URL}],
                "members": [{"name": "ada", "email": "ada@lab.example", "role": "lead", "left": False}],
            }
        ],
    }
    assert (folder / "authority.crt").read_text() == "the certificate"
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o640}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Addresses that answer."""
    found = {URL}
    monkeypatch.setattr(status, "answers", lambda url, _: url in found)
    return found


def test_a_project_that_is_as_described_and_answers_is_well(answering: set[str]) -> None:
    (standing,) = status.standings(DEPLOYED, [workspace(cohort())], TODAY)
    assert standing == status.Standing("sleep-study", "active", "active", 90, 1, True)
    assert standing.well


@pytest.mark.parametrize(
    ("changes", "days", "trouble"),
    [
        ({"state": "frozen"}, 0, "! was brought up as active: run `cloison up`"),
        ({}, 70, "permit holds 20 days  ! the permit ends soon"),
        ({}, 91, "permit ended 1 days ago"),
    ],
)
def test_troubles_are_named(
    changes: dict[str, object], days: int, trouble: str, answering: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    printing.standings(status.standings(DEPLOYED, [workspace({**cohort(), **changes})], TODAY + timedelta(days=days)))
    assert trouble in capsys.readouterr().out


def test_a_hub_that_does_not_answer_is_named(answering: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    answering.clear()
    (standing,) = status.standings(DEPLOYED, [workspace(cohort())], TODAY)
    printing.standings([standing])
    assert not standing.well
    assert "! does not answer" in capsys.readouterr().out


def test_what_has_no_file_or_was_never_brought_up_is_shown_too(answering: set[str]) -> None:
    other = workspace({**cohort(), "name": "heart"})
    found = status.standings(DEPLOYED, [other], TODAY)
    assert [(each.project, each.state, each.deployed) for each in found] == [
        ("heart", "active", "never"),
        ("sleep-study", "undescribed", "active"),
    ]
    assert not any(each.well for each in found)


def test_addresses_are_printed_without_who_has_left(capsys: pytest.CaptureFixture[str]) -> None:
    gone = replace(SUMMARY.members[0], name="ben", email="ben@lab.example", left=True)
    printing.addresses(replace(DEPLOYED, projects=[replace(SUMMARY, state="frozen", members=(*SUMMARY.members, gone))]))
    assert (
        capsys.readouterr().out
        == f"sleep-study  jupyterlab  {URL} (frozen: nobody signs in)\n    for ada@lab.example\n"
    )
