"""The thin line through the whole house: YAML files become hubs that ask for sign-in; destroyed, they leave nothing."""

import json
import os
import signal
import ssl
from base64 import b64decode
from typing import Any

import pytest
import urllib3

from local import waiting
from tests.e2e.project import Project

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

PROJECTS = ["diabetes-cohort", "hospital-stays", "training-course"]
VOLUMES = 3 + 8
"""One for each hub and one for each member of the examples."""
EXTRA = "extra-study"


def test_a_preview_changes_nothing(project: Project) -> None:
    planned = project.cloison("preview")
    assert "cloison:index:JupyterHub" in planned
    assert project.objects("namespace") == []


def test_each_project_s_hub_asks_for_sign_in(running: Project) -> None:
    found = running.printed_json("smoke")
    assert [each["url"].partition(".")[0] for each in found] == [f"https://jupyter-{name}" for name in PROJECTS]
    assert all("asks for sign-in at identity." in each["found"] for each in found)


def test_without_the_stack_s_authority_nobody_is_believed(running: Project) -> None:
    with pytest.raises(urllib3.exceptions.SSLError):
        urllib3.PoolManager(retries=False).request("GET", running.url(PROJECTS[0]))


def test_nothing_of_a_hub_answers_without_sign_in(running: Project) -> None:
    trusted = ssl.create_default_context(cafile=str(running.authority))
    client = urllib3.PoolManager(ssl_context=trusted, retries=False)
    base = running.url(PROJECTS[0])
    paths = ["hub/api/users", "hub/api/proxy", "user/claire-fontaine/lab", "user/claire-fontaine/api/contents"]
    assert {path: client.request("GET", base + path, redirect=False).status for path in paths} == {
        "hub/api/users": 403,
        "hub/api/proxy": 403,
        "user/claire-fontaine/lab": 302,
        "user/claire-fontaine/api/contents": 302,
    }


def test_a_second_up_changes_nothing(running: Project) -> None:
    before = _versions(running)
    assert "unchanged" in running.cloison("up", "--yes").splitlines()[1]
    assert _versions(running) == before


def test_status_and_the_portal_s_file_say_how_projects_stand(running: Project) -> None:
    standings = running.printed_json("status")
    assert [(each["project"], each["answers"], each["well"]) for each in standings] == [
        (name, True, True) for name in PROJECTS
    ]
    portal = json.loads((running.folder / ".cloison" / "local" / "portal.json").read_text())
    assert portal["projects"] == running.printed_json("urls")
    assert [member["email"] for member in portal["projects"][2]["members"]] == [
        "paul.girard@universite-exemple.example",
        "mei.nguyen@universite-exemple.example",
    ]


def test_a_key_store_that_started_anew_is_sealed_until_its_operator_opens_it(running: Project) -> None:
    pod = ("pod/vault-0", "-n", "platform-keys")
    running.platform.kubectl("delete", *pod, "--grace-period=1")
    running.platform.kubectl("wait", *pod, "--for=create", "--timeout=60s")
    running.platform.kubectl("wait", *pod, "--for=condition=Ready", "--timeout=90s")
    status, printed = running.run("status")
    assert status == 1
    assert "the key store is sealed: `cloison unseal` opens it" in printed
    status, printed = running.run("unseal", "--shares", str(running.folder / "nowhere.json"))
    assert status == 2
    assert "nowhere.json: no file of shares" in printed
    assert "the key store is open" in running.cloison("unseal")
    assert running.run("status")[0] == 0


def test_no_secret_is_in_the_state_or_in_what_is_printed_in_plain_text(running: Project) -> None:
    shares = json.loads(running.shares.read_text())["shares"]
    secrets = [*running.printed_json("accounts").values(), running.administrator, *_secrets_of_hubs(running)]
    secrets += [running.token.read_text(), *shares]
    files = [file for file in (running.folder / ".engine").rglob("*") if file.is_file()]
    texts = [file.read_text(errors="replace") for file in files] + [running.cloison("up", "--yes", "--json")]
    assert len(files) > 1
    assert len(secrets) == 8 + 1 + 3 * len(PROJECTS) + 1 + 3
    assert not [secret for secret in secrets if any(secret in text for text in texts)]


def _secrets_of_hubs(project: Project) -> list[str]:
    names = ("hub-client", "hub-cookie", "proxy-token")
    found = [each for each in project.objects("secret", "--all-namespaces") if each["metadata"]["name"] in names]
    return [b64decode(each["data"]["secret"]).decode() for each in found]


