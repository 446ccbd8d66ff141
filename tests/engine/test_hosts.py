"""Dynamic providers and policy packs, through Pulumi's own hosts."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.program import start_python
from engine.session import read_deployment
from engine.values import Secret
from tests.engine.conftest import Project

pytestmark = pytest.mark.slow

DYNAMIC = """
    import json, os, pathlib
    import pulumi
    from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
    from pulumi.dynamic import Resource, ResourceProvider

    FOLDER = pathlib.Path({folder!r})

    class Files(ResourceProvider):
        def configure(self, request):
            self.suffix = request.config.get("suffix") or ""

        def check(self, olds, news):
            failures = []
            if news["text"] == "forbidden":
                failures = [pulumi.dynamic.CheckFailure("text", "says what it must not")]
            return CheckResult(news, failures)

        def diff(self, id, olds, news):
            return DiffResult(
                changes=olds["text"] != news["text"] or olds["path"] != news["path"],
                replaces=["path"] if olds["path"] != news["path"] else [],
                delete_before_replace=False,
            )

        def create(self, props):
            if props["text"] == "die":
                os._exit(3)
            (FOLDER / props["path"]).write_text(props["text"] + self.suffix)
            return CreateResult(props["path"], {{**props, "length": len(props["text"])}})

        def update(self, id, olds, news):
            (FOLDER / id).write_text(news["text"])
            return UpdateResult({{**news, "length": len(news["text"])}})

        def read(self, id, props):
            return ReadResult(id, {{**props, "text": (FOLDER / id).read_text()}})

        def delete(self, id, props):
            (FOLDER / id).unlink()

    class File(Resource):
        length: pulumi.Output[int]
        def __init__(self, name, path, text):
            super().__init__(Files(), name, {{"path": path, "text": text, "length": None}})

    file = File("note", {path!r}, {text})
    pulumi.export("length", file.length)
"""


@pytest.fixture
def notes(project: Project, tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def _note(project: Project, folder: Path, path: str, text: str) -> None:
    project.write(DYNAMIC.format(folder=str(folder), path=path, text=text))


def test_a_dynamic_resource_lives_and_dies(project: Project, notes: Path) -> None:
    _note(project, notes, "one", "'hello'")
    assert project.preview().changes == {"create": 3}
    assert not list(notes.iterdir())
    done = project.up()
    assert done.outputs == {"length": 5}, project.messages
    assert (notes / "one").read_text() == "hello"
    assert project.up().changes == {"same": 3}
    _note(project, notes, "one", "'longer text'")
    assert project.up().outputs == {"length": 11}
    assert ("update", "note") in project.operations
    _note(project, notes, "two", "'longer text'")
    project.up()
    assert [operation for operation, name in project.operations if name == "note"] == [
        "replace",
        "create-replacement",
        "delete-replaced",
    ]
    assert [path.name for path in notes.iterdir()] == ["two"]
    (notes / "two").write_text("drifted")
    assert project.refresh().changes["update"] == 1
    project.destroy()
    assert list(notes.iterdir()) == []


def test_a_dynamic_provider_reads_its_configuration_and_keeps_secrets(project: Project, notes: Path) -> None:
    project.write("config: {shop:suffix: '!'}\n", "Pulumi.dev.yaml")
    _note(project, notes, "one", "pulumi.Output.secret('hidden')")
    assert project.up().succeeded, project.messages
    assert (notes / "one").read_text() == "hidden!"
    deployment, _ = read_deployment(project.place, show_secrets=True)
    note = next(item for item in deployment.resources if item.urn.endswith("::note"))
    assert note.outputs["text"] == Secret("hidden")
    assert isinstance(note.outputs["__provider"], Secret)
    assert "hidden" not in (project.folder / ".engine/stacks/shop/dev.json").read_text()


def test_a_check_that_fails_names_the_property(project: Project, notes: Path) -> None:
    _note(project, notes, "one", "'forbidden'")
    assert project.up().errors == ("text: says what it must not",)


def test_a_dynamic_resource_whose_creation_was_cut_short_is_created_anew_with_a_warning(
    project: Project, notes: Path
) -> None:
    _note(project, notes, "one", "'die'")
    done = project.up()
    assert "the dynamic provider ended during Create" in done.errors[0]
    assert _pending(project) == ["creating"]
    _note(project, notes, "one", "'hello'")
    assert project.up().succeeded, project.messages
    warning = next(event["diagnosticEvent"] for event in project.events if "diagnosticEvent" in event)
    assert warning["severity"] == "warning"
    assert warning["urn"].endswith("::note")
    assert "its creation was interrupted, so it may exist, unknown to the state" in warning["message"]
    assert (notes / "one").read_text() == "hello"
    assert _pending(project) == []
    assert project.up().changes == {"same": 3}
    assert project.messages == []


def test_a_creation_that_was_cut_short_and_is_no_longer_wanted_is_told_until_it_is_cleared(
    project: Project, notes: Path
) -> None:
    _note(project, notes, "one", "'die'")
    project.up()
    project.write("pass")
    for run in (project.up, project.up, project.refresh):
        assert run().succeeded, project.messages
        assert any("its creation was interrupted" in message for message in project.messages)
        assert _pending(project) == ["creating"]
    assert project.refresh(clear_pending_creates=True).succeeded
    assert project.messages == []
    assert _pending(project) == []


def _pending(project: Project) -> list[str]:
    return [item.type for item in read_deployment(project.place, show_secrets=True)[0].pending]


POLICY = """
    from pulumi_policy import (
        EnforcementLevel, PolicyPack, ResourceValidationPolicy, StackValidationPolicy,
    )

    def small(args, report):
        if args.resource_type == "cloud:index:Thing" and args.props.get("size", 0) > 10:
            report(f"{args.name} is too large")

    def named(args):
        if args.resource_type == "cloud:index:Thing" and "owner" not in args.props:
            return {**args.props, "owner": "hub"}

    def few(args, report):
        if sum(item.resource_type == "cloud:index:Thing" for item in args.resources) > 2:
            report("too many things")

    PolicyPack(
        "house-rules",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            ResourceValidationPolicy("small", "Things are small", small),
            ResourceValidationPolicy("named", "Things have owners", remediate=named,
                                     enforcement_level=EnforcementLevel.REMEDIATE),
            StackValidationPolicy("few", "Things are few", few),
        ],
    )
