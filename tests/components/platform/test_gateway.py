import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.certificates import CertificateAuthority
from components.platform.envoy_gateway.configuration import ACCESS_LOG
from components.platform.gateway import Gateway, gateway_manifests
from components.platform.routes import Backend, Route, route_manifests
from stacks.profile import PodSelector, Profile
from tests.components.consistency import at, items, of_kind, text
from tests.components.rendering import Declared, Manifest, declared
from tests.samples import LABELS, local_profile

GOLDENS = Path(__file__).parent / "goldens"
SCHEMA_VERSION = "1.36"
CUSTOM = ("gateway-", "gatewayclass-", "clienttrafficpolicy-", "httproute-", "backendtlspolicy-")
"""Kinds that Kubernetes itself does not know; the API server checks them, in the tests on a platform."""
IMAGES = {"envoy": "registry.example/envoy:tag", "envoy-gateway": "registry.example/envoy-gateway:tag"}
ROUTED = ["platform-identity", "project-sleep"]
OWN = "platform-gateway"
HUB = Backend("hub", "project-sleep", "cluster.local", {"app.kubernetes.io/name": "hub"})


def _profile(**gateway: Any) -> Profile:
    profile = local_profile()
    changed = profile.exposure.gateway.model_copy(update=gateway)
    return profile.model_copy(update={"exposure": profile.exposure.model_copy(update={"gateway": changed})})


def _gateway(profile: Profile, routed: Sequence[str] = ROUTED) -> list[Declared]:
    images = IMAGES if profile.exposure.gateway.class_name is None else {}

    def build() -> None:
        authority = CertificateAuthority("authority", "Cloison tests")
        Gateway("gateway", profile, gateway_manifests(profile, images, routed), authority)

    return declared(build)


def _route(profile: Profile, **options: Any) -> list[Declared]:
    def build() -> None:
        authority = CertificateAuthority("authority", "Cloison tests")
        Route("hub", route_manifests("jupyter-sleep", HUB, profile, **options), authority)

    return declared(build)


def _objects(resources: Sequence[Declared]) -> list[Manifest]:
    return [each.inputs for each in resources if each.type.startswith("kubernetes:")]


