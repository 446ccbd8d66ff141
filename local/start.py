"""Brings a platform to what it should be, from whatever state it is in.

Every step looks at what is there first, so the same code starts, heals, renews and continues after an interruption.
"""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

from local import build, cgroups, dns, identities, kernel, network, ports, resolver, settings, teardown, waiting
from local.certificates import write_private
from local.components import CONTROL_PLANE, Component, Context, components
from local.containers import Containerd
from local.errors import PlatformError
from local.image import ProgramImage
from local.kubectl import Kubectl
from local.launch import Launcher, supervisor
from local.paths import Layout
from local.ports import Ports
from local.progress import Progress

MANIFESTS = Path(__file__).parent / "manifests"

PATIENCE = 180.0
"""Seconds each step may take on a busy machine; on an idle one the longest takes ten."""


def prepare(layout: Layout, ways_in: Ports) -> dict[str, Component]:
    """Make folders, namespace, control groups, certificates and configuration; returns the components to run."""
    if not network.exists(layout):
        _clear_stale(layout)
    for folder in (layout.state, layout.run, layout.audit_log.parent, layout.volumes):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports.record(layout, ways_in)
    kernel.prepare()
    cgroups.create(layout)
    network.create(layout)
    context = Context(layout, identities.ensure(layout, ways_in), build.tool)
    _configure(context)
    return components(context)


def policy_stands(layout: Layout) -> bool:
    """Whether the network policy agent that runs now has its rules in place."""
    try:
        told = json.loads((layout.run / "policy.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    agent = supervisor(layout).record("network-policy")
    return agent is not None and told["pid"] == agent.pid and told["ready"]


def _clear_stale(layout: Layout) -> None:
    """Without its network namespace nothing of a platform can go on: after a reboot, or when someone took it away."""
    cgroups.kill(layout)
    teardown.remove(layout)


def _configure(context: Context) -> None:
    layout, servers = context.layout, context.servers
    files = {
        "encryption.json": settings.encryption(identities.encryption_key(layout)),
        "audit-policy.json": settings.audit_policy(),
        "admission.json": settings.admission(),
        "kubelet.json": settings.kubelet(layout, servers.kubelet),
        "kube-proxy.json": settings.kube_proxy(layout),
        "cni/10-cloison.conflist": settings.cni(layout),
    }
    for name, content in files.items():
        write_private(layout.configuration / name, json.dumps(content, indent=2).encode())
    sandbox = ProgramImage(build.tool("pause")).reference
    text = settings.containerd(layout, sandbox, str(build.tool("containerd-shim-runc-v2")))
    write_private(layout.configuration / "containerd.toml", text.encode())


class Start:
    """The steps from prepared files to a node that is Ready.

    Args:
        layout: the platform.
        ways_in: its ports.
        parts: its components, from `prepare`.
        progress: where to tell what is being done.
    """

    def __init__(self, layout: Layout, ways_in: Ports, parts: dict[str, Component], progress: Progress) -> None:
        self._layout = layout
        self._parts = parts
        self._progress = progress
        self._launcher = Launcher(layout, ways_in)
        self._kubectl = Kubectl(build.tool("kubectl"), layout.kubeconfig)
        self._containerd = Containerd(build.tool("ctr"), layout.containerd_socket)

    def control_plane(self) -> None:
        """The store and the API server, then those that need it."""
        with self._progress.step("etcd, API server"):
            self._launch("etcd", "kube-apiserver", "forward")
            self._wait(self._kubectl.ready, "an answer of the API server", "etcd", "kube-apiserver", "forward")
        with self._progress.step("controllers, scheduler"):
            self._apply("10-access.yaml")
            self._launch(*CONTROL_PLANE)

    def node(self) -> None:
        """The container runtime, then everything of the node; ends when it is Ready and the DNS answers."""
        with self._progress.step("containerd, images of the platform"):
            self._launch("containerd")
            self._wait(self._containerd.ready, "an answer of containerd", "containerd")
            for name in ("pause", "coredns"):
                self._containerd.ensure(ProgramImage(build.tool(name)))
        with self._progress.step("node, storage, DNS"):
            self._mount_volumes()
            since = dt.datetime.now(dt.UTC)
            restarted = self._launch(*(name for name in self._parts if name not in CONTROL_PLANE))
            self._apply("20-storage.yaml")
            resolver.refresh(self._layout, self._kubectl)
            self._wait(lambda: self._ready(since if "kubelet" in restarted else None), "a Ready node", *self._parts)
            if "network-policy" in self._parts:
                self._wait(lambda: policy_stands(self._layout), "enforcement of network policy", *self._parts)
            self._wait(lambda: dns.answers(self._layout), "an answer of the DNS", *self._parts)

    def _mount_volumes(self) -> None:
        """Before the kubelet starts: a pod would write into the folder below a volume that is not mounted yet."""
        network.run([*self._parts["provisioner"].command, "mount"])

    def _launch(self, *names: str) -> list[str]:
        return [name for name in names if self._launcher.start(self._parts[name])]

    def _wait(self, condition: Callable[[], bool], what: str, *alive: str) -> None:
        waiting.until(lambda: self._launcher.require_alive(*alive) and condition(), what, PATIENCE)

    def _apply(self, name: str) -> None:
        self._kubectl.apply((MANIFESTS / name).read_text())

    def _ready(self, since: dt.datetime | None) -> bool:
        """Whether the node says it is Ready, and has said so after `since`: before, it may be an old word."""
        try:
            node = self._kubectl.get("node", self._layout.node)
        except PlatformError:
            return False
        ready = [state for state in node["status"].get("conditions", []) if state["type"] == "Ready"]
        if not ready or ready[0]["status"] != "True":
            return False
        return since is None or dt.datetime.fromisoformat(ready[0]["lastHeartbeatTime"]) >= since.replace(microsecond=0)
