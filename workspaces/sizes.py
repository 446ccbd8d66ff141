"""What the sizes of a workspace file mean, and what a project needs of the cluster in all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Size = Literal["small", "medium", "large"]


@dataclass(frozen=True)
class Resources:
    """Share of a node."""

    cpu_request_milli: int
    """Thousandths of a processor that are kept."""
    cpu_limit_milli: int
    """Thousandths of a processor that may be used while others leave them."""
    memory_mib: int
    """Memory in MiB, both kept and allowed: nothing is ever killed for memory that was promised to it."""

    def __mul__(self, count: int) -> "Resources":
        """The share of that many."""
        return Resources(self.cpu_request_milli * count, self.cpu_limit_milli * count, self.memory_mib * count)

    def __add__(self, other: "Resources") -> "Resources":
        """The share of both."""
        return Resources(
            self.cpu_request_milli + other.cpu_request_milli,
            self.cpu_limit_milli + other.cpu_limit_milli,
            self.memory_mib + other.memory_mib,
        )


SIZES: dict[Size, Resources] = {
    "small": Resources(cpu_request_milli=100, cpu_limit_milli=1000, memory_mib=1024),
    "medium": Resources(cpu_request_milli=500, cpu_limit_milli=2000, memory_mib=4096),
    "large": Resources(cpu_request_milli=2000, cpu_limit_milli=8000, memory_mib=16384),
}
HUB = Resources(cpu_request_milli=50, cpu_limit_milli=1000, memory_mib=512)
"""JupyterHub: 230 to 260 MB were measured with 150 users (JupyterHub's capacity planning)."""
PROXY = Resources(cpu_request_milli=20, cpu_limit_milli=500, memory_mib=128)
"""configurable-http-proxy: 47 to 65 MB in the same measurement."""


def needed(sizes: Iterable[Size], members: int) -> Resources:
    """What a project's hub needs with every member at work: one server each, of the largest size named."""
    largest = max((SIZES[size] for size in sizes), key=lambda size: size.memory_mib)
    return HUB + PROXY + largest * members