def _only(manifests: Sequence[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = [each for each in of_kind(manifests, kind) if name in (None, text(each, "metadata", "name"))]
    return found


def _configuration(manifests: Sequence[Manifest]) -> Any:
    return yaml.safe_load(text(_only(manifests, "ConfigMap"), "data", "envoy-gateway.yaml"))


def _file_name(manifest: Manifest) -> str:
    place = at(manifest, "metadata", "namespace") or "cluster"
    return f"{str(manifest['kind']).lower()}-{place}-{text(manifest, 'metadata', 'name')}.yaml"


BUILDS: dict[str, Callable[[], list[Declared]]] = {
    "installed": lambda: _gateway(local_profile()),
    "provided": lambda: _gateway(_profile(class_name="approuting-istio", domain="hub.example", port=443)),
    "route": lambda: _route(local_profile()),
}


@pytest.mark.parametrize("name", BUILDS)
def test_everything_is_declared_as_recorded(name: str) -> None:
    """Whole objects, one file each; UPDATE_GOLDENS=1 writes them anew for review."""
    folder = GOLDENS / name
    objects = {_file_name(each): yaml.safe_dump(each) for each in _objects(BUILDS[name]())}
    if os.environ.get("UPDATE_GOLDENS"):
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.yaml"):
            file.unlink()
        for file, content in objects.items():
            (folder / file).write_text(content)
    assert {file.name: file.read_text() for file in folder.glob("*.yaml")} == objects


RECORDED = [file for file in sorted(GOLDENS.glob("*/*.yaml")) if not file.name.startswith(CUSTOM)]


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_recorded_object_fits_the_published_schema(file: Path) -> None:
    manifest = yaml.safe_load(file.read_text())
    for field in ("data", "stringData"):
        if manifest.get(field) == "<secret>":
            manifest[field] = {"planted": "cGxhbnRlZA=="}
    assert kubernetes_validate.validate(manifest, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def test_a_provider_s_class_means_nothing_of_envoy() -> None:
    resources = _gateway(_profile(class_name="approuting-istio"))
    kinds = sorted(str(each["kind"]) for each in _objects(resources))
    assert kinds == ["Gateway", "Namespace", "NetworkPolicy", "Secret"]
    assert "envoy" not in json.dumps([each.inputs for each in resources])
    assert text(_only(_objects(resources), "Gateway"), "spec", "gatewayClassName") == "approuting-istio"


def test_a_certificate_that_something_else_keeps_is_not_declared() -> None:
    resources = _gateway(_profile(certificate_secret="from-acme", class_name="approuting-istio"))
    assert not of_kind(_objects(resources), "Secret")
    (listener,) = items(_only(_objects(resources), "Gateway"), "spec", "listeners")
    assert at(listener, "tls", "certificateRefs") == [{"name": "from-acme"}]


def test_the_only_listener_speaks_tls() -> None:
    manifests = _objects(_gateway(local_profile()))
    (listener,) = items(_only(manifests, "Gateway"), "spec", "listeners")
    assert (listener["protocol"], listener["port"], at(listener, "tls", "mode")) == ("HTTPS", 443, "Terminate")
    assert listener["hostname"] == "*.gateway.platform-gateway.localhost"
    assert text(_only(manifests, "ClientTrafficPolicy"), "spec", "tls", "minVersion") == "1.2"


@settings(max_examples=10)
@given(st.lists(LABELS, min_size=1, max_size=6, unique=True))
def test_what_is_watched_allowed_reached_and_granted_are_the_same_namespaces(routed: list[str]) -> None:
    manifests = _objects(_gateway(local_profile(), routed))
    configuration = _configuration(manifests)
    bound = [text(each, "metadata", "namespace") for each in of_kind(manifests, "RoleBinding") if _is_routes(each)]
    watched = sorted({OWN, *routed})
    assert configuration["provider"]["kubernetes"]["watch"] == {"type": "Namespaces", "namespaces": watched}
    assert sorted(bound) == watched
    assert _allowed(_only(manifests, "Gateway")) == sorted(routed)
    assert _reached(_only(manifests, "NetworkPolicy", "proxies")) == sorted(routed)


def _is_routes(binding: Manifest) -> bool:
    return text(binding, "roleRef", "name") == "cloison-gateway-routes"


def _allowed(gateway: Manifest) -> object:
    (listener,) = items(gateway, "spec", "listeners")
    (expression,) = items(listener, "allowedRoutes", "namespaces", "selector", "matchExpressions")
    assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "In")
    return expression["values"]


def _reached(policy: Manifest) -> object:
    peers = [peer for rule in items(policy, "spec", "egress") for peer in items(rule, "to")]
    (expressions,) = [found for peer in peers if (found := items(peer, "namespaceSelector", "matchExpressions"))]
    return expressions[0]["values"]


def test_rights_name_what_they_reach() -> None:
    for role in of_kind(_objects(_gateway(local_profile())), "ClusterRole"):
        assert "*" not in json.dumps(role["rules"])


def test_no_right_to_secrets_holds_in_the_whole_cluster() -> None:
    manifests = _objects(_gateway(local_profile()))
    everywhere = {text(each, "roleRef", "name") for each in of_kind(manifests, "ClusterRoleBinding")}
    assert everywhere == {"cloison-gateway-class"}
    rules = items(_only(manifests, "ClusterRole", "cloison-gateway-class"), "rules")
    reached = {resource for rule in rules for resource in cast("list[str]", rule["resources"])}
    assert reached == {"namespaces", "nodes", "clustertrustbundles", "gatewayclasses", "gatewayclasses/status"}


def test_the_controller_is_restricted() -> None:
    pod = at(_only(_objects(_gateway(local_profile())), "Deployment"), "spec", "template", "spec")
    (container,) = items(pod, "containers")
    assert at(pod, "securityContext", "runAsNonRoot") is True
    assert at(pod, "securityContext", "seccompProfile") == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_another_configuration_starts_another_controller() -> None:
    path = ("spec", "template", "metadata", "annotations", "cloison/configuration")
    first, second = (
        text(_only(_objects(_gateway(local_profile(), routed)), "Deployment"), *path)
        for routed in (ROUTED, [*ROUTED, "project-other"])
    )
    assert first != second


@pytest.mark.parametrize(("replicas", "budget"), [(1, None), (3, {"minAvailable": 1})])
def test_a_node_can_be_drained(replicas: int, budget: object) -> None:
    service = local_profile().exposure.gateway.service.model_copy(update={"replicas": replicas})
    proxies = _configuration(_objects(_gateway(_profile(service=service))))["envoyProxy"]["provider"]["kubernetes"]
    assert (proxies["envoyDeployment"]["replicas"], proxies.get("envoyPDB")) == (replicas, budget)


def test_no_log_holds_the_query_of_a_request() -> None:
    """Sign-in puts its codes there."""
    shown = _configuration(_objects(_gateway(local_profile())))["envoyProxy"]["telemetry"]["accessLog"]["settings"]
    assert [each["format"] for each in shown] == [{"type": "JSON", "json": ACCESS_LOG}]
    assert [each for each in ACCESS_LOG.values() if "PATH" in each] == ["%PATH(NQ:ORIG_OR_PATH)%"]
    assert not [each for each in ACCESS_LOG.values() if "REFERER" in each or "COOKIE" in each]


def test_the_control_plane_has_an_authority_of_its_own() -> None:
    resources = _gateway(local_profile())
    names = [each.name for each in resources if each.type.endswith(":CertificateAuthority")]
    assert names == ["authority", "gateway-envoy-authority"]
    certificates = {each.name: each.inputs for each in resources if each.type.endswith(":Certificate")}
    both_ways = {name: inputs["client"] for name, inputs in certificates.items()}
    assert both_ways == {
        "gateway-certificate": False,
        "gateway-envoy-envoy": True,
        "gateway-envoy-envoy-gateway": True,
    }


def test_no_object_but_a_secret_holds_a_secret() -> None:
    """One secret leaf would hide a whole spec from the plan and from policies."""
    manifests = _objects([*_gateway(local_profile()), *_route(local_profile())])
    assert {str(each["kind"]) for each in manifests if "<secret>" in each.values()} == {"Secret"}


def test_a_route_leads_from_its_host_to_a_service_that_is_checked() -> None:
    manifests = _objects(_route(local_profile()))
    route, trust = _only(manifests, "HTTPRoute"), _only(manifests, "BackendTLSPolicy")
    assert at(route, "spec", "hostnames") == ["jupyter-sleep.gateway.platform-gateway.localhost"]
    assert text(trust, "spec", "validation", "hostname") == "hub.project-sleep.svc.cluster.local"
    (reference,) = items(trust, "spec", "validation", "caCertificateRefs")
    assert reference["name"] == text(_only(manifests, "ConfigMap"), "metadata", "name")


def test_a_route_opens_its_tool_to_the_proxies_alone() -> None:
    policy = _only(_objects(_route(local_profile())), "NetworkPolicy")
    (rule,) = items(policy, "spec", "ingress")
    (peer,) = items(rule, "from")
    assert at(peer, "namespaceSelector", "matchLabels") == {"kubernetes.io/metadata.name": OWN}
    assert at(peer, "podSelector", "matchLabels") == {
        "app.kubernetes.io/name": "envoy",
        "app.kubernetes.io/managed-by": "envoy-gateway",
    }
    assert rule["ports"] == [{"protocol": "TCP", "port": 8443}]


def test_a_provider_s_gateway_sends_from_where_the_profile_says() -> None:
    entry = PodSelector(namespace="aks-istio-ingress", pod_labels={"istio": "gateway"})
    policy = _only(_objects(_route(_profile(class_name="approuting-istio", entry=entry))), "NetworkPolicy")
    (rule,) = items(policy, "spec", "ingress")
    (peer,) = items(rule, "from")
    assert at(peer, "podSelector", "matchLabels") == {"istio": "gateway"}


def test_traffic_that_enters_on_the_node_needs_no_policy() -> None:
    assert not of_kind(_objects(_route(_profile(class_name="cilium"))), "NetworkPolicy")


def test_only_the_named_paths_of_a_host_pass() -> None:
    route = _only(_objects(_route(local_profile(), paths=["/realms", "/resources"])), "HTTPRoute")
    (rule,) = items(route, "spec", "rules")
    assert [text(match, "path", "value") for match in items(rule, "matches")] == ["/realms", "/resources"]
