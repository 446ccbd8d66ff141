from pathlib import Path

import pytest

from documents import InvalidDocumentsError
from tests.samples import ROOT, TODAY
from workspaces.loading import load_workspaces

BAD = """\
name: Sleep Study
titel: Sleep and blood pressure
data_class: secret
permit:
  reference: DR-2026-7
  expires: 2026-11-01
members:
  - {name: ada, email: ada@lab.example, role: lead}
  - name: ada
    email: ada.lab.example
    rôle: lead
tools:
  jupyterlab: {size: huge}
"""

EXPECTED = [
    (1, "name", "write `sleep-study`"),
    (1, "title", "add it"),
    (2, "titel", "did you mean `title`?"),
    (3, "data_class", "use one of the values named"),
    (6, "permit.expires", "renew the permit and write its new last day, or write `state: frozen`"),
    (9, "members[1].name", "keep one entry for each member"),
    (9, "members[1].role", "add it"),
    (10, "members[1].email", "write it as name@organisation.example"),
    (11, "members[1].rôle", "did you mean `role`?"),
    (13, "tools.jupyterlab.size", "use one of the values named"),
]


def _problems(folder: Path) -> InvalidDocumentsError:
    with pytest.raises(InvalidDocumentsError) as refused:
        load_workspaces(folder, TODAY)
    return refused.value


def test_every_problem_is_reported_at_once_with_line_field_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "sleep-study.yaml").write_text(BAD)
    problems = _problems(tmp_path).problems
    assert [(problem.line, problem.field, problem.remedy) for problem in problems] == EXPECTED
    assert {problem.file for problem in problems} == {tmp_path / "sleep-study.yaml"}


def test_a_problem_reads_as_one_line_with_the_value(tmp_path: Path) -> None:
    (tmp_path / "sleep-study.yaml").write_text(BAD)
    assert (
        f"{tmp_path}/sleep-study.yaml:1: name = 'Sleep Study': is no DNS label (RFC 1123: lower-case letters, digits "
        "and hyphens, starting with a letter); write `sleep-study`"
    ) in str(_problems(tmp_path)).splitlines()


def test_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: [")
    (tmp_path / "b.yaml").write_text("- 1")
    (tmp_path / "c.yaml").write_text(BAD)
    (tmp_path / "d.yaml").write_text("name: x\nname: y\n")
    files = [problem.file.name for problem in _problems(tmp_path).problems]
    assert files == ["a.yaml", "b.yaml", *["c.yaml"] * len(EXPECTED), "d.yaml"]


def test_a_file_is_named_after_its_project(tmp_path: Path) -> None:
    content = (ROOT / "workspaces" / "diabetes-cohort.yaml").read_text()
    (tmp_path / "other.yaml").write_text(content)
    (problem,) = _problems(tmp_path).problems
    assert problem.remedy == "rename the file to diabetes-cohort.yaml, or the project to other"


WHOLE = """\
name: sleep-study
title: Sleep and blood pressure
data_class: identifying
permit: {reference: DR-2026-7, expires: 2027-01-01}
members: [{name: ada, email: ada@lab.example, role: lead}]
tools:
  jupyterlab:
    size: large
"""


@pytest.mark.parametrize(
    ("addition", "line", "field"),
    [
        ("    downloads: true\n", 9, "tools.jupyterlab.downloads"),
        ("egress:\n  - {cidr: 192.0.2.1/32, port: 443, reason: registry}\n", 9, "egress"),
        ("egress:\n  - {cidr: 0.0.0.0/0, port: 443, reason: registry}\n", 10, "egress[0].cidr"),
        ("quota:\n  cpu: 4\n  memory_gib: 64\n", 9, "quota"),
        ("waivers:\n  - {rule: downloads, reason: by the lead, expires: 2026-11-21}\n", 10, "waivers[0].expires"),
        ("waivers:\n  - {rule: firewall, reason: by the lead, expires: 2027-01-01}\n", 10, "waivers[0].rule"),
    ],
)
def test_a_rule_that_is_broken_names_the_field(tmp_path: Path, addition: str, line: int, field: str) -> None:
    (tmp_path / "sleep-study.yaml").write_text(WHOLE + addition)
    (problem,) = _problems(tmp_path).problems
    assert (problem.line, problem.field) == (line, field)


def test_a_waiver_lets_a_rule_be_broken(tmp_path: Path) -> None:
    waiver = "waivers:\n  - {rule: downloads, reason: decision 12 of the board, expires: 2027-01-01}\n"
    (tmp_path / "sleep-study.yaml").write_text(WHOLE + "    downloads: true\n" + waiver)
    (workspace,) = load_workspaces(tmp_path, TODAY)
    assert workspace.waived("downloads")
    assert not workspace.waived("egress")


def test_the_examples_load() -> None:
    names = [workspace.name for workspace in load_workspaces(ROOT / "workspaces", TODAY)]
    assert names == ["diabetes-cohort", "hospital-stays", "training-course"]
