"""The life of objects on a real API server: created, changed, found again, refused, deleted."""

import pytest

from engine.errors import PartialFailure, ProviderError
from engine.kubernetes.naming import field_manager
from engine.provider import Changes
from engine.values import UNKNOWN
from tests.engine.kubernetes.conftest import Harness, exists

pytestmark = pytest.mark.platform

TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
SELECTOR = {"matchLabels": {"a": "b"}}
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
QUOTA = {"hard": {"requests.cpu": "1000m", "pods": "3"}}

KINDS = [
    ("core/v1:ConfigMap", "configmaps", {"data": {"a": "1", "b": "2"}}, {"data": {"a": "3"}}),
    ("core/v1:Secret", "secrets", {"stringData": {"a": "1", "b": "2"}}, {"stringData": {"a": "3"}}),
    ("core/v1:Secret", "secrets", {"data": {"a": "MQ=="}, "type": "Opaque"}, {"data": {"b": "Mg=="}, "type": "Opaque"}),
    ("core/v1:ServiceAccount", "serviceaccounts", {"automountServiceAccountToken": False}, {}),
    ("core/v1:ResourceQuota", "resourcequotas", {"spec": QUOTA}, {"spec": {"hard": {"pods": "4"}}}),
    (
        "core/v1:LimitRange",
        "limitranges",
        {"spec": {"limits": [{"type": "Container", "default": {"cpu": "0.5"}, "defaultRequest": {"cpu": "0.1"}}]}},
        {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}},
    ),
    (
        "core/v1:Service",
        "services",
        {"spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]}},
        {"spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 81}]}},
    ),
    (
        "networking.k8s.io/v1:NetworkPolicy",
        "networkpolicies",
        {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": []}},
        {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}},
    ),
    (
        "apps/v1:StatefulSet",
        "statefulsets",
        {"spec": {"serviceName": "s", "replicas": 0, "selector": SELECTOR, "template": TEMPLATE}},
        {"spec": {"serviceName": "s", "selector": SELECTOR, "template": TEMPLATE, "replicas": 0, "minReadySeconds": 1}},
    ),
    (
        "apps/v1:Deployment",
        "deployments",
        {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE, "paused": False}},
        {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE, "revisionHistoryLimit": 1}},
    ),
    (
        "batch/v1:Job",
        "jobs",
        {"spec": {"suspend": True, "template": {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}}}},
        {
            "spec": {
                "suspend": True,
                "template": {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}},
                "backoffLimit": 1,
            }
        },
    ),
    ("rbac.authorization.k8s.io/v1:Role", "roles", {"rules": [RULE]}, {"rules": [RULE | {"verbs": ["get", "list"]}]}),
]
GROUPS = {"core/v1": "/api/v1"}


@pytest.mark.parametrize(
    ("type_", "plural", "first", "second"), KINDS, ids=[f"{kind[0]}-{i}" for i, kind in enumerate(KINDS)]
)
def test_lives_from_creation_to_deletion(cluster: Harness, type_, plural, first, second):
    declared = cluster.declare(type_, "x", first)
    group = type_.partition(":")[0]
    planned = declared.preview()
    assert planned["metadata"]["uid"] is UNKNOWN

    declared.create()
    name, root = declared.outputs["metadata"]["name"], GROUPS.get(group, f"/apis/{group}")
    path = f"{root}/namespaces/{cluster.namespace}/{plural}/{name}"
    assert declared.id == f"{cluster.namespace}/{name}"
    assert declared.outputs["metadata"]["uid"] == cluster.client.get(path)["metadata"]["uid"]
    assert declared.diff().changes is Changes.NONE
    assert declared.refresh() is not None
    assert declared.diff().changes is Changes.NONE

    after = declared.fields | second if "spec" not in second else declared.changed(**second)
    after = {key: value for key, value in after.items() if key in second or key == "metadata"}
    found = declared.diff(after)
    assert found.changes is Changes.SOME
    assert found.replaces == ()
    declared.preview_update(after)
    declared.update(after)
    assert declared.diff().changes is Changes.NONE
    applied = [entry for entry in cluster.client.get(path)["metadata"]["managedFields"] if "pulumi" in entry["manager"]]
    assert [(entry["manager"], entry["operation"]) for entry in applied] == [
        (declared.outputs["__fieldManager"], "Apply")
    ]
    assert declared.refresh() is not None
    assert declared.diff().changes is Changes.NONE

    declared.delete()
    assert not exists(cluster.client, path)
    assert declared.refresh() is None
    declared.delete()


def test_removes_from_the_object_what_the_program_no_longer_gives(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"data": {"a": "1", "b": "2"}}).create()
    assert declared.update(declared.changed(data={"b": "2"})).outputs["data"] == {"b": "2"}
    assert declared.update(declared.changed(data={})).outputs.get("data") is None