"""


@pytest.fixture
def ruled(project: Project) -> Project:
    project.write("name: house-rules\nruntime: python\nversion: 1.4.0\n", "rules/PulumiPolicy.yaml")
    project.write(POLICY, "rules/__main__.py")
    project.settings = {"policy_packs": (project.folder / "rules",)}
    return project


def test_a_mandatory_rule_stops_the_resource_in_preview_and_in_up(ruled: Project) -> None:
    ruled.write("from things import Thing\nThing('huge', size=11)\nThing('fine', size=1)\n")
    plan = ruled.preview()
    assert plan.violated
    event = next(event["policyEvent"] for event in ruled.events if "policyEvent" in event)
    assert event["policyName"] == "small"
    assert event["policyPackVersion"] == "1.4.0"
    assert event["enforcementLevel"] == "mandatory"
    assert ruled.up().violated
    assert ruled.cloud.made("create") == ["fine"]


def test_a_remediation_changes_the_inputs(ruled: Project) -> None:
    ruled.write("from things import Thing\nThing('plain', size=1)\n")
    assert ruled.up().succeeded, ruled.messages
    assert next(iter(ruled.cloud.objects.values()))["owner"] == "hub"
    assert ruled.up().changes == {"same": 3}


def test_a_rule_about_the_stack_is_judged_before_anything_is_deleted(ruled: Project) -> None:
    ruled.write("from things import Thing\nThing('old')\n")
    assert ruled.up().succeeded
    ruled.write("from things import Thing\nfor name in 'abc': Thing(name)\n")
    done = ruled.planned_up()
    assert done.violated
    assert ruled.cloud.made("delete") == []
    assert ruled.cloud.made("create") == ["old"]
    assert any("too many things" in json.dumps(event) for event in ruled.events)


def test_a_folder_without_a_pack_is_refused(project: Project, tmp_path: Path) -> None:
    project.write("pass")
    with pytest.raises(InputError, match=r"no PulumiPolicy\.yaml"):
        project.up(policy_packs=(tmp_path,))


def test_a_host_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """A refresh asks for hosts from threads that end with it; the run goes on with the same hosts."""
    sleeping = "import sys; print('up', flush=True); sys.stdin.read(); import time; time.sleep(600)"
    (tmp_path / "sleeper.py").write_text(sleeping)

    def ask() -> subprocess.Popen[str]:
        process = start_python(["module", "sleeper"], tmp_path, {"PYTHONPATH": str(tmp_path)})
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        return process

    with ThreadPoolExecutor(1) as asking:
        process = asking.submit(ask).result()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    finally:
        process.kill()
        process.wait()
