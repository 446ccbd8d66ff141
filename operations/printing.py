"""How commands say what they found: lines for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from operations.deployed import Deployed
from operations.status import SOON, Standing

FIRST_SIGN_IN = """\
First sign-in of a demonstration account: open an address above, type the e-mail address and the account's first
password (`cloison accounts` prints them), choose a password of your own, and scan the code that is shown with an
authenticator app (or type its key into one). From then on: password and six digits. The addresses are certified by the
stack's own authority: have your browser trust {authority}, or accept its warning."""


def as_json(content: Any) -> None:
    """Print JSON."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def addresses(deployed: Deployed) -> None:
    """Print a line for each tool of each project, and for whom it is."""
    for project in deployed.projects:
        people = ", ".join(member.email for member in project.members if not member.left)
        state = "" if project.state == "active" else f" ({project.state}: nobody signs in)"
        for tool in project.tools:
            typer.echo(f"{project.project}  {tool.tool}  {tool.url}{state}\n    for {people}")


def accounts(passwords: Mapping[str, str]) -> None:
    """Print the demonstration accounts with their first passwords."""
    for email, password in sorted(passwords.items()):
        typer.echo(f"{email}  {password}")


def standings(found: Sequence[Standing]) -> None:
    """Print a line for each project, its troubles at the end."""
    for each in found:
        head = f"{each.project}  {each.state}  {each.members} members  permit {_days(each.permit_days)}"
        typer.echo("  ".join([head, *(f"! {trouble}" for trouble in _troubles(each))]))


def _days(days: int) -> str:
    return f"ended {-days} days ago" if days < 0 else f"holds {days} days"


def _troubles(each: Standing) -> Iterable[str]:
    if each.deployed != each.state:
        yield f"was brought up as {each.deployed}: run `cloison up`"
    if not each.answers:
        yield "does not answer"
    if 0 <= each.permit_days <= SOON:
        yield "the permit ends soon"
