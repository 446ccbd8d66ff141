"""The local copy follows the collection through every way in which a watch can end."""

import json
import threading
import time
from collections.abc import Callable

import pytest

from local.policy.api import ApiClient
from local.policy.model import Namespace, parse_namespace
from local.policy.watch import Mirror
from tests.local.policy.fake_api import GONE, HOLD, FakeApi, event, item, page, serving

PATH = "/api/v1/namespaces"


@pytest.fixture
def kubeconfig(tmp_path):
    def write(server: str):
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    return write


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def follow(api: FakeApi, kubeconfig, condition: Callable[[Mirror[Namespace]], bool]) -> Mirror[Namespace]:
    with serving(api) as server:
        mirror = Mirror(ApiClient(kubeconfig(server)), PATH, parse_namespace, threading.Event())
        mirror.start()
        until(lambda: condition(mirror))
        return mirror


def names(mirror: Mirror[Namespace]) -> set[str]:
    return {each.name for each in mirror.objects()}


def test_it_lists_in_pages_then_applies_events(kubeconfig):
    events = [
        event("ADDED", item("c", 6)),
        event("DELETED", item("a", 7)),
        event("MODIFIED", item("b", 8, app="x")),
        HOLD,
    ]
    api = FakeApi([page(5, item("a", 1), more="next"), page(5, item("b", 2)), (200, events)])
    mirror = follow(api, kubeconfig, lambda mirror: mirror.version == "8")
    assert set(mirror.objects()[0].labels.items()) == {("app", "x")}
    assert names(mirror) == {"b", "c"}
    assert api.queries[1]["continue"] == "next"
    assert api.queries[2]["resourceVersion"] == "5"


def test_a_bookmark_moves_the_version_and_nothing_else(kubeconfig):
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    mirror = follow(
        FakeApi([page(5, item("a", 1)), (200, [bookmark, HOLD])]), kubeconfig, lambda mirror: mirror.version == "9"
    )
    assert mirror.generation == 1
    assert names(mirror) == {"a"}


def test_a_watch_that_ends_goes_on_where_it_stopped(kubeconfig):
    api = FakeApi([page(5), (200, [event("ADDED", item("a", 6))]), (200, [event("ADDED", item("b", 7)), HOLD])])
    mirror = follow(api, kubeconfig, lambda mirror: mirror.version == "7")
    assert names(mirror) == {"a", "b"}
    assert [each.get("resourceVersion") for each in api.queries] == [None, "5", "6"]


@pytest.mark.parametrize("answer", [(200, [event("ERROR", GONE)]), (410, [GONE])], ids=["as an event", "as an answer"])
def test_a_version_that_is_gone_is_listed_again(kubeconfig, answer):
    api = FakeApi([page(5, item("a", 1)), answer, page(90, item("b", 80)), (200, [HOLD])])
    mirror = follow(api, kubeconfig, lambda mirror: mirror.version == "90" and mirror.live)
    assert names(mirror) == {"b"}


def test_a_refusal_is_tried_again(kubeconfig, caplog):
    refusal = (503, [{"kind": "Status", "code": 503, "message": "not yet"}])
    mirror = follow(FakeApi([refusal, refusal, page(5, item("a", 1))]), kubeconfig, lambda mirror: mirror.live)
    assert names(mirror) == {"a"}
    assert len([each for each in caplog.messages if "not yet" in each]) == 1


def test_an_object_that_cannot_be_parsed_does_not_end_the_mirror(kubeconfig):
    broken = event("ADDED", {"metadata": {"resourceVersion": "6"}})
    api = FakeApi([page(5), (200, [broken]), page(7, item("a", 7)), (200, [HOLD])])
    assert names(follow(api, kubeconfig, lambda mirror: mirror.version == "7")) == {"a"}


def test_it_is_not_live_while_no_watch_stands(kubeconfig):
    api = FakeApi([page(5)])
    mirror = follow(api, kubeconfig, lambda mirror: mirror.live)
    until(lambda: not mirror.live)


def test_what_the_parser_does_not_take_changes_no_generation(kubeconfig):
    same = event("MODIFIED", {**item("a", 6), "status": {"phase": "Active"}})
    api = FakeApi([page(5, item("a", 1)), (200, [same, HOLD])])
    assert follow(api, kubeconfig, lambda mirror: mirror.version == "6").generation == 1
