"""The command `python -m local.policy`, run inside the platform's network namespace."""

import logging
import re
import signal
import sys
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated

import typer

from local.errors import PlatformError
from local.policy.agent import Agent, Enforcer
from local.policy.api import ApiClient
from local.policy.nftables import removal, run_nft

DEFAULT_TABLE = "cloison_policy"

app = typer.Typer(
    help="Enforce NetworkPolicy in this network namespace.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip


def table_name(text: str) -> str:
    """A name that nft reads as one, and as nothing else."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        message = "a table's name is lower-case letters, digits and underscores, and begins with a letter"
        raise typer.BadParameter(message)
    return text


TableOption = Annotated[
    str, typer.Option(parser=table_name, help="Name of the nftables table, of family inet, that is the agent's own.")
]


@app.command()
def run(
    kubeconfig: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The API server and a client certificate.")
    ],
    pod_cidr: Annotated[list[IPv4Network], typer.Option(parser=IPv4Network, help="A range of pod addresses.")],
    status_file: Annotated[Path, typer.Option(help="Where to say whether rules stand, and for which version.")],
    table: TableOption = DEFAULT_TABLE,
) -> None:
    """Keep the rules equal to what the API says, until SIGTERM. They stay when this ends."""
    agent = Agent(ApiClient(kubeconfig), Enforcer(table, pod_cidr), status_file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()


@app.command()
def flush(table: TableOption = DEFAULT_TABLE) -> None:
    """Remove the agent's table and nothing else."""
    run_nft(removal(table))


def main() -> int:
    """Run the command; a failure is one line on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        app()
    except PlatformError as error:
        typer.echo(f"local.policy: {error}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
