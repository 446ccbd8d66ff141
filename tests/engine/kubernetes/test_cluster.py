"""Creating, updating and deleting when answers get lost, against a scripted API server."""

import pytest

from engine.errors import Interrupted, ProviderError
from engine.kubernetes import client as client_module
from engine.kubernetes.client import Client
from engine.kubernetes.cluster import ClusterObjects
from engine.kubernetes.discovery import Resource
from engine.kubernetes.kinds import Kind
from tests.engine.kubernetes.scripted import DROP, Reply, refusal, serving

MAPS = Resource(Kind("v1", "ConfigMap"), "configmaps", namespaced=True)
DEPLOYMENTS = Resource(Kind("apps/v1", "Deployment"), "deployments", namespaced=True)
INPUTS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}, "data": {"a": "1"}}
ALL, ONE = "/api/v1/namespaces/n/configmaps", "/api/v1/namespaces/n/configmaps/x"
MANAGER = "pulumi-kubernetes-01234567"


def live(manager=MANAGER, operation="Update", uid="u", version="1", **fields):
    managed = {"manager": manager, "operation": operation, "fieldsV1": {"f:data": {"f:a": {}}}}
    metadata = {"name": "x", "namespace": "n", "uid": uid, "resourceVersion": version, "managedFields": [managed]}
    return INPUTS | {"metadata": metadata} | fields


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def objects(server, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    client = Client(server.cluster, patience=20)
    yield ClusterObjects(client)
    client.close()


def test_creates_by_a_plain_post_under_its_own_field_manager(server, objects):
    server.script("POST", ALL, Reply(201, live()))
    assert objects.create(MAPS, INPUTS, MANAGER) == live()
    assert server.requests[0].query == {"fieldManager": MANAGER}
    assert server.requests[0].body == INPUTS


def test_refuses_an_object_that_exists(server, objects):
    server.script("POST", ALL, refusal(409, "AlreadyExists"))
    with pytest.raises(ProviderError, match="ConfigMap n/x already exists and does not belong to this stack"):
        objects.create(MAPS, INPUTS, MANAGER)


def test_recognises_its_own_object_after_a_lost_answer(server, objects):
    server.script("POST", ALL, DROP, refusal(409, "AlreadyExists"))
    server.script("GET", ONE, Reply(body=live()))
    assert objects.create(MAPS, INPUTS, MANAGER) == live()


def test_does_not_take_over_anothers_object_after_a_lost_answer(server, objects):
    server.script("POST", ALL, DROP, refusal(409, "AlreadyExists"))
    server.script("GET", ONE, Reply(body=live(manager="kubectl")))
    with pytest.raises(ProviderError, match="already exists"):
        objects.create(MAPS, INPUTS, MANAGER)


def test_says_that_the_outcome_of_a_creation_is_not_known(server):
    server.script("POST", ALL, DROP)
    impatient = ClusterObjects(Client(server.cluster, patience=0.1))
    with pytest.raises(Interrupted, match="not known"):
        impatient.create(MAPS, INPUTS, MANAGER)


def test_waits_for_a_namespace_that_is_just_being_made(server, objects):
    missing = refusal(404, "NotFound", 'namespaces "n" not found')
    server.script("POST", ALL, missing, missing, Reply(201, live()))
    assert objects.create(MAPS, INPUTS, MANAGER) == live()


def test_takes_over_what_the_creation_owned_before_it_applies(server, objects):
    after = live(operation="Apply", version="2")
    server.script("GET", ONE, Reply(body=live()))
    server.script("PATCH", ONE, Reply(body=after), Reply(body=after))
    objects.update(MAPS, INPUTS, MANAGER, ())
    taking, applying = server.seen("PATCH")
    assert taking.headers["Content-Type"] == "application/json-patch+json"
    assert [step["path"] for step in taking.body] == ["/metadata/managedFields", "/metadata/resourceVersion"]
    assert taking.body[0]["value"] == [after["metadata"]["managedFields"][0]]
    assert applying.headers["Content-Type"] == "application/apply-patch+yaml"
    assert applying.query == {"fieldManager": MANAGER, "force": "false"}


def test_starts_the_take_over_again_when_the_object_has_changed_meanwhile(server, objects):
    server.script("GET", ONE, Reply(body=live()), Reply(body=live(version="2")))
    server.script("PATCH", ONE, refusal(409, "Conflict"), Reply(body=live(operation="Apply")))
    objects.update(MAPS, INPUTS, MANAGER, ())
    assert [request.body[1]["value"] for request in server.seen("PATCH")[:2]] == ["1", "2"]


def test_names_the_other_owners_of_a_field(server, objects):
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".data.a"}
    server.script("GET", ONE, Reply(body=live(operation="Apply")))
    server.script("PATCH", ONE, refusal(409, "Conflict", causes=[cause]))
    with pytest.raises(ProviderError, match=r"other field managers own \.data\.a .*kubectl.*pulumi.com/patchForce"):
        objects.update(MAPS, INPUTS, MANAGER, ())


def test_applies_by_force_only_when_annotated(server, objects):
    server.script("PATCH", ONE, Reply(body=live()))
    metadata = INPUTS["metadata"] | {"annotations": {"pulumi.com/patchForce": "true"}}
    objects.apply(MAPS, INPUTS | {"metadata": metadata}, MANAGER)
    assert server.requests[0].query["force"] == "true"


