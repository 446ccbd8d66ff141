"""Definitions of custom kinds, against a definition as an API server returned it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ProviderError
from engine.kubernetes import KubernetesProvider
from engine.provider import Changes
from engine.values import Object, reveal
from tests.engine.kubernetes.scripted import Reply, ScriptedServer, refusal, serving

RECORDED: Object = json.loads((Path(__file__).parent / "recorded/definition.json").read_text())
URN = "urn:pulumi:dev::shop::kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::dashes"
ALL = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {
            "metadata": {"name": "apiextensions.k8s.io"},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "customresourcedefinitions",
                            "scope": "Cluster",
                            "responseKind": {"kind": "CustomResourceDefinition"},
                        }
                    ],
                }
            ],
        }
    ],
}


def _declared() -> Object:
    """Return what a program says to get the recorded definition: without the server's defaults."""
    spec = {key: item for key, item in RECORDED["spec"].items() if key != "conversion"}
    names = {key: spec["names"][key] for key in ("plural", "kind")}
    return {"metadata": {"name": RECORDED["metadata"]["name"]}, "spec": spec | {"names": names}}


def _with_underscores(value: Any) -> Any:
    """Return properties as the arguments' classes of the SDK spell them."""
    if isinstance(value, dict):
        spelt = {key.replace("-", "_") if key.startswith("x-") else key: item for key, item in value.items()}
        return {key: _with_underscores(item) for key, item in spelt.items()}
    return [_with_underscores(item) for item in value] if isinstance(value, list) else value


THING = "urn:pulumi:dev::shop::kubernetes:example.org/v1:Dash::x"
OBJECT = {"apiVersion": "example.org/v1", "kind": "Dash", "metadata": {"name": "x", "namespace": "default"}}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    replies = {
        ("GET", "/version"): Reply(body={"major": "1"}),
        ("GET", "/api"): Reply(body={"kind": "APIGroupDiscoveryList", "items": []}),
        ("GET", "/apis"): Reply(body=DISCOVERY),
        ("POST", ALL): Reply(201, RECORDED),
        ("GET", f"{ALL}/dashes.example.org"): Reply(body=RECORDED),
    }
    with serving(replies=replies) as server:
        yield server


@pytest.fixture
def provider(server: ScriptedServer) -> Iterator[KubernetesProvider]:
    provider = KubernetesProvider(lambda *_: None, patience=0.2)
    configuration = {"clusters": [{"name": "c", "cluster": {"server": server.cluster.server}}], "users": []}
    configuration |= {"contexts": [{"name": "c", "context": {"cluster": "c"}}], "current-context": "c"}
    provider.configure({"kubeconfig": json.dumps(configuration)})
    yield provider
    provider.close()


@pytest.mark.parametrize("spell", [lambda value: value, _with_underscores], ids=["dashes", "underscores"])
def test_a_refresh_finds_what_a_creation_recorded(provider: KubernetesProvider, spell: Any) -> None:
    given = spell(_declared())
    inputs = reveal(provider.check(URN, None, given, random_seed=b"").inputs)
    id_, outputs = provider.create(URN, inputs, timeout=None, preview=False)
    found = provider.read(URN, id_, inputs, reveal(outputs))
    assert found
    assert (found.id, found.inputs, found.outputs) == (id_, inputs, outputs)
    assert provider.diff(URN, id_, inputs, reveal(outputs), inputs).changes is Changes.NONE


def test_what_is_recorded_with_underscores_is_no_drift(provider: KubernetesProvider) -> None:
    recorded = _with_underscores(_declared()) | {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
    }
    outputs = _with_underscores(RECORDED)
    found = provider.read(URN, "dashes.example.org", recorded, outputs)
    new = reveal(provider.check(URN, recorded, _declared(), random_seed=b"").inputs)
    assert found
    assert found.inputs == new
    assert provider.diff(URN, "dashes.example.org", recorded, outputs, new).changes is Changes.NONE


def test_an_object_goes_with_its_kind(provider: KubernetesProvider) -> None:
    assert provider.read(THING, "default/x", OBJECT, OBJECT) is None
    provider.delete(THING, "default/x", OBJECT, OBJECT, timeout=1)


def test_an_object_whose_kind_is_only_not_served_yet_is_not_taken_for_gone(
    server: ScriptedServer, provider: KubernetesProvider
) -> None:
    server.script("GET", "/apis/example.org/v1", refusal(503, message="starting"))
    with pytest.raises(ProviderError, match="starting"):
        provider.read(THING, "default/x", OBJECT, OBJECT)
    with pytest.raises(ProviderError, match="starting"):
        provider.delete(THING, "default/x", OBJECT, OBJECT, timeout=1)


def test_a_kind_that_the_list_of_all_kinds_leaves_out_is_found(
    server: ScriptedServer, provider: KubernetesProvider
) -> None:
    kinds = [{"name": "dashes", "kind": "Dash", "namespaced": True}]
    server.script("GET", "/apis/example.org/v1", Reply(body={"resources": kinds}))
    server.script("GET", "/apis/example.org/v1/namespaces/default/dashes/x", Reply(body=OBJECT))
    found = provider.read(THING, "default/x", OBJECT, OBJECT)
    assert found
    assert found.inputs == OBJECT
