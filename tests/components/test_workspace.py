import os
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import cast

import kubernetes_validate
import pulumi
import pytest
import yaml
from hypothesis import given, settings

from components.images import needed_images
from components.platform.layer import PlatformLayer, platform_manifests
from components.workspace import Workspace
from stacks.profile import Issuer, PodSelector, Profile
from tests.components.consistency import hub_settings, inconsistencies, of_kind, text
from tests.components.rendering import Manifest, declare_stack, declared, rendered
from tests.samples import ROOT, TODAY, WORKSPACES, cohort, local_profile, workspace
from workspaces.loading import load_workspaces
from workspaces.model import Workspace as Project

GOLDENS = Path(__file__).parent / "goldens"
SCHEMA_VERSION = "1.36"
CUSTOM_KINDS = {"HTTPRoute", "BackendTLSPolicy"}
EXAMPLES = load_workspaces(ROOT / "workspaces", TODAY)


@pytest.mark.parametrize("project", EXAMPLES, ids=lambda project: project.name)
def test_an_example_renders_as_recorded(project: Project) -> None:
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
    if manifest["kind"] in CUSTOM_KINDS:
        pytest.skip("Kubernetes publishes no schema of this kind")
    for kept_back in ("stringData", "data"):
        if manifest.get(kept_back) == "<secret>":
            manifest[kept_back] = {"secret": "cGxhbnRlZA=="}
    assert kubernetes_validate.validate(manifest, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def _write(folder: Path, objects: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.yaml"):
        file.unlink()
    for name, content in objects.items():
        (folder / name).write_text(content)


@settings(max_examples=15)
@given(WORKSPACES)
def test_every_workspace_is_consistent(project: Project) -> None:
    assert inconsistencies(rendered(project, local_profile())) == []


def test_no_object_but_secrets_is_secret() -> None:
    """One secret leaf would hide a whole spec from the plan and from policies."""
    manifests = rendered(workspace(cohort()), local_profile())
    assert {str(each["kind"]) for each in manifests if "<secret>" in each.values()} == {"Secret"}
    secrets = of_kind(manifests, "Secret")
    assert [each for each in secrets if "<secret>" not in (each.get("data"), each.get("stringData"))] == []


def test_components_carry_type_tokens_of_their_own() -> None:
    stack = declared(lambda: declare_stack([workspace(cohort())], local_profile()))
    tokens = {resource.type for resource in stack if resource.type.startswith("cloison:")}
    assert tokens == {
        f"cloison:index:{name}"
        for name in (
            "Definitions",
            "EnvoyGateway",
            "Gateway",
            "Identity",
            "JupyterHub",
            "KeyStore",
            "Partition",
            "PlatformLayer",
            "PlatformNamespace",
            "ProjectAccess",
            "ProjectKeys",
            "Route",
            "SignInRealm",
            "Workspace",
        )
    }


def test_a_member_who_left_keeps_a_volume_and_loses_the_rest() -> None:
    gone = {"name": "ben", "email": "ben@lab.example", "role": "researcher", "left": True}
    project = workspace({**cohort(), "members": [*cast("list[object]", cohort()["members"]), gone]})
    manifests = rendered(project, local_profile())
    assert {"home-ada", "home-ben"} < {
        text(each, "metadata", "name") for each in of_kind(manifests, "PersistentVolumeClaim")
    }
    (settings_file,) = hub_settings(manifests)
    assert [member["name"] for member in cast("list[Manifest]", settings_file["members"])] == ["ada"]
    accounts = [
        each.name for each in declared(lambda: declare_stack([project], local_profile())) if each.type.endswith(":User")
    ]
    assert accounts == ["ada@lab.example"]


def test_an_issuer_of_somebody_else_needs_the_client_s_secret() -> None:
    profile = elsewhere(local_profile())
    images = {"jupyterhub": "image", "jupyterlab": "image", "vault": "image"}
    project = workspace(cohort())

    def build() -> None:
        manifests = platform_manifests(profile, images, [], [project])
        platform = PlatformLayer("platform", profile, manifests, {}, [project], None)
        Workspace(project, profile, images, platform, None)

    with pytest.raises(pulumi.RunError, match="cloison:clientSecrets has no entry 'sleep-study'"):
        declared(build)


def test_a_keycloak_needs_its_administrator_s_secret() -> None:
    profile, project = local_profile(), workspace(cohort())
    images = dict.fromkeys(needed_images(profile, [project]), "image")

    def build() -> None:
        manifests = platform_manifests(profile, images, [], [project])
        PlatformLayer("platform", profile, manifests, {}, [project], None)

    with pytest.raises(pulumi.RunError, match="cloison:identityAdministrator is missing"):
        declared(build)


def test_where_the_provider_brings_gateway_and_issuer_neither_is_installed() -> None:
    profile = elsewhere(local_profile())
    stack = declared(lambda: declare_stack([workspace(cohort())], profile))
    assert needed_images(profile, [workspace(cohort())]) == ["jupyterhub", "jupyterlab", "vault"]
    assert not {each.type for each in stack} & {"cloison:index:EnvoyGateway", "cloison:index:Identity"}
    hub = rendered(workspace(cohort()), profile)
    assert inconsistencies(hub) == []


def elsewhere(profile: Profile) -> Profile:
    """A provider with a gateway and an issuer of its own."""
    issuer = Issuer(
        title="the university",
        authorize_url="https://login.example/authorize",
        token_url="https://login.example/token",
        userinfo_url="https://login.example/userinfo",
        cidrs=["192.0.2.0/28"],
    )
    entry = PodSelector(namespace="platform-gateway", pod_labels={"app": "gateway"})
    gateway = profile.exposure.gateway.model_copy(update={"class_name": "theirs", "entry": entry})
    return profile.model_copy(
        update={
            "exposure": profile.exposure.model_copy(update={"gateway": gateway}),
            "identity": profile.identity.model_copy(update={"issuer": issuer, "demonstration_accounts": False}),
        }
    )


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
    "selects 0 pod templates": lambda m: _named(m, "Service", "hub")["spec"]["selector"].update(app="none"),
    "the quota refuses": lambda m: _named(m, "ResourceQuota", "workspace")["spec"]["hard"].update(pods="0"),
    "objects of several projects": lambda m: _metadata(m)["labels"].update({"cloison/project": "x"}),
    "outside the project's namespace": lambda m: _metadata(m).update(namespace="project-x"),
}


@pytest.mark.parametrize("complaint", SPOILERS)
def test_the_checker_sees_each_spoiled_workspace(complaint: str) -> None:
    manifests = deepcopy(_plain_workspace())
    SPOILERS[complaint](manifests)
    assert any(complaint in problem for problem in inconsistencies(manifests))


@cache
def _plain_workspace() -> list[Manifest]:
    return rendered(workspace(cohort()), local_profile())


def _named(manifests: list[Manifest], kind: str, name: str) -> dict:
    (manifest,) = [each for each in of_kind(manifests, kind) if text(each, "metadata", "name") == name]
    return cast("dict", manifest)


def _metadata(manifests: list[Manifest]) -> dict:
    return _named(manifests, "Secret", "hub-cookie")["metadata"]


def _pod(manifests: list[Manifest]) -> dict:
    return _named(manifests, "Deployment", "proxy")["spec"]["template"]["spec"]


def _container(manifests: list[Manifest]) -> dict:
    return _pod(manifests)["containers"][0]


def _policy(manifests: list[Manifest], name: str) -> dict:
    return _named(manifests, "NetworkPolicy", name)["spec"]


def _egress_to(manifests: list[Manifest], peer: Manifest) -> None:
    _policy(manifests, "allow-dns")["egress"][0]["to"] = [peer]


def _rename_dns_namespace(manifests: list[Manifest], name: str) -> None:
    peer = _policy(manifests, "allow-dns")["egress"][0]["to"][0]
    peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] = name
