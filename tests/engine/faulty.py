"""A small stack on an API server that fails on request, and what must be true of both after every run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.kubernetes import KubernetesProvider
from engine.resource import Resource
from engine.state import Deployment
from engine.urn import provider_package
from tests.engine.kubernetes.api_server import Fault, Request, Running
from tests.engine.simulation import Ran, Simulation, Want

LONG, SHORT = 10.0, 0.25
"""Seconds of patience with the server, and for an object to become ready: where it helps, and where it cannot."""
FOREVER = 1_000_000
CONFIG_MAP, NAMESPACE = "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Namespace"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def wanted(version: str, seconds: float) -> list[Want]:
    settings = {"metadata": {"name": "settings"}, "data": {"version": version, f"only-{version}": "x"}}
    web = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": int(version)}}
    beside = {"metadata": {"name": "beside"}, "data": {"version": version}}
    options = {"timeouts": dict.fromkeys(("create", "update", "delete"), seconds)}
    return [
        Want("shop", {"metadata": {"name": "shop"}}, type=NAMESPACE, options=options),
        Want("settings", settings, type=CONFIG_MAP),
        Want("auto", {"data": {"version": version}}, type=CONFIG_MAP),
        Want("web", web, ("shop", "settings"), DEPLOYMENT, options=options),
        Want("beside", beside, ("settings",), CONFIG_MAP),
    ]


@dataclass
class Shop:
    """A stack, and the API server that its objects live in."""

    stack: Simulation
    server: Running
    patience: float = LONG

    def __post_init__(self) -> None:
        self.stack.factories["kubernetes"] = lambda report: KubernetesProvider(report, patience=self.patience)

    @contextmanager
    def failing(self, *faults: Fault) -> Iterator[None]:
        """Have something go wrong that no patience helps against."""
        self.server.faults[:], self.patience = faults, SHORT
        yield
        self.server.faults[:], self.patience = [], LONG

    def up(self, wants: list[Want]) -> Ran:
        return self.stack.up(wants, config=self.config)

    def destroy(self) -> Ran:
        return self.stack.destroy(config=self.config)

    def refresh(self) -> Ran:
        return self.stack.refresh(config=self.config)

    @property
    def config(self) -> dict[str, str]:
        return {"kubeconfig": self.server.kubeconfig, "enableConfigMapMutable": "true"}

    @property
    def objects(self) -> dict[str, str]:
        """The UIDs of the objects that are there because of the stack, by collection and name."""
        found = {}
        for (plural, _, name), item in self.server.store.objects.items():
            if any(entry["manager"].startswith("pulumi-") for entry in item["metadata"]["managedFields"]):
                found[f"{plural}/{name}"] = item["metadata"]["uid"]
        return found


def live(deployment: Deployment) -> list[Resource]:
    return [item for item in deployment.resources if item.custom and not provider_package(item.type)]


def assert_recorded(shop: Shop) -> None:
    """State and cluster agree: what is recorded exists, what exists is recorded, or known to be on its way."""
    deployment = shop.stack.load()
    begun = {key(item.resource) for item in deployment.pending}
    recorded = {key(item): item.outputs["metadata"]["uid"] for item in live(deployment) if key(item) not in begun}
    assert recorded.items() <= shop.objects.items()
    assert shop.objects.keys() <= recorded.keys() | begun


def assert_exactly(shop: Shop, names: set[str]) -> None:
    deployment = shop.stack.load()
    assert deployment.pending == []
    assert {item.urn.rpartition("::")[2] for item in live(deployment)} == names
    assert {key(item): item.outputs["metadata"]["uid"] for item in live(deployment)} == shop.objects
    assert all(count == 1 for count in shop.server.store.created.values()), "an object was made twice"


def key(resource: Resource) -> str:
    plurals = {CONFIG_MAP: "configmaps", NAMESPACE: "namespaces", DEPLOYMENT: "deployments"}
    return f"{plurals[resource.type]}/{resource.inputs['metadata']['name']}"


def assert_told_once(ran: Ran) -> None:
    """At most one resource has failed by itself, and says why in one line."""
    assert ran.fatal is None
    assert len(ran.errors) <= 1
    assert all(error and "\n" not in error and "Traceback" not in error for error in ran.errors)


def _writes(request: Request) -> bool:
    named = (request.body or {}).get("metadata", {}).get("name") if isinstance(request.body, dict) else None
    return request.method != "GET" and request.plural == "configmaps" and "settings" in (request.name, named)


def _reads(request: Request) -> bool:
    return request.method == "GET" and request.plural == "configmaps" and request.name == "settings"


def _watches(request: Request) -> bool:
    return request.watches


def _any_write(request: Request) -> bool:
    return request.method != "GET"


def _any_list(request: Request) -> bool:
    return request.method == "GET" and not request.name


PLACES: dict[str, Callable[[Request], bool]] = {
    "write": _writes,
    "change": lambda request: _writes(request) and request.method != "DELETE",
    "read": _reads,
    "watch": _watches,
    "any write": _any_write,
    "any list": _any_list,
}
TROUBLE: dict[str, dict[str, Any]] = {
    "409": {"act": 409, "reason": "Conflict"},
    "410": {"act": 410, "reason": "Expired"},
    "429": {"act": 429, "headers": {"Retry-After": "0"}},
    "500": {"act": 500},
    "500 although done": {"act": 500, "after": True},
    "503": {"act": 503},
    "dropped": {"act": "drop"},
    "dropped although done": {"act": "drop", "after": True},
    "slow": {"act": "slow"},
    "restart": {"act": "restart"},
    "restart although done": {"act": "restart", "after": True},
    "403": {"act": 403, "reason": "Forbidden"},
}


def fault_at(place: str, trouble: str, times: int) -> Fault:
    return Fault(PLACES[place], times=times, **TROUBLE[trouble])
