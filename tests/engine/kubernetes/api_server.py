"""A small API server that keeps objects, and that fails on request at any moment of a run.

It knows server-side apply as far as ownership decides what is removed, creation, JSON patches of ownership, deletion
with finalisers, lists, and watches. What its controllers would do by themselves happens when somebody watches.
"""

import copy
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
_KINDS = {
    "v1": [("ConfigMap", "configmaps", True), ("Namespace", "namespaces", False)],
    "apps/v1": [("Deployment", "deployments", True)],
}
_PLURALS = {plural: (version, kind) for version, kinds in _KINDS.items() for kind, plural, _ in kinds}
_SLOWLY_DELETED = ("Namespace", "Deployment")
_APPLY, _JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
_DOWN_SECONDS = 0.2


@dataclass(frozen=True)
class Request:
    """One request as the server has read it."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any

    @property
    def plural(self) -> str:
        """The collection that the request is about."""
        return next((part for part in reversed(self.path.split("/")) if part in _PLURALS), "")

    @property
    def name(self) -> str:
        """The object's name; empty for the whole collection."""
        last = self.path.rpartition("/")[2]
        return "" if last == self.plural else last

    @property
    def namespace(self) -> str:
        """The namespace that the path names."""
        parts = self.path.split("/")
        return parts[parts.index("namespaces") + 1] if self.plural != "namespaces" and "namespaces" in parts else ""

    @property
    def watches(self) -> bool:
        """Whether changes are asked for."""
        return "watch" in self.query


@dataclass
class Fault:
    """What goes wrong with the requests that it is about, a number of times.

    Args:
        about: Chooses the requests.
        act: What happens: an HTTP status, ``drop``, ``slow`` or ``restart``.
        after: Whether the request is carried out before.
        times: How often.
        headers: Of the refusal.
        reason: Of the refusal.
    """

    about: Callable[[Request], bool]
    act: int | str
    after: bool = False
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    seen: int = 0