def test_generates_a_name_and_keeps_it(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "settings", {"data": {"a": "1"}}).create()
    name = declared.outputs["metadata"]["name"]
    assert name.startswith("settings-")
    assert declared.outputs["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert declared.update(declared.changed(data={"a": "2"})).outputs["metadata"]["name"] == name


def test_puts_an_object_without_a_namespace_into_the_configured_one(cluster: Harness):
    other = cluster.with_options(namespace=cluster.namespace)
    declared = other.declare("core/v1:ConfigMap", "x", {}, namespaced=False).create()
    assert declared.id.startswith(f"{cluster.namespace}/x-")


def existing(cluster: Harness, **data: str):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}
    return cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/configmaps", body, {"fieldManager": "kubectl"})


def test_refuses_an_object_that_exists_in_the_preview_and_after(cluster: Harness):
    existing(cluster, a="theirs")
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"name": "x"}, "data": {"a": "ours"}})
    for attempt in (declared.preview, declared.create):
        with pytest.raises(ProviderError, match="already exists and does not belong to this stack"):
            attempt()


def test_takes_an_existing_object_over_when_told_to(cluster: Harness):
    uid = existing(cluster, a="ours", b="theirs")["metadata"]["uid"]
    upserting = cluster.with_options(upsertExistingObjects="true")
    declared = upserting.declare("core/v1:ConfigMap", "x", {"metadata": {"name": "x"}, "data": {"a": "ours"}})
    declared.preview()
    declared.create()
    assert declared.outputs["metadata"]["uid"] == uid
    assert declared.outputs["data"] == {"a": "ours", "b": "theirs"}


def test_finds_again_what_an_interrupted_creation_made(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"name": "x"}, "data": {"a": "1"}})
    inputs = declared.check()
    assert cluster.provider.recover(declared.urn, inputs) is None
    body, path = dict(inputs), f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    cluster.client.post(path, body, {"fieldManager": field_manager(declared.urn, inputs)})
    found = cluster.provider.recover(declared.urn, inputs)
    assert found is not None
    assert found.id == f"{cluster.namespace}/x"
    assert found.outputs["__fieldManager"] == field_manager(declared.urn, inputs)


def test_does_not_take_anothers_object_for_what_it_made(cluster: Harness):
    existing(cluster, a="1")
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"name": "x"}, "data": {"a": "1"}})
    assert cluster.provider.recover(declared.urn, declared.check()) is None


def test_replaces_what_only_the_server_knows_to_be_immutable(cluster: Harness):
    fields = {"metadata": {"name": "x"}, "immutable": True, "data": {"a": "1"}}
    declared = cluster.declare("core/v1:ConfigMap", "x", fields).create()
    found = declared.diff(declared.changed(immutable=False, data={"a": "2"}))
    assert set(found.replaces) == {"data.a", "immutable"}
    assert found.delete_before_replace


def test_plans_a_replacement_although_the_old_object_still_exists(cluster: Harness):
    fields = {
        "metadata": {"name": "x"},
        "spec": {"serviceName": "a", "replicas": 0, "selector": SELECTOR, "template": TEMPLATE},
    }
    declared = cluster.declare("apps/v1:StatefulSet", "x", fields).create()
    declared.fields = declared.changed(spec=fields["spec"] | {"serviceName": "b"})
    found = declared.diff()
    assert found.replaces == ("spec.serviceName",)
    assert found.delete_before_replace
    assert declared.preview()["spec"]["serviceName"] == "b"


def test_promises_nothing_about_addresses_in_a_preview(cluster: Harness):
    fields = {"spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]}}
    planned = cluster.declare("core/v1:Service", "x", fields).preview()
    assert planned["spec"]["clusterIP"] is UNKNOWN
    assert planned["spec"]["ports"][0]["nodePort"] is UNKNOWN
    assert planned["spec"]["ports"][0]["protocol"] == "TCP"


def test_plans_objects_of_a_namespace_that_is_planned_itself(cluster: Harness):
    namespace = cluster.declare("core/v1:Namespace", "new", {"metadata": {"name": "not-there"}}, namespaced=False)
    namespace.preview()
    inside = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"namespace": "not-there"}, "data": {"a": "1"}})
    assert inside.preview()["data"] == {"a": "1"}


def test_refuses_in_the_preview_what_the_server_would_refuse(cluster: Harness):
    declared = cluster.declare("core/v1:Service", "x", {"spec": {"ports": [{"port": 99999}]}})
    with pytest.raises(ProviderError, match=r"spec\.ports\[0\]\.port"):
        declared.preview()


