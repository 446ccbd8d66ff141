"""What `check` makes of inputs: normal form, names, namespaces, kinds."""

import base64
import re

import pytest

from engine.errors import InputError, Unsupported
from engine.kubernetes.inputs import normalised, with_namespace, without_nulls
from engine.kubernetes.kinds import SECRET, Kind, kind_of_type, object_id, split_id
from engine.kubernetes.naming import field_manager, with_name
from engine.values import UNKNOWN

URN = "urn:pulumi:dev::project::my:index:Part$kubernetes:core/v1:ConfigMap::settings"
DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("kubernetes:core/v1:Namespace", Kind("v1", "Namespace")),
        ("kubernetes:apps/v1:StatefulSet", Kind("apps/v1", "StatefulSet")),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", Kind("networking.k8s.io/v1", "NetworkPolicy")),
        ("kubernetes:cert-manager.io/v1:Certificate", Kind("cert-manager.io/v1", "Certificate")),
        ("kubernetes:example.org/v1:Patch", Kind("example.org/v1", "Patch")),
    ],
)
def test_translates_type_tokens(token, kind):
    assert kind_of_type(token) == kind


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:yaml:ConfigFile",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:core/v1:ConfigMapPatch",
        "kubernetes:core/v1:ConfigMapList",
    ],
)
def test_refuses_what_is_no_single_object_by_name(token):
    with pytest.raises(Unsupported, match=re.escape(token)) as refused:
        kind_of_type(token)
    assert "use the Pulumi CLI" in str(refused.value)


def test_refuses_a_token_without_a_version():
    with pytest.raises(InputError, match="names no API group and version"):
        kind_of_type("kubernetes:core:Pod")


def test_reads_ids():
    assert split_id("n/x") == ("n", "x")
    assert split_id("x") == ("", "x")
    assert object_id("", "x") == "x"
    assert object_id("n", "x") == "n/x"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stringData": {"a": "1"}}, {"data": {"a": base64.b64encode(b"1").decode()}}),
        ({"stringData": {"a": "1"}, "data": {"a": "eA==", "b": "eQ== \n"}}, {"data": {"a": "MQ==", "b": "eQ=="}}),
        ({"stringData": {"a": UNKNOWN}}, {"data": {"a": UNKNOWN}}),
        ({"stringData": UNKNOWN}, {"data": UNKNOWN}),
        ({"type": "Opaque"}, {"type": "Opaque"}),
        ({"data": {"a": "eA=="}, "status": {}}, {"data": {"a": "eA=="}}),
    ],
)
def test_folds_the_texts_of_a_secret_into_its_data(given, expected):
    assert normalised(given, SECRET) == expected


def test_drops_what_only_the_cluster_may_say():
    given = {"metadata": {"name": "x", "uid": "1", "resourceVersion": "2"}, "status": {"phase": "Active"}}
    assert normalised(given, Kind("v1", "Namespace")) == {"metadata": {"name": "x"}}


def test_keeps_the_status_of_a_custom_resource():
    assert normalised({"status": {"a": 1}}, Kind("example.org/v1", "Thing")) == {"status": {"a": 1}}


def test_drops_nulls_of_mappings_only():
    assert without_nulls({"a": None, "b": [None, {"c": None}]}) == {"b": [None, {}]}


def test_writes_names_as_the_api_has_them_inside_definitions_only():
    schema = {"spec": [{"x_kubernetes_preserve_unknown_fields": True}]}
    assert normalised(schema, DEFINITION) == {"spec": [{"x-kubernetes-preserve-unknown-fields": True}]}
    assert normalised(schema, SECRET) == schema


@pytest.mark.parametrize(
    ("metadata", "namespace"),
    [({}, "here"), ({"namespace": ""}, "here"), ({"namespace": "there"}, "there"), ({"namespace": UNKNOWN}, UNKNOWN)],
)
def test_fills_in_the_namespace(metadata, namespace):
    assert with_namespace({"metadata": metadata}, "here")["metadata"]["namespace"] is namespace


def test_generates_a_name_from_the_seed_and_marks_it():
    first = with_name({}, URN, None, b"1" * 32)
    assert re.fullmatch(r"settings-[0-9a-f]{8}", first["metadata"]["name"])
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert with_name({}, URN, None, b"1" * 32) == first
    assert with_name({}, URN, None, b"2" * 32) != first
    assert with_name({}, URN + "2", None, b"1" * 32)["metadata"]["name"][-8:] != first["metadata"]["name"][-8:]


def test_keeps_a_generated_name():
    recorded = with_name({}, URN, None, b"1" * 32)
    assert with_name({"data": {}}, URN, recorded, b"2" * 32)["metadata"] == recorded["metadata"]


@pytest.mark.parametrize("metadata", [{"name": "fixed"}, {"name": UNKNOWN}, {"generateName": "x-"}])
def test_leaves_a_given_name_alone(metadata):
    assert with_name({"metadata": metadata}, URN, None, b"1" * 32) == {"metadata": metadata}
    assert with_name({"metadata": UNKNOWN}, URN, None, b"1" * 32) == {"metadata": UNKNOWN}


def test_names_the_field_manager_as_pulumi_does():
    inputs = {"metadata": {"name": "x"}}
    chosen = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "mine"}}}
    assert re.fullmatch(r"pulumi-kubernetes-[0-9a-f]{8}", field_manager(URN, inputs))
    assert field_manager(URN, inputs) == field_manager(URN, inputs)
    assert field_manager(URN, inputs) != field_manager(URN, {"metadata": {"name": "y"}})
    assert field_manager(URN, inputs, {"__fieldManager": "recorded"}) == "recorded"
    assert field_manager(URN, chosen, {"__fieldManager": "recorded"}) == "mine"