def test_says_that_an_object_to_update_has_gone(server, objects):
    with pytest.raises(ProviderError, match="ConfigMap n/x no longer exists in the cluster; run a refresh"):
        objects.update(MAPS, INPUTS, MANAGER, ())


def delete(objects, resource=MAPS, obj=None, seconds=0.5):
    progress: list[str] = []
    objects.delete(resource, INPUTS, obj or live(), seconds, progress.append)
    return progress


def test_deletes_only_the_object_it_made(server, objects):
    server.script("DELETE", ONE, Reply(body={"kind": "Status", "status": "Success"}))
    delete(objects)
    assert server.requests[0].body["preconditions"] == {"uid": "u"}


def test_takes_an_object_that_is_gone_for_deleted(server, objects):
    server.script("DELETE", ONE, refusal(404, "NotFound"))
    delete(objects)


def test_leaves_a_namesake_alone(server, objects):
    server.script("DELETE", ONE, refusal(409, "Conflict"))
    server.script("GET", ONE, Reply(body=live(uid="other")))
    delete(objects)
    assert [request.method for request in server.requests] == ["DELETE", "GET"]


def test_does_not_hide_another_conflict_of_a_deletion(server, objects):
    server.script("DELETE", ONE, refusal(409, "Conflict", "try again"))
    server.script("GET", ONE, Reply(body=live()))
    with pytest.raises(ProviderError, match="try again"):
        delete(objects)


def test_deletes_again_after_a_lost_answer(server, objects):
    server.script("DELETE", ONE, DROP, refusal(404, "NotFound"))
    delete(objects)


def leaving(**metadata):
    return live() | {"metadata": live()["metadata"] | {"deletionTimestamp": "now"} | metadata}


def test_says_what_keeps_an_object(server, objects):
    server.script("DELETE", ONE, Reply(body=leaving(finalizers=["example.org/hold"])))
    server.script("GET", ALL, Reply(body=[]))
    with pytest.raises(ProviderError, match=r"is being deleted but not gone: finalizers: example\.org/hold"):
        delete(objects)


def test_waits_until_an_object_is_gone(server, objects):
    server.script("DELETE", ONE, Reply(body=leaving()))
    server.script("GET", ALL, Reply(body=[{"type": "DELETED", "object": live(version="2")}]))
    delete(objects, seconds=5)


def test_does_not_wait_for_an_object_that_goes_at_once(server, objects):
    server.script("DELETE", ONE, Reply(body=live()))
    delete(objects)
    assert [request.method for request in server.requests] == ["DELETE"]


@pytest.mark.parametrize(
    ("resource", "annotations", "policy"),
    [
        (MAPS, {}, "Background"),
        (DEPLOYMENTS, {}, "Foreground"),
        (DEPLOYMENTS, {"pulumi.com/deletionPropagationPolicy": "orphan"}, "Orphan"),
        (MAPS, {"pulumi.com/deletionPropagationPolicy": "foreground"}, "Foreground"),
    ],
)
def test_deletes_what_an_object_owns_first(server, objects, resource, annotations, policy):
    server.script("DELETE", resource.path("n", "x"), Reply(body={"kind": "Status"}))
    objects.delete(resource, {"metadata": {"annotations": annotations}}, live(), 1, print)
    assert server.requests[0].body["propagationPolicy"] == policy


def test_lists_a_kind_once_many_of_it_are_read(server, objects):
    items = [live() | {"metadata": {"name": f"x{index}", "namespace": "n", "uid": str(index)}} for index in range(30)]
    server.script("GET", "/api/v1/configmaps", Reply(body={"metadata": {}, "items": items}))
    for index in range(30):
        server.script("GET", f"{ALL}/x{index}", Reply(body=items[index]))
    assert [objects.read(MAPS, "n", f"x{index}") for index in range(30)] == items
    assert objects.read(MAPS, "n", "missing") is None
    assert len(server.requests) == 7 + 1


def test_does_not_answer_from_a_list_what_was_written_since(server, objects):
    server.script("GET", "/api/v1/configmaps", Reply(body={"metadata": {}, "items": [live()]}))
    server.script("POST", ALL, Reply(201, live()))
    server.script("GET", ONE, Reply(body=live(version="2")))
    for index in range(8):
        objects.read(MAPS, "n", f"y{index}")
    objects.create(MAPS, INPUTS, MANAGER)
    assert objects.read(MAPS, "n", "x") == live(version="2")


def test_reads_one_by_one_where_it_may_not_list(server, objects):
    server.script("GET", "/api/v1/configmaps", refusal(403, "Forbidden"))
    server.script("GET", ONE, Reply(body=live()))
    assert all(objects.read(MAPS, "n", "x") == live() for _ in range(10))


def test_says_that_a_kind_is_not_there(server, objects):
    for root in ("/api", "/apis"):
        server.script("GET", root, Reply(body={"kind": "APIGroupDiscoveryList", "items": []}))
    objects.client.cancel()
    with pytest.raises(ProviderError, match=r"no kind .*/Thing; is its CustomResourceDefinition installed"):
        objects.resource(Kind("example.org/v1", "Thing"))
