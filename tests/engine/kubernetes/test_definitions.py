"""Definitions of custom kinds, against a definition as an API server returned it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.kubernetes import KubernetesProvider
from engine.provider import Changes
from engine.values import Object, reveal
from tests.engine.kubernetes.scripted import Reply, serving

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


@pytest.fixture
def provider() -> Iterator[KubernetesProvider]:
    replies = {
        ("GET", "/version"): Reply(body={"major": "1"}),
        ("GET", "/api"): Reply(body={"kind": "APIGroupDiscoveryList", "items": []}),
        ("GET", "/apis"): Reply(body=DISCOVERY),
        ("POST", ALL): Reply(201, RECORDED),
        ("GET", f"{ALL}/dashes.example.org"): Reply(body=RECORDED),
    }
    with serving(replies=replies) as server:
        provider = KubernetesProvider(lambda *_: None)
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
