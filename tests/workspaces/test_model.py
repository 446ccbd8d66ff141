from datetime import timedelta

import pytest
from hypothesis import given
from pydantic import ValidationError

from tests.samples import TODAY, WORKSPACES, cohort, workspace
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
