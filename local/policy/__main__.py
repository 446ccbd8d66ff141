"""The command `python -m local.policy`, run inside the platform's network namespace."""

import logging
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

TableOption = Annotated[str, typer.Option(help="Name of the nftables table, of family inet, that is the agent's own.")]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Enforce NetworkPolicy in this network namespace.")


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
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
