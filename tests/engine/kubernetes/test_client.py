"""The client against an API server that is overloaded, broken, slow, or not there."""

import socket
import threading
import time
from itertools import islice

import pytest

from engine.errors import Interrupted, Unreachable
from engine.kubernetes import client as client_module
from engine.kubernetes.changes import QUIET, Follower, by_name
from engine.kubernetes.client import ApiError, Client
from engine.kubernetes.kubeconfig import Cluster
from engine.kubernetes.limiter import Limiter
from tests.engine.kubernetes.scripted import DROP, Reply, refusal, serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def client(server):
    made = Client(server.cluster, patience=20)
    yield made
    made.close()


@pytest.fixture
def impatient(server):
    made = Client(server.cluster, patience=0.1)
    yield made
    made.close()


@pytest.mark.parametrize("trouble", [refusal(429), refusal(503), refusal(500), refusal(502), refusal(504), DROP])
@pytest.mark.parametrize("method", ["get", "post"])
def test_tries_again_what_may_pass(server, client, trouble, method):
    server.script(method.upper(), "/x", trouble, trouble, Reply(body={"done": True}))
    assert (client.get("/x") if method == "get" else client.post("/x", {})) == {"done": True}
    assert len(server.requests) == 3


def test_waits_as_long_as_the_server_asks(server, client):
    server.script("GET", "/x", Reply(429, headers={"Retry-After": "1"}), Reply())
    started = time.monotonic()
    client.get("/x")
    assert time.monotonic() - started >= 1.0


def test_does_not_wait_longer_than_its_patience(server, impatient):
    server.script("GET", "/x", Reply(429, {"message": "too much"}, {"Retry-After": "60"}))
    with pytest.raises(ApiError, match="too much"):
        impatient.get("/x")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_does_not_try_again_what_was_refused(server, client, status):
    server.script("POST", "/x", refusal(status, "Whatever", "no"))
    with pytest.raises(ApiError, match="no") as refused:
        client.post("/x", {})
    assert (refused.value.status, refused.value.reason) == (status, "Whatever")
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", [DROP, refusal(500), refusal(504)])
def test_never_takes_a_write_of_unknown_outcome_for_a_plain_failure(server, impatient, trouble):
    server.script("PATCH", "/x", trouble)
    with pytest.raises(Interrupted, match="not known whether"):
        impatient.patch("/x", {}, {}, "application/apply-patch+yaml")


@pytest.mark.parametrize("trouble", [DROP, refusal(500, message="broken")])
def test_takes_a_dry_run_or_a_read_of_unknown_outcome_for_a_failure(server, impatient, trouble):
    server.script("PATCH", "/x", trouble)
    server.script("GET", "/x", trouble)
    for act in (lambda: impatient.get("/x"), lambda: impatient.patch("/x", {}, {"dryRun": "All"}, "application/json")):
        with pytest.raises((Unreachable, ApiError), match="broke") as failed:
            act()
        assert not isinstance(failed.value, Interrupted)


def test_remembers_that_an_earlier_attempt_may_have_succeeded(server, client):
    server.script("POST", "/x", DROP, refusal(409, "AlreadyExists"))
    with pytest.raises(ApiError) as refused:
        client.post("/x", {})
    assert refused.value.outcome_was_lost


def test_says_that_a_server_cannot_be_reached():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"{address} cannot be reached: .*refused"):
        Client(Cluster("gone", {"server": address}, {}), patience=0.2).post("/x", {})


def test_waits_for_a_server_that_restarts():
    with serving() as first:
        cluster, port = first.cluster, first.server_address[1]
    client, result = Client(cluster, patience=20), []
    asking = threading.Thread(target=lambda: result.append(client.get("/x")))
    asking.start()
    with serving(port, {("GET", "/x"): Reply(body={"back": True})}):
        asking.join(10)
    assert result == [{"back": True}]


def test_says_that_credentials_are_refused(server, client):
    server.script("GET", "/x", refusal(401, "Unauthorized"))
    with pytest.raises(Unreachable, match="refuses the credentials of context 'scripted'"):
        client.get("/x")
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


