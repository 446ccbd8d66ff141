import pytest

from operations.deployed import Volume
from operations.errors import UsageError
from operations.guards import refuse_lost_data, refuse_unended
from tests.samples import cohort, workspace

ADA, HUB = Volume("sleep-study", "ada"), Volume("sleep-study", None)


def test_what_is_described_may_be_brought_up() -> None:
    refuse_lost_data([ADA, HUB], [workspace(cohort())])
    refuse_lost_data([], [workspace(cohort())])


def test_a_project_without_its_file_is_refused_once() -> None:
    with pytest.raises(UsageError) as refused:
        refuse_lost_data([ADA, HUB], [])
    assert str(refused.value) == (
        "workspaces/sleep-study.yaml is gone, but sleep-study has not ended and its data would be deleted: "
        "put it back, or end it first"
    )


def test_each_member_whose_entry_is_gone_is_named() -> None:
    with pytest.raises(UsageError, match=r"member ben is gone, .*\n.*member cleo is gone"):
        refuse_lost_data([ADA, Volume("sleep-study", "ben"), Volume("sleep-study", "cleo")], [workspace(cohort())])


def test_only_ended_projects_may_be_destroyed() -> None:
    refuse_unended([], "destroy")
    with pytest.raises(UsageError, match="destroy would delete the data of heart, sleep-study: run `cloison end NAME`"):
        refuse_unended([ADA, HUB, Volume("heart", None)], "destroy")
