"""What a platform is made of right now, for people and for programs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.table import Table

from local import cgroups, links, network, processes
from local.components import START_ORDER, has_network_policy
from local.errors import PlatformError
from local.launch import supervisor
from local.links import End
from local.platform import Platform
from local.ports import Ports
from local.start import policy_stands


@dataclass(frozen=True)
class ComponentStatus:
    """One component: its process number, or None when it does not run, and its resident memory in bytes."""

    name: str
    pid: int | None
    memory: int


@dataclass(frozen=True)
class Status:
    """A platform, as it is found.

    Attributes:
        ready: the API server answers and the node says it is Ready.
        message: what is wrong, in one line; empty when nothing is.
        pods: resident memory of pods and of what runs them, in bytes.
    """

    name: str
    ready: bool
    message: str
    kubeconfig: str
    ports: Ports
    components: list[ComponentStatus]
    pods: int
    links: list[End]

    @property
    def memory(self) -> int:
        """Resident memory of the whole platform, in bytes."""
        return self.pods + sum(component.memory for component in self.components)

    def document(self) -> Mapping[str, object]:
        """The status as plain data, for JSON."""
        return asdict(self) | {"memory": self.memory}


def of(platform: Platform) -> Status:
    """Look at a platform; never changes it."""
    components = [_component(platform, name) for name in START_ORDER]
    message = _fault(platform, components)
    return Status(
        name=platform.layout.name,
        ready=not message,
        message=message,
        kubeconfig=str(platform.kubeconfig),
        ports=platform.ports,
        components=components,
        pods=_pods(platform, components),
        links=links.ends(platform.layout),
    )


def table(status: Status) -> Table:
    """The components of a platform as a table."""
    shown = Table("component", "state", "pid", "memory", title=f"platform {status.name}", title_justify="left")
    for part in status.components:
        state = "runs" if part.pid else "stopped"
        shown.add_row(part.name, state, str(part.pid or ""), f"{part.memory / 2**20:.0f} MiB" if part.pid else "")
    shown.add_row("pods", "", "", f"{status.pods / 2**20:.0f} MiB")
    shown.add_section()
    shown.add_row("all", "", "", f"{status.memory / 2**20:.0f} MiB")
    return shown


def _component(platform: Platform, name: str) -> ComponentStatus:
    record = supervisor(platform.layout).record(name)
    return ComponentStatus(name, record.pid if record else None, processes.resident(record.pid) if record else 0)


def _pods(platform: Platform, components: list[ComponentStatus]) -> int:
    others = set(cgroups.processes(platform.layout)) - {part.pid for part in components}
    return sum(processes.resident(pid) for pid in others)


def _fault(platform: Platform, components: list[ComponentStatus]) -> str:
    if stopped := [part.name for part in components if not part.pid]:
        return f"not running: {', '.join(stopped)}"
    if not network.exists(platform.layout):
        return f"network namespace {platform.layout.namespace} is gone"
    if has_network_policy() and not policy_stands(platform.layout):
        return "network policy is not enforced yet: `python -m local logs network-policy`"
    try:
        node = platform.kubectl.get("node", platform.layout.node)
    except PlatformError as error:
        return str(error).splitlines()[0]
    states = {state["type"]: state for state in node["status"]["conditions"]}
    return "" if states["Ready"]["status"] == "True" else f"node: {states['Ready']['message']}"