class RefusedError(Exception):
    """The server answers with a failure."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Store:
    """The objects, and every change to them."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.changes: list[tuple[int, str, Json]] = []
        self.created: Counter[tuple[str, str, str]] = Counter()
        self.changed = threading.Condition(threading.RLock())
        self._version = 0
        self.seed("namespaces", "", "default")

    def seed(self, plural: str, namespace: str, name: str, **fields: Any) -> None:
        """Put an object there that nobody manages."""
        self.post(plural, namespace, {"metadata": {"name": name}, **fields}, "somebody")
        self.created.clear()

    def names(self, plural: str) -> list[str]:
        """Return the names of the objects of one collection."""
        return sorted(name for kind, _, name in self.objects if kind == plural)

    def get(self, plural: str, namespace: str, name: str) -> Json:
        """Return an object."""
        if (plural, namespace, name) not in self.objects:
            raise RefusedError(404, "NotFound", f'{plural} "{name}" not found')
        return self.objects[plural, namespace, name]

    def post(self, plural: str, namespace: str, body: Json, manager: str) -> Json:
        """Create an object."""
        name = body["metadata"]["name"]
        if (plural, namespace, name) in self.objects:
            raise RefusedError(409, "AlreadyExists", f'{plural} "{name}" already exists')
        if namespace and ("namespaces", "", namespace) not in self.objects:
            raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
        return self._create(plural, namespace, body, _entry(manager, "Update", body))

    def apply(self, plural: str, namespace: str, name: str, body: Json, manager: str) -> Json:
        """Apply server-side: what the manager owned and no longer names goes."""
        entry = _entry(manager, "Apply", body)
        old = self.objects.get((plural, namespace, name))
        if old is None:
            return self._create(plural, namespace, body, entry)
        others = [each for each in old["metadata"]["managedFields"] if not _is_own(each, manager)]
        owned = next((each["fieldsV1"] for each in old["metadata"]["managedFields"] if _is_own(each, manager)), {})
        new = _merged(_without(old, owned, entry["fieldsV1"]), body)
        new["metadata"] |= {"managedFields": [*others, entry], "generation": _generation(old) + 1}
        return self._replace(plural, namespace, name, new)

    def patch(self, plural: str, namespace: str, name: str, operations: list[Json]) -> Json:
        """Rewrite metadata, if the version is still the one the patch says."""
        new = copy.deepcopy(self.get(plural, namespace, name))
        for each in operations:
            key = each["path"].rpartition("/")[2]
            if key == "resourceVersion" and each["value"] != new["metadata"][key]:
                raise RefusedError(409, "Conflict", "the object has been modified")
            new["metadata"][key] = each["value"]
        return self._replace(plural, namespace, name, new)

    def delete(self, plural: str, namespace: str, name: str, uid: str) -> Json:
        """Delete an object, or mark it where controllers have a say."""
        old = self.get(plural, namespace, name)
        if uid and uid != old["metadata"]["uid"]:
            raise RefusedError(409, "Conflict", "the UID in the precondition does not match")
        if old["kind"] not in _SLOWLY_DELETED:
            self._remove(plural, namespace, name)
            return {"kind": "Status", "status": "Success"}
        marked = copy.deepcopy(old)
        marked["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return self._replace(plural, namespace, name, marked)

    def control(self) -> None:
        """Do what controllers do: roll out deployments, end what is being deleted."""
        for (plural, namespace, name), old in list(self.objects.items()):
            if old["metadata"].get("deletionTimestamp"):
                inside = [key for key in self.objects if plural == "namespaces" and key[1] == name]
                for key in [*inside, (plural, namespace, name)]:
                    self._remove(*key)
            elif plural == "deployments" and old.get("status", {}).get("observedGeneration") != _generation(old):
                replicas = old["spec"].get("replicas", 1)
                status: Json = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
                status["observedGeneration"] = _generation(old)
                self._replace(plural, namespace, name, copy.deepcopy(old) | {"status": status})

    def since(self, version: int) -> Iterator[tuple[int, str, Json]]:
        """Yield the changes after a version."""
        yield from (each for each in list(self.changes) if each[0] > version)

    @property
    def version(self) -> int:
        """The version of the newest change."""
        return self._version

    def _create(self, plural: str, namespace: str, body: Json, entry: Json) -> Json:
        new, (version, kind) = copy.deepcopy(body), _PLURALS[plural]
        new |= {"apiVersion": version, "kind": kind}
        new["metadata"] |= {"uid": f"uid-{self._version}", "managedFields": [entry], "generation": 1}
        if namespace:
            new["metadata"]["namespace"] = namespace
        if kind == "Namespace":
            new["status"] = {"phase": "Active"}
        name = new["metadata"]["name"]
        self.created[plural, namespace, name] += 1
        return self._replace(plural, namespace, name, new, "ADDED")

    def _replace(self, plural: str, namespace: str, name: str, new: Json, what: str = "MODIFIED") -> Json:
        with self.changed:
            self._version += 1
            new["metadata"]["resourceVersion"] = str(self._version)
            self.objects[plural, namespace, name] = new
            self._note(what, new)
        return new

    def _remove(self, plural: str, namespace: str, name: str) -> None:
        with self.changed:
            self._version += 1
            self._note("DELETED", self.objects.pop((plural, namespace, name)))

    def _note(self, what: str, obj: Json) -> None:
        self.changes.append((self._version, what, copy.deepcopy(obj)))
        self.changed.notify_all()


def _generation(obj: Json) -> int:
    return obj["metadata"]["generation"]


def _is_own(entry: Json, manager: str) -> bool:
    return entry["manager"] == manager and entry["operation"] == "Apply"


def _entry(manager: str, operation: str, body: Json) -> Json:
    said = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    return {"manager": manager, "operation": operation, "fieldsV1": _fields(said)}


def _fields(value: Any) -> Json:
    return {f"f:{key}": _fields(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _without(obj: Json, owned: Json, kept: Json) -> Json:
    """Return an object without what was owned and is not kept."""
    left = {}
    for key, item in obj.items():
        mine, still = owned.get(f"f:{key}"), kept.get(f"f:{key}")
        if isinstance(item, dict) and mine:
            left[key] = _without(item, mine, still or {})
        elif mine is None or still is not None:
            left[key] = item
    return left


def _merged(below: Json, above: Json) -> Json:
    merged = dict(below)
    for key, item in above.items():
        inside = isinstance(item, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], item) if inside else item
    return merged


class ApiServer(ThreadingHTTPServer):
    """Serves a store over HTTP.

    Args:
        store: The objects.
        port: Where; 0 for any.
        faults: What goes wrong.
    """

    daemon_threads = True

    def __init__(self, store: Store, port: int, faults: list[Fault]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.store, self.faults = store, faults
        self.ended = threading.Event()
        self.restarting = threading.Event()
        self.connections: set[socket.socket] = set()

    def fault(self, request: Request) -> Fault | None:
        """Return what goes wrong with a request now."""
        with self.store.changed:
            for each in self.faults:
                if each.seen < each.times and each.about(request):
                    each.seen += 1
                    return each
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        pass

    def setup(self) -> None:
        super().setup()
        self.api = cast("ApiServer", self.server)
        self.api.connections.add(self.connection)

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._serve(self._read())
        except OSError:
            self.close_connection = True

    def _read(self) -> Request:
        url = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content_type = self.headers.get("Content-Type", "")
        return Request(
            self.command, url.path, dict(parse_qsl(url.query)), content_type, json.loads(data) if data else None
        )

    def _serve(self, request: Request) -> None:
        fault = self.api.fault(request)
        if fault is None:
            self._fulfil(request)
            return
        if fault.after:
            self._carry_out(request)
        if isinstance(fault.act, int):
            self._send(fault.act, _status(fault.act, fault.reason, f"injected {fault.act}"), fault.headers)
        elif fault.act == "slow":
            self.api.ended.wait(0.3)
            self._fulfil(request)
        else:
            self.close_connection = True
            if fault.act == "restart":
                self.api.restarting.set()

    def _fulfil(self, request: Request) -> None:
        if request.watches:
            self._watch(request)
        else:
            self._send(*self._carry_out(request))

    def _carry_out(self, request: Request) -> tuple[int, Json]:
        with self.api.store.changed:
            try:
                return 200, copy.deepcopy(_answer(self.api.store, request))
            except RefusedError as refusal:
                return refusal.status, _status(refusal.status, refusal.reason, str(refusal))

    def _send(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, request: Request) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        store, seen = self.api.store, int(request.query.get("resourceVersion") or 0)
        with store.changed:
            store.control()
            for _, what, obj in store.since(seen):
                if _concerns(request, obj):
                    self.wfile.write(json.dumps({"type": what, "object": obj}).encode() + b"\n")


def _answer(store: Store, request: Request) -> Json:
    if request.path == "/version":
        return {"major": "1", "minor": "36"}
    if request.path in ("/api", "/apis"):
        return _discovery(request.path)
    if not request.plural:
        raise RefusedError(404, "NotFound", "the server could not find the requested resource")
    if request.method == "GET" and not request.name:
        items = [item for (plural, _, _), item in store.objects.items() if plural == request.plural]
        items = [item for item in items if _concerns(request, item)]
        return {"kind": "List", "metadata": {"resourceVersion": str(store.version)}, "items": items}
    return _act(store, request)


def _act(store: Store, request: Request) -> Json:
    place = (request.plural, request.namespace)
    manager = request.query.get("fieldManager", "")
    if request.method == "POST":
        return store.post(*place, request.body, manager)
    if request.method == "DELETE":
        return store.delete(*place, request.name, request.body.get("preconditions", {}).get("uid", ""))
    if request.content_type == _APPLY:
        return store.apply(*place, request.name, request.body, manager)
    if request.content_type == _JSON_PATCH:
        return store.patch(*place, request.name, request.body)
    return store.get(*place, request.name)


def _concerns(request: Request, obj: Json) -> bool:
    name = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
    return obj["kind"] == _PLURALS[request.plural][1] and name in ("", obj["metadata"]["name"])


def _status(status: int, reason: str, message: str) -> Json:
    return {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}


def _discovery(path: str) -> Json:
    items = []
    for api_version, kinds in _KINDS.items():
        group, _, version = api_version.rpartition("/")
        scopes = {True: "Namespaced", False: "Cluster"}
        resources = [
            {"resource": plural, "scope": scopes[namespaced], "responseKind": {"kind": kind}}
            for kind, plural, namespaced in kinds
        ]
        if bool(group) == (path == "/apis"):
            items.append({"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]})
    return {"kind": "APIGroupDiscoveryList", "items": items}


@dataclass
class Running:
    """An API server for as long as a test needs it; its faults may be changed at any time."""

    store: Store
    faults: list[Fault]
    port: int

    @property
    def kubeconfig(self) -> str:
        """A kubeconfig for it."""
        cluster = {"server": f"http://127.0.0.1:{self.port}"}
        context = {"cluster": "simulated", "user": "tester"}
        return json.dumps(
            {
                "clusters": [{"name": "simulated", "cluster": cluster}],
                "contexts": [{"name": "simulated", "context": context}],
                "users": [{"name": "tester", "user": {"token": "secret"}}],
                "current-context": "simulated",
            }
        )


@contextmanager
def running() -> Iterator[Running]:
    """Serve objects until the block ends, restarting where a fault says so."""
    store, faults, ending = Store(), list[Fault](), threading.Event()
    server = ApiServer(store, 0, faults)
    port = server.server_address[1]
    thread = threading.Thread(target=_keep_serving, args=(server, port, ending), daemon=True)
    thread.start()
    try:
        yield Running(store, faults, port)
    finally:
        ending.set()
        thread.join()


def _keep_serving(server: ApiServer, port: int, ending: threading.Event) -> None:
    while True:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        serving.start()
        while not ending.wait(0.01) and not server.restarting.is_set():
            pass
        _stop(server)
        serving.join()
        if ending.is_set():
            return
        ending.wait(_DOWN_SECONDS)
        server = ApiServer(server.store, port, server.faults)


def _stop(server: ApiServer) -> None:
    server.ended.set()
    server.shutdown()
    server.server_close()
    for connection in server.connections:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
