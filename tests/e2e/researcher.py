"""Members at work in their browsers, and the stack that they work on."""

import json
from dataclasses import dataclass
from typing import Any, Self

from local import waiting
from operations.answering import answers
from tests.e2e.chromium import Account, Chromium, Window
from tests.e2e.lab import Lab
from tests.e2e.project import Project

SERVERS_END_SECONDS = 60
"""How long after a project's closure a server may run on."""


def namespace(research_project: str) -> str:
    """Where a research project is in the cluster."""
    return f"project-{research_project}"


@dataclass(frozen=True)
class Stack:
    """What `cloison up` made, as its own commands tell of it."""

    project: Project
    addresses: dict[str, str]
    """Where each project's hub is."""
    accounts: dict[str, Account]
    """The demonstration accounts by the member's name."""

    @classmethod
    def of(cls, project: Project) -> Self:
        """Ask the commands of a project that is up."""
        projects, passwords = project.printed_json("urls"), project.printed_json("accounts")
        addresses = {each["project"]: each["tools"][0]["url"] for each in projects}
        members = [member for each in projects for member in each["members"]]
        accounts = {each["name"]: Account(each["email"], passwords[each["email"]]) for each in members}
        return cls(project, addresses, accounts)

    def kubectl(self, place: str, *arguments: str) -> str:
        """Run kubectl in a namespace."""
        return self.project.platform.kubectl("--namespace", place, *arguments)

    def get(self, place: str, *arguments: str) -> dict[str, Any]:
        """The object or list that `kubectl get` finds in a namespace."""
        return json.loads(self.kubectl(place, "get", *arguments, "--output=json"))

    def pods(self, place: str, labels: str) -> list[dict[str, Any]]:
        """The pods of a namespace that a label selector finds."""
        return self.get(place, "pods", f"--selector={labels}")["items"]

    def wait_for_hub(self, research_project: str) -> None:
        """Wait until a hub answers: one that is ready takes traffic only when the node's rules have followed."""
        address, authority = self.addresses[research_project], self.project.authority.read_text()
        waiting.until(lambda: answers(address, authority), f"an answer of the hub of {research_project}", 30)

    def wait_for_the_end_of_servers(self, research_project: str) -> None:
        """Wait until no member's server runs."""
        place, servers = namespace(research_project), "app.kubernetes.io/component=singleuser-server"
        waiting.until(lambda: not self.pods(place, servers), f"the end of the servers in {place}", SERVERS_END_SECONDS)


@dataclass
class Researcher:
    """A member at work."""

    account: Account
    window: Window
    hub: str
    """Address of the hub, as printed."""
    asked: list[str]
    """What the issuer asked for at the first sign-in."""

    @classmethod
    def first_signed_in(cls, stack: Stack, browser: Chromium, research_project: str, member: str) -> Self:
        """Open the printed address with a first password, and go where it leads: to JupyterLab."""
        hub, account, window = stack.addresses[research_project], stack.accounts[member], browser.window(member)
        window.open(hub)
        asked = window.sign_in(account)
        window.photograph(f"{member}-server-starts")
        Lab(window.page)
        window.photograph(f"{member}-jupyterlab")
        return cls(account, window, hub, asked)

    def lab(self) -> Lab:
        """JupyterLab, its server started where it did not run."""
        self.window.open(self.hub)
        return Lab(self.window.page)

    def signed_in(self, station: str) -> Lab:
        """Sign in as on any other day; the hub leads on to JupyterLab."""
        self.window.open(self.hub)
        assert self.window.sign_in(self.account) == ["password", "otp"]
        lab = Lab(self.window.page)
        self.window.photograph(station)
        return lab

    def stop_server(self) -> None:
        """Press the button on the hub's page."""
        page = self.window.page
        self.window.open(f"{self.hub}hub/home")
        page.click("#stop")
        page.get_by_role("button", name="Start My Server").wait_for()

    def sign_out(self, station: str) -> None:
        """Follow the hub's own way out, as far as the page that asks who one is."""
        page = self.window.page
        self.window.open(f"{self.hub}hub/logout")
        page.click("#kc-logout")
        page.locator('input[name="password"]').wait_for()
        self.window.photograph(station)

    def refusal(self, hub: str, station: str) -> str:
        """Open a hub that refuses; returns what its page says."""
        answer = self.window.open(hub)
        self.window.photograph(station)
        assert answer.status == 403
        return self.window.page.inner_text("body")
