"""Outputs, what previews promise, and who owns which field."""

import pytest

from engine.kubernetes.kinds import Kind
from engine.kubernetes.outputs import checkpoint, live_object, overlay, planned_creation, planned_update, rewritten
from engine.kubernetes.ownership import has_plain_writes, is_managed_by, taken_over, without_ignored
from engine.values import UNKNOWN, Secret

SERVICE, CLAIM, MAP = Kind("v1", "Service"), Kind("v1", "PersistentVolumeClaim"), Kind("v1", "ConfigMap")
MANAGER = "pulumi-kubernetes-01234567"


def test_records_the_live_object_and_what_pulumi_keeps_beside_it():
    live = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "uid": "u"}, "data": {}}
    outputs = checkpoint({"data": {}}, live, MAP, MANAGER)
    assert outputs == live | {"__inputs": Secret({"data": {}}), "__initialApiVersion": "v1", "__fieldManager": MANAGER}
    assert live_object(outputs) == live


def test_marks_the_content_of_a_secret_wherever_it_stands():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "eA=="}}
    kind = Kind("v1", "Secret")
    planned = (planned_creation(secret, None, kind), planned_update(secret, None, {"data": {"a": "b"}}))
    for outputs in (checkpoint(secret, secret, kind, MANAGER), *planned):
        assert outputs["data"] == Secret({"a": "eA=="})
        assert "eA==" not in repr(outputs)


def test_never_shows_inputs_of_which_it_does_not_know_whether_they_are_secret():
    outputs = checkpoint({"spec": {"env": "hidden"}}, {"spec": {}}, Kind("apps/v1", "Deployment"), MANAGER)
    assert "hidden" not in repr(outputs)


def test_promises_nothing_that_the_server_decides_about_a_new_service():
    inputs = {"metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    answer = {
        "metadata": {"name": "x", "uid": "dummy", "creationTimestamp": "now", "labels": {"a": "b"}},
        "spec": {"type": "NodePort", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "sessionAffinity": "None"}
        | {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}]},
        "status": {"loadBalancer": {}},
    }
    planned = planned_creation(inputs, answer, SERVICE)
    assert planned["spec"]["clusterIP"] is UNKNOWN
    assert planned["spec"]["clusterIPs"] is UNKNOWN
    assert planned["spec"]["sessionAffinity"] == "None"
    assert planned["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "nodePort": UNKNOWN}]
    assert planned["metadata"]["uid"] is planned["metadata"]["creationTimestamp"] is UNKNOWN
    assert planned["metadata"]["labels"] == {"a": "b"}
    assert "status" not in planned


def test_keeps_what_the_program_itself_decides_about_a_service():
    planned = planned_creation({"metadata": {}, "spec": {"clusterIP": "None"}}, None, SERVICE)
    assert planned["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("inputs", [{"metadata": UNKNOWN, "spec": UNKNOWN}, {"spec": {"selector": UNKNOWN}}])
def test_plans_around_what_is_not_known(inputs):
    planned = planned_creation(inputs, None, CLAIM)
    assert planned["spec"] is UNKNOWN or planned["spec"]["volumeName"] is UNKNOWN
    assert planned["metadata"] is UNKNOWN or planned["metadata"]["uid"] is UNKNOWN


def test_keeps_what_was_decided_when_it_plans_an_update():
    outputs = {"metadata": {"uid": "u", "resourceVersion": "1"}, "spec": {"clusterIP": "10.0.0.1", "type": "ClusterIP"}}
    planned = planned_update({"metadata": {}, "spec": {"type": UNKNOWN}}, None, outputs | {"__fieldManager": "m"})
    assert planned == {
        "metadata": {"uid": "u", "resourceVersion": UNKNOWN},
        "spec": {"clusterIP": "10.0.0.1", "type": UNKNOWN},
    }


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ([{"a": 1}], [{"b": 2}], [{"a": 1, "b": 2}]),
        ([1, 2], [3], [3]),
        ({"a": 1}, UNKNOWN, UNKNOWN),
    ],
)
def test_lays_what_is_given_over_what_was_found(below, above, expected):
    assert overlay(below, above) == expected


@pytest.mark.parametrize(
    ("live", "old", "new", "expected"),
    [
        ({"a": 1, "b": 2, "server": 3}, {"a": 1, "b": 2}, {"a": 4}, {"a": 4, "server": 3}),
        ({"p": [{"port": 1, "node": 9}]}, {"p": [{"port": 1}]}, {"p": [{"port": 2}]}, {"p": [{"port": 2, "node": 9}]}),
        ({"p": [{"port": 1, "node": 9}]}, {"p": [{"port": 1}]}, {"p": []}, {"p": []}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {}, {}),
    ],
)
def test_rewrites_the_live_object_as_the_change_of_inputs_would(live, old, new, expected):
    assert rewritten(live, old, new) == expected


def entry(manager, operation, *fields, **more):
    return {"manager": manager, "operation": operation, "fieldsV1": {f"f:{each}": {} for each in fields}} | more


def managed(*entries):
    return {"metadata": {"managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([entry(MANAGER, "Apply", "a")], None),
        ([entry("kube-controller-manager", "Update", "a")], None),
        ([entry(MANAGER, "Update", "a", subresource="status")], None),
        ([entry(MANAGER, "Update", "a")], [entry(MANAGER, "Apply", "a")]),
        ([entry("kubectl-client-side-apply", "Update", "a")], [entry(MANAGER, "Apply", "a")]),
        (
            [entry(MANAGER, "Update", "a"), entry("hpa", "Update", "b"), entry(MANAGER, "Apply", "c")],
            [entry("hpa", "Update", "b"), entry(MANAGER, "Apply", "c", "a")],
        ),
    ],
)
def test_takes_over_what_plain_writes_own(before, after):
    assert taken_over(managed(*before), MANAGER) == after
    assert has_plain_writes(managed(*before)) is (after is not None)


def test_recognises_a_manager_by_its_whole_name():
    live = managed(entry(MANAGER, "Update", "a"))
    assert is_managed_by(live, MANAGER)
    assert not is_managed_by(live, MANAGER[:-1])
    assert not is_managed_by({}, MANAGER)


@pytest.mark.parametrize(
    ("owners", "replicas"),
    [([], 5), ([MANAGER], 5), (["hpa", MANAGER], 5), (["hpa"], None)],
    ids=["nobody", "we", "both", "another"],
)
def test_leaves_ignored_fields_to_whoever_owns_them(owners, replicas):
    entries = [
        {"manager": owner, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}} for owner in owners
    ]
    live = managed(*entries) | {"spec": {"replicas": 5}}
    kept = without_ignored({"spec": {"replicas": 1, "x": 1}}, live, MANAGER, (("spec", "replicas"),))
    assert kept["spec"].get("replicas") == replicas
    assert kept["spec"]["x"] == 1
