"""What the sizes of a workspace file mean."""

from dataclasses import dataclass

from workspaces.model import Size


@dataclass(frozen=True)
class Resources:
    """Share of a node that one server may take."""

    cpu_request_milli: int
    """Thousandths of a processor kept for the server."""
    cpu_limit_milli: int
    memory_mib: int
    """Memory in MiB, both kept and allowed: a server is never killed for memory that was promised to it."""


SIZES: dict[Size, Resources] = {
    "small": Resources(cpu_request_milli=100, cpu_limit_milli=1000, memory_mib=1024),
    "medium": Resources(cpu_request_milli=500, cpu_limit_milli=2000, memory_mib=4096),
    "large": Resources(cpu_request_milli=2000, cpu_limit_milli=8000, memory_mib=16384),
}
