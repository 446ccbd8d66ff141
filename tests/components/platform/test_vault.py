import json
import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.certificates import CertificateAuthority
from components.platform.namespaces import PlatformNamespace
from components.platform.vault import NAMESPACE, PART, KeyStore, key_store_manifests
from stacks.profile import Profile, Seal
from tests.components.consistency import check_pods_are_restricted, check_references_resolve, of_kind, text
from tests.components.rendering import Declared, declared
from tests.samples import local_profile

GOLDENS = Path(__file__).parent / "goldens" / "keys"
SCHEMA_VERSION = "1.36"


def _with_seal(**seal: Any) -> Profile:
    profile = local_profile()
    keys = profile.keys.model_copy(update={"seal": Seal(**seal)})
    return profile.model_copy(update={"keys": keys})


def _declared(profile: Profile) -> list[Declared]:
    def build() -> None:
        authority = CertificateAuthority("authority", "Cloison tests")
        PlatformNamespace(NAMESPACE, PART, profile)
        KeyStore("key-store", key_store_manifests(profile, "registry.example/vault:tag"), authority)

    return declared(build)


def _rendered(profile: Profile | None = None) -> list[Any]:
    return [each.inputs for each in _declared(profile or local_profile()) if each.type.startswith("kubernetes:")]


def _container(profile: Profile) -> Any:
    (server,) = of_kind(_rendered(profile), "StatefulSet")
    return yaml.safe_load(yaml.safe_dump(server))["spec"]["template"]["spec"]["containers"][0]


def test_everything_is_declared_as_recorded() -> None:
    """Whole objects, one file each; UPDATE_GOLDENS=1 writes them anew for review."""
    objects = {
        f"{str(each['kind']).lower()}-{text(each, 'metadata', 'name')}.yaml": yaml.safe_dump(each)
        for each in _rendered()
    }
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDENS.mkdir(parents=True, exist_ok=True)
        for file in GOLDENS.glob("*.yaml"):
            file.unlink()
        for file, content in objects.items():
            (GOLDENS / file).write_text(content)
    assert {file.name: file.read_text() for file in GOLDENS.glob("*.yaml")} == objects


@pytest.mark.parametrize("file", sorted(GOLDENS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_recorded_object_fits_the_published_schema(file: Path) -> None:
    manifest = yaml.safe_load(file.read_text())
    if manifest["kind"] in ("Secret", "ConfigMap"):
        manifest = {key: value for key, value in manifest.items() if key not in ("data", "stringData")}
    assert kubernetes_validate.validate(manifest, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def test_the_pod_is_restricted_and_its_references_resolve() -> None:
    manifests = _rendered()
    found = [*check_pods_are_restricted(manifests), *check_references_resolve(manifests)]
    # It has the API examine the tokens that pods show it: the one pod of the platform's own that asks it anything.
    assert found == ["StatefulSet vault mounts a token for the API, or is a hub without one"]


def test_settings_of_a_seal_are_vault_s_own_words() -> None:
    profile = _with_seal(type="kmip", settings={"endpoint": "hsm.example:5696"}, cidrs=["192.0.2.7/32"], port=5696)
    settings = json.loads(key_store_manifests(profile, "image").settings)
    assert settings["seal"] == {"kmip": {"endpoint": "hsm.example:5696"}}
    assert "seal" not in json.loads(key_store_manifests(local_profile(), "image").settings)


def test_only_what_the_seal_asks_is_reachable_outside_the_cluster() -> None:
    profile = _with_seal(type="transit", settings={"key_name": "unseal"}, cidrs=["192.0.2.7/32"], port=8200)
    (policy,) = [
        each for each in of_kind(_rendered(profile), "NetworkPolicy") if text(each, "metadata", "name") == "vault"
    ]
    rules = yaml.safe_load(yaml.safe_dump(policy))["spec"]["egress"]
    addresses = [
        (peer["ipBlock"]["cidr"], rule["ports"][0]["port"])
        for rule in rules
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert addresses == [("10.10.0.1/32", 6443), ("192.0.2.7/32", 8200)]


def test_what_a_seal_needs_secretly_is_in_a_secret_of_the_operator_s() -> None:
    profile = _with_seal(type="azurekeyvault", settings={"vault_name": "hub"}, environment_secret="seal")
    assert _container(profile)["envFrom"] == [{"secretRef": {"name": "seal"}}]
    assert not _container(local_profile()).get("envFrom")


def test_other_settings_are_another_pod() -> None:
    def digest(profile: Profile) -> str:
        return json.dumps(key_store_manifests(profile, "image").server.spec, default=str)

    assert digest(local_profile()) != digest(_with_seal(type="kmip", settings={"endpoint": "hsm.example:5696"}))


def test_nothing_secret_is_declared_in_the_key_store() -> None:
    own = [each for each in _declared(local_profile()) if "dynamic/keys" in each.type]
    assert len(own) == 7
    assert "<secret>" not in str(own)
    assert {str(each["stringData"]) for each in of_kind(_rendered(), "Secret")} == {"<secret>"}