def test_reads_a_token_file_again_when_its_token_is_refused(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("old\n")
    cluster = Cluster("c", server.cluster.cluster, {"tokenFile": str(token)})
    client = Client(cluster, patience=20)
    server.script("GET", "/x", refusal(401), Reply())
    client._transport._credentials.headers()
    token.write_text("new\n")
    client.get("/x")
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


def test_passes_on_the_warnings_of_the_server(server):
    warnings: list[str] = []
    client = Client(server.cluster, warnings.append)
    server.script("POST", "/x", Reply(headers={"Warning": '299 - "unknown field \\"spec.foo\\"", 299 - "old"'}))
    client.post("/x", {})
    assert warnings == ['unknown field "spec.foo"', "old"]


def test_survives_an_answer_that_is_no_json(server, client):
    server.script("POST", "/x", Reply(418, "<html>teapot</html>"))
    with pytest.raises(ApiError, match="teapot"):
        client.post("/x", {})


def test_halves_the_requests_at_once_when_refused_and_grows_again():
    limiter = Limiter(8)
    with limiter.slot() as first, limiter.slot() as second:
        limiter.refused(first)
        limiter.refused(second)
    assert limiter.limit == 4
    for _ in range(40):
        limiter.accepted()
    assert limiter.limit == 8


def test_lets_no_more_requests_through_than_the_limit():
    limiter, inside, most = Limiter(2), [], []

    def enter():
        with limiter.slot():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2


def thing(version, **fields):
    return {"metadata": {"name": "x", "uid": "u", "resourceVersion": version}} | fields


def follow(client, most, *, version=""):
    follower = Follower(client, "/things", by_name("x"), version)
    events = (event for event in follower.until(time.monotonic() + 10) if event.type != QUIET)
    return [(event.type, event.object["metadata"]["resourceVersion"]) for event in islice(events, most)]


def watched(*events):
    return Reply(body=[{"type": type_, "object": obj} for type_, obj in events])


def test_follows_an_object_from_where_it_was_seen(server, client):
    server.script("GET", "/things", watched(("MODIFIED", thing("2")), ("BOOKMARK", thing("5"))))
    server.script("GET", "/things", watched(("MODIFIED", thing("6"))))
    assert follow(client, 2, version="1") == [("MODIFIED", "2"), ("MODIFIED", "6")]
    assert [request.query["resourceVersion"] for request in server.requests[:2]] == ["1", "5"]
    assert server.requests[0].query["fieldSelector"] == "metadata.name=x"


def test_goes_on_watching_after_a_broken_connection(server, client):
    server.script(
        "GET", "/things", watched(("MODIFIED", thing("2"))), DROP, watched(("MODIFIED", thing("3"))), Reply(body=[])
    )
    assert follow(client, 2, version="1") == [("MODIFIED", "2"), ("MODIFIED", "3")]


@pytest.mark.parametrize(
    "expired",
    [refusal(410, "Expired"), watched(("ERROR", {"code": 410, "reason": "Expired"}))],
    ids=["as status", "as event"],
)
def test_lists_again_when_the_version_is_too_old(server, client, expired):
    listed = Reply(body={"metadata": {"resourceVersion": "9"}, "items": [thing("8")]})
    server.script("GET", "/things", expired, listed, watched(("DELETED", thing("10"))), Reply(body=[]))
    assert follow(client, 2, version="1") == [("ADDED", "8"), ("DELETED", "10")]
    assert server.requests[2].query["resourceVersion"] == "9"


def test_notices_in_a_new_list_that_an_object_has_gone(server, client):
    empty = Reply(body={"metadata": {"resourceVersion": "9"}, "items": []})
    server.script("GET", "/things", watched(("MODIFIED", thing("2"))), refusal(410, "Expired"), empty, Reply(body=[]))
    assert follow(client, 2, version="1") == [("MODIFIED", "2"), ("DELETED", "2")]


def test_stops_following_when_cancelled(server, client):
    held = threading.Event()
    server.script("GET", "/things", Reply(body=[], hold=held))
    timer = threading.Timer(0.2, lambda: (client.cancel(), held.set()))
    timer.start()
    started = time.monotonic()
    assert follow(client, 1, version="1") == []
    assert time.monotonic() - started < 5
