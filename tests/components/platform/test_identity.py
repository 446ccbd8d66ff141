import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.certificates import CertificateAuthority
from components.platform.identity import NAMESPACE, PART, PUBLIC_PATHS, Identity, identity_manifests, issuer
from components.platform.keycloak import HEAP_MIB, MEMORY_MIB, administrator_settings
from components.platform.namespaces import PlatformNamespace
from stacks.profile import Profile
from tests.components.consistency import at, check_pods_are_restricted, check_references_resolve, of_kind, text
from tests.components.rendering import Declared, declared
from tests.samples import local_profile

GOLDENS = Path(__file__).parent / "goldens" / "identity"
SCHEMA_VERSION = "1.36"
CUSTOM = ("httproute-", "backendtlspolicy-")
"""Kinds that Kubernetes itself does not know; the API server checks them, in the tests on a platform."""


def _declared() -> list[Declared]:
    profile = local_profile()

    def build() -> None:
        authority = CertificateAuthority("authority", "Cloison tests")
        PlatformNamespace(NAMESPACE, PART, profile)
        manifests = identity_manifests(profile, "registry.example/keycloak:tag")
        Identity("identity", manifests, authority, "planted-secret", authority)

    return declared(build)


def _rendered() -> list[Any]:
    return [each.inputs for each in _declared() if each.type.startswith("kubernetes:")]


def _only(kind: str, name: str | None = None) -> Any:
    (found,) = [each for each in of_kind(_rendered(), kind) if name in (None, text(each, "metadata", "name"))]
    return found


def _container() -> Any:
    return _only("StatefulSet")["spec"]["template"]["spec"]["containers"][0]


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
    if file.name.startswith(CUSTOM):
        pytest.skip("not one of Kubernetes' own kinds")
    manifest = yaml.safe_load(file.read_text())
    if manifest["kind"] in ("Secret", "ConfigMap"):
        manifest = {key: value for key, value in manifest.items() if key not in ("data", "stringData")}
    assert kubernetes_validate.validate(manifest, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def test_the_pod_is_restricted_and_its_references_resolve() -> None:
    manifests = _rendered()
    assert [*check_pods_are_restricted(manifests), *check_references_resolve(manifests)] == []


def test_nothing_of_keycloaks_administration_is_on_the_gateway() -> None:
    (rule,) = _only("HTTPRoute")["spec"]["rules"]
    paths = [match["path"]["value"] for match in rule["matches"]]
    assert paths == list(PUBLIC_PATHS)
    assert all(path.startswith(("/realms/cloison/", "/resources")) for path in paths)
    assert not any(word in path for path in paths for word in ("admin", "master", "clients-registrations"))


def test_hubs_and_the_gateway_are_all_that_reaches_it_and_it_reaches_nothing() -> None:
    policies: dict[str, Any] = {
        text(each, "metadata", "name"): each["spec"] for each in of_kind(_rendered(), "NetworkPolicy")
    }
    assert sorted(policies) == ["allow-hubs", "default-deny", "keycloak-route-from-gateway"]
    assert not any(at(spec, "egress") for spec in policies.values())
    (rule,) = policies["allow-hubs"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchExpressions"] == [{"key": "cloison/project", "operator": "Exists"}]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "hub"


def test_secrets_are_declared_as_secret_values_and_nothing_else_is() -> None:
    manifests = _rendered()
    assert {str(each["stringData"]) for each in of_kind(manifests, "Secret")} == {"<secret>"}
    assert {str(each["kind"]) for each in manifests if "<secret>" in each.values()} == {"Secret"}


def test_the_administrator_is_in_a_file_and_neither_in_arguments_nor_in_the_environment() -> None:
    assert "bootstrap" not in str(_container()["args"]) + str(_container()["env"])
    assert administrator_settings("planted").splitlines() == [
        "bootstrap-admin-client-id=cloison",
        "bootstrap-admin-client-secret=planted",
    ]


def test_its_certificate_is_for_the_names_it_is_reached_by() -> None:
    (certificate,) = [each for each in _declared() if each.type.endswith(":Certificate")]
    assert certificate.inputs["dns_names"] == [
        "keycloak.platform-identity.localhost",
        "keycloak.platform-identity.svc",
        "keycloak.platform-identity.svc.cluster.local",
    ]


def test_its_database_is_protected_where_people_are_real() -> None:
    profile = local_profile()
    assert identity_manifests(profile, "image").protect is False
    real = profile.identity.model_copy(update={"demonstration_accounts": False})
    assert identity_manifests(profile.model_copy(update={"identity": real}), "image").protect is True


def test_the_heap_leaves_room_for_what_is_not_heap() -> None:
    assert HEAP_MIB < MEMORY_MIB / 2
    assert _container()["resources"]["limits"]["memory"] == f"{MEMORY_MIB}Mi"


def test_browsers_and_hubs_find_the_issuer_by_names_of_their_own() -> None:
    found = issuer(local_profile())
    assert found.authorize_url == (
        "https://identity.gateway.platform-gateway.localhost:8443/realms/cloison/protocol/openid-connect/auth"
    )
    assert found.token_url.startswith("https://keycloak.platform-identity.svc.cluster.local/realms/cloison/")
    assert found.userinfo_url.endswith("/protocol/openid-connect/userinfo")
    assert found.administration == "https://keycloak.platform-identity.localhost:8443"


def test_a_profile_with_an_issuer_of_its_own_installs_none() -> None:
    profile = local_profile()
    other = profile.identity.model_copy(update={"administration": None})
    with pytest.raises(ValueError, match=r"identity\.administration is missing"):
        _issuer_of(profile, other)


def _issuer_of(profile: Profile, identity: object) -> object:
    return issuer(profile.model_copy(update={"identity": identity}))
