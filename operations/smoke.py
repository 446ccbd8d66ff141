"""Does a researcher find what was promised? Every address answers, and code runs in the first notebook."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from operations.addresses import fetch
from operations.errors import NotAnsweringError
from operations.kernels import JupyterServer
from workspaces.address import Address

CELLS = {
    "python3": "import platform, pandas; print(f'Python {platform.python_version()}, pandas {pandas.__version__}')",
    "ir": "cat(R.version.string, '\\n')",
}
"""One cell for each kernel of the JupyterLab image, see images/jupyterlab."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried and worked."""

    subject: str
    result: str


def check(found: Sequence[Address], tokens: Mapping[str, str]) -> Iterator[Finding]:
    """Fetch every address, then run a cell in each kernel of the first JupyterLab.

    Raises:
        NotAnsweringError: nothing to check, or the first thing that does not work.
    """
    if not found:
        message = "the stack has no addresses; run `cloison up` first"
        raise NotAnsweringError(message)
    for address in found:
        yield Finding(address.url, str(fetch(address)))
    first = next((address for address in found if address.tool == "jupyterlab"), None)
    if first:
        server = JupyterServer(base_url(first), tokens[first.url])
        for kernel, code in CELLS.items():
            yield Finding(f"{first.member}'s {kernel} kernel", server.run_cell(kernel, code).strip())


def base_url(address: Address) -> str:
    """Base of a JupyterLab server, taken from its sign-in address."""
    return address.url.partition("login?")[0]