def test_shows_a_drift_and_repairs_it(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"data": {"a": "1"}}).create()
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{declared.outputs['metadata']['name']}"
    cluster.client.patch(
        path, {"data": {"a": "2", "new": "1"}}, {"fieldManager": "kubectl-edit"}, "application/merge-patch+json"
    )
    assert declared.refresh() is not None
    assert declared.diff().detailed == {"data.a": "update"}
    assert declared.update(declared.fields).outputs["data"]["a"] == "1"


def test_names_the_manager_that_owns_a_field_and_takes_it_when_annotated(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"data": {"a": "1"}}).create()
    declared.update(declared.changed(data={"a": "2"}))
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{declared.outputs['metadata']['name']}"
    cluster.client.patch(path, {"data": {"a": "9"}}, {"fieldManager": "somebody"}, "application/merge-patch+json")
    after = declared.changed(data={"a": "3"})
    for attempt in (declared.preview_update, declared.update):
        with pytest.raises(ProviderError, match=r"other field managers own .data.a .*somebody"):
            attempt(after)
    forced = {"annotations": {"pulumi.com/patchForce": "true"}}
    assert declared.update(declared.changed(metadata=forced, data={"a": "3"})).outputs["data"] == {"a": "3"}


def test_leaves_ignored_fields_to_another_manager(cluster: Harness):
    spec = {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}
    declared = cluster.declare("apps/v1:Deployment", "x", {"spec": spec}).create()
    declared.update(
        declared.changed(spec={key: value for key, value in spec.items() if key != "replicas"}), "spec.replicas"
    )
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/{declared.outputs['metadata']['name']}"
    cluster.client.patch(
        f"{path}/scale", {"spec": {"replicas": 0}}, {"fieldManager": "hpa"}, "application/merge-patch+json"
    )
    after = declared.changed(spec=spec | {"replicas": 7, "minReadySeconds": 3})
    assert declared.diff(after, "spec.replicas").detailed == {"spec.minReadySeconds": "add"}
    declared.update(after, "spec.replicas")
    assert cluster.client.get(path)["spec"]["replicas"] == 0


def test_gives_up_the_fields_of_a_former_manager(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"data": {"a": "1"}}).create()
    named = {"annotations": {"pulumi.com/patchFieldManager": "mine"}}
    declared.update(declared.changed(metadata=named))
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{declared.outputs['metadata']['name']}"
    assert [entry["manager"] for entry in cluster.client.get(path)["metadata"]["managedFields"]] == ["mine"]
    assert declared.update(declared.changed(data={"a": "2"})).outputs["data"] == {"a": "2"}


def test_does_not_delete_a_namesake(cluster: Harness):
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"name": "x"}}).create()
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/x"
    cluster.client.delete(path, {})
    existing(cluster, a="theirs")
    declared.delete()
    assert cluster.client.get(path)["data"] == {"a": "theirs"}


def test_says_which_finaliser_keeps_an_object(cluster: Harness):
    metadata = {"name": "x", "finalizers": ["example.org/hold"]}
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": metadata}).create()
    with pytest.raises(ProviderError, match=r"finalizers: example\.org/hold"):
        declared.delete(timeout=1)
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/x"
    cluster.client.patch(path, {"metadata": {"finalizers": None}}, {}, "application/merge-patch+json")
    declared.delete()
    assert not exists(cluster.client, path)


def test_deletes_a_namespace_with_all_that_is_in_it(cluster: Harness):
    namespace = cluster.declare("core/v1:Namespace", "other", {}, namespaced=False).create()
    inside = cluster.declare("core/v1:ConfigMap", "x", {"metadata": {"namespace": namespace.id}}).create()
    namespace.delete(timeout=60)
    assert not exists(cluster.client, f"/api/v1/namespaces/{namespace.id}")
    inside.delete()


def test_warns_of_a_field_that_does_not_exist(cluster: Harness):
    cluster.declare("core/v1:ConfigMap", "x", {"dta": {"a": "1"}}).create()
    assert any("unknown field" in message for severity, _, message in cluster.messages if severity == "warning")


def test_reports_an_object_that_does_not_become_ready(cluster: Harness):
    metadata = {"annotations": {"pulumi.com/timeoutSeconds": "1", "pulumi.com/waitFor": "jsonpath={.data.b}"}}
    declared = cluster.declare("core/v1:ConfigMap", "x", {"metadata": metadata, "data": {"a": "1"}})
    with pytest.raises(PartialFailure, match=r"\.data\.b is absent") as failure:
        declared.create(timeout=None)
    assert failure.value.id.startswith(f"{cluster.namespace}/x-")
    assert failure.value.outputs["data"] == {"a": "1"}
