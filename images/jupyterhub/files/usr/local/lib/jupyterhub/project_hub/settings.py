"""What the program tells the hub: one JSON file of plain data, mounted from a ConfigMap."""

from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

FILE = Path("/etc/jupyterhub/settings/settings.json")
CERTIFICATES = Path("/run/secrets/internal-ssl")
"""The hub's certificate, its key and the stack's authority, laid out as JupyterHub's own internal TLS does."""


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Permit(_Part):
    """The authorisation under which the project works."""

    reference: str
    expires: date
    """Last day on which it holds."""


class Member(_Part):
    """A person of the workspace file."""

    name: str
    email: str
    role: str
    subject: str | None = None
    """What the issuer calls the person for ever; None until somebody writes it in the workspace file."""


class SignIn(_Part):
    """The OpenID Connect issuer."""

    title: str
    client_id: str
    authorize_url: str
    """For browsers; the two below are for the hub itself."""
    token_url: str
    userinfo_url: str
    callback_url: str
    sign_out_url: str | None = None
    """Where browsers end their session at the issuer; None where it has no such page."""
    groups_claim: str
    group: str
    """The group of the issuer that the project's members are in."""
    own_authority: bool
    """Whether the stack's own authority signed the issuer's certificate; otherwise one that Debian trusts."""


class Server(_Part):
    """One kind of server that a member may start."""

    name: str
    title: str
    pod: dict[str, Any]
    """Labels and spec as the program declares them, the member's name left open."""


class Settings(_Part):
    """The whole file."""

    project: str
    title: str
    state: Literal["active", "frozen", "ended"]
    permit: Permit
    contacts: tuple[str, ...] = Field(min_length=1)
    """Addresses of those who answer for the project."""
    members: tuple[Member, ...]
    sign_in: SignIn
    servers: tuple[Server, ...] = Field(min_length=1)
    idle_minutes: int = Field(ge=1)
    public_url: str
    hub_url: str
    proxy_api_url: str
    server_url: str
    """Where a member's server answers, the member's name left open."""

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        """Read the file as it is now.

        Raises:
            OSError: it is not there.
            ValidationError: it is not what this version of the image understands.
        """
        return cls.model_validate_json(file.read_bytes())

    def member(self, name: str) -> Member | None:
        """The member of a name, None if there is no such member."""
        return next((member for member in self.members if member.name == name), None)

    def server(self, name: str) -> Server:
        """The kind of server of a name; the first one where none was chosen."""
        return next((server for server in self.servers if server.name == name), self.servers[0])