def test_another_size_changes_only_what_has_a_size(running: Project) -> None:
    before = _versions(running)
    file = running.folder / "workspaces" / "training-course.yaml"
    kept = file.read_text()
    file.write_text(kept.replace("size: small", "size: medium"))
    running.cloison("up", "--yes")
    changed = {key for key, version in _versions(running).items() if before.get(key) != version}
    assert changed == {
        ("ConfigMap", "project-training-course", "hub-settings"),
        ("Deployment", "project-training-course", "hub"),
        ("ResourceQuota", "project-training-course", "workspace"),
    }
    file.write_text(kept)
    running.cloison("up", "--yes")


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_a_removed_file_deletes_no_data_of_a_project_that_has_not_ended(running: Project, verb: str) -> None:
    before = _versions(running)
    file = running.folder / "workspaces" / "hospital-stays.yaml"
    kept = file.read_text()
    file.unlink()
    status, printed = running.run(verb)
    file.write_text(kept)
    assert (status, _versions(running) == before) == (2, True)
    assert "workspaces/hospital-stays.yaml is gone, but hospital-stays has not ended" in printed


def test_a_removed_member_loses_no_volume(running: Project) -> None:
    file = running.folder / "workspaces" / "training-course.yaml"
    kept = file.read_text()
    file.write_text("".join(line for line in kept.splitlines(keepends=True) if "mei-nguyen" not in line))
    status, printed = running.run("up", "--yes")
    file.write_text(kept)
    assert status == 2
    assert "member mei-nguyen is gone, and their volume with it: put them back with `left: true`" in printed


def test_a_namespace_of_somebody_else_is_never_adopted(running: Project) -> None:
    running.platform.kubectl("create", "namespace", f"project-{EXTRA}")
    running.cloison("new", EXTRA)
    status, printed = running.run("up", "--yes")
    (running.folder / "workspaces" / f"{EXTRA}.yaml").unlink()
    assert status == 1
    assert f"project-{EXTRA}" in printed
    assert "exists" in printed
    namespace = running.platform.kubectl.get("namespace", f"project-{EXTRA}")
    assert "cloison/project" not in namespace["metadata"]["labels"]
    running.cloison("up", "--yes")
    running.platform.kubectl("delete", "namespace", f"project-{EXTRA}")


def test_destroy_is_refused_while_a_project_has_not_ended(running: Project) -> None:
    running.cloison("end", "training-course", "--yes")
    status, printed = running.run("destroy", "--yes")
    assert status == 2
    assert "destroy would delete the data of diabetes-cohort, hospital-stays: run `cloison end NAME`" in printed
    assert len(running.objects("persistentvolumeclaim", "--all-namespaces")) == VOLUMES


def test_an_ended_project_goes_with_its_file_and_no_other_does(running: Project) -> None:
    (running.folder / "workspaces" / "training-course.yaml").unlink()
    running.cloison("up", "--yes")
    names = [each["metadata"]["name"] for each in running.objects("namespace")]
    assert names == ["project-diabetes-cohort", "project-hospital-stays"]


def test_destroy_leaves_nothing(running: Project) -> None:
    running.destroy()
    assert running.printed_json("urls") == []
    assert running.objects("namespace") == []
    namespaces = running.platform.kubectl.get("namespaces")["items"]
    assert not [each for each in namespaces if each["metadata"]["name"].startswith(("platform-", "project-"))]
    waiting.until(
        lambda: not running.platform.kubectl.get("persistentvolumes")["items"], "the end of every volume", seconds=60
    )


def test_an_up_that_was_killed_is_finished_by_the_next(project: Project) -> None:
    """Kill the engine and everything it started, half-way; then bring up, check and go on as ever."""
    up = project.start("up", "--yes")
    waiting.until(lambda: up.poll() is not None or len(_claims(project)) >= 3, "half of the creation", seconds=300)
    os.killpg(up.pid, signal.SIGKILL)
    up.communicate()
    assert up.returncode == -signal.SIGKILL
    project.cloison("up", "--yes")
    assert len(_claims(project)) == sum(1 + len(each["members"]) for each in project.printed_json("urls"))
    project.cloison("smoke")
    assert "unchanged" in project.cloison("up", "--yes").splitlines()[1]


def _claims(project: Project) -> list[dict[str, Any]]:
    return project.objects("persistentvolumeclaim", "--all-namespaces")


def _versions(project: Project) -> dict[tuple[str, str, str], str]:
    """What every declared object says; its identity and specification, whichever way it was written."""
    kinds = "namespace,networkpolicy,persistentvolumeclaim,service,deployment,configmap,secret,role,resourcequota"
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): _version(each)
        for each in project.objects(kinds, "--all-namespaces")
    }


def _version(manifest: dict[str, Any]) -> str:
    said = {key: value for key, value in manifest.items() if key in ("spec", "data", "rules")}
    return manifest["metadata"]["uid"] + json.dumps(said, sort_keys=True)
