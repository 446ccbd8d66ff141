from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from pydantic import ValidationError

from documents import InvalidDocumentsError
from tests.samples import TODAY, WORKSPACES, cohort, workspace
from workspaces.loading import load_workspace
from workspaces.model import PERMIT_LONGEST, Workspace


def _errors(content: dict[str, object]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as refused:
        workspace(content)
    return {error["loc"]: error["msg"] for error in refused.value.errors()}


@given(WORKSPACES)
def test_a_valid_workspace_reads_back_as_itself(project: Workspace) -> None:
    again = Workspace.model_validate_json(project.model_dump_json(), context={"today": TODAY})
    assert again == project


@pytest.mark.parametrize("name", ["Sleep", "sleep_study", "-sleep", "sleep-", "1sleep", "", "é", "a" * 41, "a.b"])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    assert list(_errors(cohort() | {"name": name})) == [("name",)]


@pytest.mark.parametrize(
    ("days", "accepted"), [(-1, False), (0, True), (PERMIT_LONGEST.days, True), (PERMIT_LONGEST.days + 1, False)]
)
def test_a_permit_is_valid_today_and_three_years_ahead_at_most(days: int, accepted: bool) -> None:
    content = cohort() | {"permit": {"reference": "DR", "expires": TODAY + timedelta(days=days)}}
    if accepted:
        assert workspace(content).permit.expires == TODAY + timedelta(days=days)
    else:
        assert list(_errors(content)) == [("permit", "expires")]


def test_a_member_named_twice_is_found_beside_every_other_error() -> None:
    ada = {"name": "ada", "email": "ada@lab.example", "role": "lead"}
    content = cohort() | {"members": [ada, ada | {"email": "ADA@lab.example", "role": "boss"}], "titel": "x"}
    assert set(_errors(content)) == {
        ("titel",),
        ("members", 1, "name"),
        ("members", 1, "email"),
        ("members", 1, "role"),
    }


def test_addresses_are_kept_in_lower_case() -> None:
    content = cohort() | {"members": [{"name": "ada", "email": "Ada@Lab.Example", "role": "lead"}]}
    assert workspace(content).members[0].email == "ada@lab.example"


def test_a_workspace_without_tools_is_refused() -> None:
    assert list(_errors(cohort() | {"tools": {}})) == [("tools",)]


EGRESS = {"cidr": "192.0.2.10/32", "port": 443, "reason": "reference data"}
WAIVER = {"reason": "decided by the committee on 2026-11-02", "expires": TODAY + timedelta(days=30)}


@pytest.mark.parametrize(
    ("changes", "field", "waiver"),
    [
        ({"tools": {"jupyterlab": {"downloads": True}}}, ("tools", "jupyterlab", "downloads"), "downloads"),
        ({"tools": {"rstudio": {}}}, ("tools", "rstudio"), "downloads"),
        ({"egress": [EGRESS]}, ("egress",), "egress"),
    ],
)
def test_personal_data_leave_only_under_a_waiver(
    changes: dict[str, object], field: tuple[str, ...], waiver: str
) -> None:
    (error,) = _refusals(cohort() | changes)
    assert error["at"] == field
    assert workspace(cohort() | changes | {"waivers": [{"rule": waiver, **WAIVER}]}).waived(waiver)  # type: ignore[arg-type]
    workspace(cohort() | changes | {"data_class": "synthetic"})


def _refusals(content: dict[str, object]) -> list[dict[str, object]]:
    with pytest.raises(ValidationError) as refused:
        workspace(content)
    return [error.get("ctx", {}) for error in refused.value.errors()]


@pytest.mark.parametrize(("days", "accepted"), [(-1, False), (0, True), (366, True), (367, False)])
def test_a_waiver_ends_within_a_year(days: int, accepted: bool) -> None:
    content = cohort() | {"waivers": [{"rule": "egress", **WAIVER, "expires": TODAY + timedelta(days=days)}]}
    if accepted:
        assert workspace(content).waived("egress")
    else:
        assert list(_errors(content)) == [("waivers", 0, "expires")]


def test_an_allow_list_opens_no_wide_range() -> None:
    content = cohort() | {"data_class": "synthetic", "egress": [EGRESS | {"cidr": "10.0.0.0/8"}]}
    assert "opens 16777216 addresses" in _errors(content)[("egress", 0, "cidr")]


def test_a_quota_smaller_than_the_tools_is_refused_with_the_least_that_does() -> None:
    (refusal,) = _refusals(cohort() | {"quota": {"cpu": 1, "memory_gib": 1}})
    assert refusal["at"] == ("quota",)
    assert refusal["remedy"] == "write at least `cpu: 3` and `memory_gib: 2`, or choose smaller sizes"
    assert workspace(cohort() | {"quota": {"cpu": 3, "memory_gib": 2}}).quota


@pytest.mark.parametrize("state", ["frozen", "ended"])
def test_a_closed_project_s_permit_may_have_ended(state: str, tmp_path: Path) -> None:
    file = tmp_path / "sleep-study.yaml"
    written = {**cohort(), "permit": {"reference": "DR", "expires": TODAY - timedelta(days=1)}}
    yaml.safe_dump({**written, "state": state}, file.open("w"))
    assert load_workspace(file, TODAY).state == state
    yaml.safe_dump(written, file.open("w"))
    with pytest.raises(InvalidDocumentsError, match="write `state: frozen`"):
        load_workspace(file, TODAY)


def test_a_member_who_left_no_longer_works_in_the_project() -> None:
    members = [
        {"name": "ada", "email": "ada@lab.example", "role": "lead"},
        {"name": "ben", "email": "ben@lab.example", "role": "researcher", "left": True},
    ]
    project = workspace(cohort() | {"members": members})
    assert [member.name for member in project.working] == ["ada"]
