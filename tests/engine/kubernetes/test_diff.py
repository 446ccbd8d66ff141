"""Comparison of inputs, and what forces a replacement."""

import pytest

from engine.kubernetes.diff import result, wanted_changes
from engine.kubernetes.immutable import force_new, is_wholly_known
from engine.kubernetes.kinds import kind_of_object
from engine.paths import parse_path
from engine.provider import Changes
from engine.values import UNKNOWN


def compare(old, new, *, ignore=(), mutable=True, live=None):
    patterns = force_new(new, kind_of_object(new), mutable_config_maps=mutable, mutable_secrets=mutable)
    changes = wanted_changes(old, new, tuple(map(parse_path, ignore)))
    return result(changes, patterns, live or old, new)


def config_map(**fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}} | fields


def stateful_set(**spec):
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "n"}, "spec": spec}


@pytest.mark.parametrize(
    ("old", "new", "detailed"),
    [
        ({"a": "1"}, {"a": "1"}, {}),
        ({"a": "1"}, {"a": "2"}, {"data.a": "update"}),
        ({"a": "1"}, {"b": "1"}, {"data.a": "delete", "data.b": "add"}),
        ({"a": "1"}, {"a": UNKNOWN}, {"data.a": "update"}),
        ({"a": [1, 2]}, {"a": [1]}, {"data.a[1]": "delete"}),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}, {"x": 3}]}, {"data.a[0].x": "update", "data.a[1]": "add"}),
        ({"a.b": "1"}, {"a.b": "2"}, {'data["a.b"]': "update"}),
        ({"a": True}, {"a": 1}, {"data.a": "update"}),
    ],
)
def test_names_each_change_as_deep_as_it_goes(old, new, detailed):
    assert compare(config_map(data=old), config_map(data=new)).detailed == detailed


@pytest.mark.parametrize("empty", [{}, [], "", 0, False])
def test_takes_an_empty_value_that_comes_or_goes_for_a_change(empty):
    assert compare(config_map(), config_map(extra=empty)).detailed == {"extra": "add"}
    assert compare(config_map(extra=empty), config_map()).detailed == {"extra": "delete"}


def test_takes_two_spellings_of_a_quantity_for_the_same():
    def claim(size):
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "spec": {"resources": {"requests": {"storage": size}}},
        }

    assert compare(claim("1Gi"), claim("1024Mi")).changes is Changes.NONE
    assert compare(claim("1Gi"), claim("1G")).detailed == {"spec.resources.requests.storage": "update"}


def test_does_not_take_texts_that_look_like_quantities_for_the_same():
    assert compare(config_map(data={"a": "1000m"}), config_map(data={"a": "1"})).changes is Changes.SOME


@pytest.mark.parametrize("ignored", ["data", "data.a", "data[*]", 'data["a"]'])
def test_leaves_ignored_properties_alone(ignored):
    found = compare(config_map(data={"a": "1"}), config_map(data={"a": "2"}), ignore=[ignored])
    assert found.changes is Changes.NONE


@pytest.mark.parametrize(
    ("new", "mutable", "replaces"),
    [
        (config_map(data={"a": "2"}), True, ()),
        (config_map(data={"a": "2"}), False, ("data.a",)),
        (config_map(data={"a": "2"}, immutable=True), True, ("data.a",)),
    ],
)
def test_replaces_a_config_map_as_the_options_say(new, mutable, replaces):
    found = compare(config_map(data={"a": "1"}, immutable=new.get("immutable", False)), new, mutable=mutable)
    assert found.replaces == replaces


def test_replaces_a_secret_whose_type_changes_even_when_secrets_are_mutable():
    def secret(type_):
        return {"apiVersion": "v1", "kind": "Secret", "type": type_}

    assert compare(secret("Opaque"), secret("kubernetes.io/tls")).replaces == ("type",)


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"replicas": 1}, {"replicas": 2}, ()),
        ({"serviceName": "a"}, {"serviceName": "b"}, ("spec.serviceName",)),
        ({"volumeClaimTemplates": []}, {"volumeClaimTemplates": [{"spec": {}}]}, ("spec.volumeClaimTemplates[0]",)),
        (
            {"selector": {"matchLabels": {"a": "1"}}},
            {"selector": {"matchLabels": {}}},
            ("spec.selector.matchLabels.a",),
        ),
    ],
)
def test_replaces_a_stateful_set_for_what_it_cannot_change(old, new, replaces):
    assert compare(stateful_set(**old), stateful_set(**new)).replaces == replaces


def test_replaces_when_a_whole_branch_with_an_immutable_property_comes():
    service = {"apiVersion": "v1", "kind": "Service"}
    assert compare(service, service | {"spec": {"clusterIP": "10.0.0.1"}}).replaces == ("spec",)
    assert compare(service, service | {"spec": {"type": "NodePort"}}).replaces == ()


def test_replaces_a_pod_whose_container_has_another_command():
    def pod(command):
        return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "command": [command]}]}}

    assert compare(pod("a"), pod("b")).replaces == ("spec.containers[0].command[0]",)


@pytest.mark.parametrize(
    ("metadata", "first"),
    [
        ({"name": "s", "namespace": "n"}, True),
        ({"name": "s", "namespace": "other"}, False),
        ({"name": "t", "namespace": "n"}, False),
        ({"name": "s", "namespace": "n", "annotations": {"pulumi.com/autonamed": "true"}}, False),
    ],
)
def test_deletes_first_only_what_has_the_same_fixed_name(metadata, first):
    new = stateful_set(serviceName="b") | {"metadata": metadata}
    found = compare(stateful_set(serviceName="a"), new)
    assert found.replaces
    assert found.delete_before_replace is first


@pytest.mark.parametrize(
    ("recorded", "known"),
    [
        (config_map(data={}), True),
        (config_map(immutable=True), False),
        (stateful_set(), False),
        ({"apiVersion": "example.org/v1", "kind": "ConfigMap"}, False),
    ],
)
def test_asks_the_server_only_where_the_table_may_be_incomplete(recorded, known):
    assert is_wholly_known(kind_of_object(recorded), recorded) is known
