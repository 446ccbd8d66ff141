import os
from copy import deepcopy
from pathlib import Path
from typing import cast

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings

from stacks.profile import PodSelector, Profile
from tests.components.consistency import at, inconsistencies, of_kind, text
from tests.components.rendering import Manifest, declared, rendered
from tests.samples import ROOT, TODAY, WORKSPACES, cohort, local_profile, workspace
from workspaces.loading import load_workspaces
from workspaces.model import Workspace

GOLDENS = Path(__file__).parent / "goldens"
SCHEMA_VERSION = "1.36"
EXAMPLES = load_workspaces(ROOT / "workspaces", TODAY)


def _with_entry(profile: Profile) -> Profile:
    entry = PodSelector(namespace="kube-system", pod_labels={"app": "gateway"})
    return profile.model_copy(update={"exposure": profile.exposure.model_copy(update={"entry": entry})})


@pytest.mark.parametrize("project", EXAMPLES, ids=lambda project: project.name)
def test_an_example_renders_as_recorded(project: Workspace) -> None:
    """Whole objects, one file each; UPDATE_GOLDENS=1 writes them anew for review."""
    folder = GOLDENS / project.name
    objects = {
        f"{str(manifest['kind']).lower()}-{text(manifest, 'metadata', 'name')}.yaml": yaml.safe_dump(manifest)
        for manifest in rendered(project, local_profile())
    }
    if os.environ.get("UPDATE_GOLDENS"):
        _write(folder, objects)
    assert {file.name: file.read_text() for file in folder.glob("*.yaml")} == objects


@pytest.mark.parametrize("file", sorted(GOLDENS.glob("*/*.yaml")), ids=lambda file: file.stem)
def test_a_recorded_object_fits_the_published_schema(file: Path) -> None:
    manifest = yaml.safe_load(file.read_text())
    if manifest["kind"] == "Secret":
        manifest["data"] = {"token": "cGxhbnRlZA=="}
    assert kubernetes_validate.validate(manifest, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def _write(folder: Path, objects: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.yaml"):
        file.unlink()
    for name, content in objects.items():
        (folder / name).write_text(content)


@settings(max_examples=15)
@given(WORKSPACES)
def test_every_workspace_is_consistent(project: Workspace) -> None:
    assert inconsistencies(rendered(project, local_profile())) == []


def test_a_platform_entry_is_the_only_way_in() -> None:
    manifests = rendered(workspace(cohort()), _with_entry(local_profile()))
    assert inconsistencies(manifests) == []
    opened = [policy for policy in of_kind(manifests, "NetworkPolicy") if at(policy, "spec", "ingress")]
    assert [text(policy, "metadata", "name") for policy in opened] == ["jupyterlab-ada-from-entry"]


def test_the_token_is_declared_as_a_secret_value() -> None:
    (secret,) = of_kind(rendered(workspace(cohort()), local_profile()), "Secret")
    assert secret["data"] == "<secret>"


def test_no_other_object_is_secret() -> None:
    """One secret leaf would hide a whole spec from the plan and from policies."""
    manifests = rendered(workspace(cohort()), local_profile())
    assert [m["kind"] for m in manifests if "<secret>" in m.values()] == ["Secret"]


def test_components_carry_type_tokens_of_their_own() -> None:
    from components.workspace import Workspace as Component

    build = lambda: Component(workspace(cohort()), local_profile(), {"jupyterlab": "image"})  # noqa: E731
    types = [resource.type for resource in declared(build) if resource.type.startswith("cloison:")]
    assert types == ["cloison:index:Workspace", "cloison:index:Partition", "cloison:index:JupyterLab"]


SPOILERS = {
    "no policy denies all traffic both ways": lambda m: _policy(m, "default-deny")["policyTypes"].remove("Egress"),
    "opens another namespace": lambda m: _rename_dns_namespace(m, "project-other"),
    "opens an address range": lambda m: _egress_to(m, {"ipBlock": {"cidr": "0.0.0.0/0"}}),
    "names no pods": lambda m: _egress_to(m, {}),
    "is not restricted": lambda m: _container(m)["securityContext"].pop("readOnlyRootFilesystem"),
    "may run as root": lambda m: _pod(m)["securityContext"].pop("runAsNonRoot"),
    "has no seccomp profile": lambda m: _pod(m)["securityContext"].pop("seccompProfile"),
    "mounts a token": lambda m: _pod(m).pop("automountServiceAccountToken"),
    "has no limits": lambda m: _container(m)["resources"]["limits"].pop("memory"),
    "which nobody declares": lambda m: _pod(m)["volumes"].append({"secret": {"secretName": "another"}}),
    "selects 0 pod templates": lambda m: _only(m, "Service")["spec"]["selector"].update(app="none"),
    "the quota refuses": lambda m: _only(m, "ResourceQuota")["spec"]["hard"].update(pods="0"),
    "objects of several projects": lambda m: _only(m, "Secret")["metadata"]["labels"].update({"cloison/project": "x"}),
    "outside the project's namespace": lambda m: _only(m, "Secret")["metadata"].update(namespace="project-x"),
}


@pytest.mark.parametrize("complaint", SPOILERS)
def test_the_checker_sees_each_spoiled_workspace(complaint: str) -> None:
    manifests = deepcopy(rendered(workspace(cohort()), local_profile()))
    SPOILERS[complaint](manifests)
    assert any(complaint in problem for problem in inconsistencies(manifests))


def _only(manifests: list[Manifest], kind: str) -> dict:
    (manifest,) = of_kind(manifests, kind)
    return cast("dict", manifest)


def _pod(manifests: list[Manifest]) -> dict:
    return _only(manifests, "StatefulSet")["spec"]["template"]["spec"]


def _container(manifests: list[Manifest]) -> dict:
    return _pod(manifests)["containers"][0]


def _policy(manifests: list[Manifest], name: str) -> dict:
    policies = of_kind(manifests, "NetworkPolicy")
    return cast("dict", next(p for p in policies if text(p, "metadata", "name") == name)["spec"])


def _egress_to(manifests: list[Manifest], peer: Manifest) -> None:
    _policy(manifests, "allow-dns")["egress"][0]["to"] = [peer]


def _rename_dns_namespace(manifests: list[Manifest], name: str) -> None:
    peer = _policy(manifests, "allow-dns")["egress"][0]["to"][0]
    peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] = name
