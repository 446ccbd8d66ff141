"""A research project as its workspace file describes it.

The words are those of the French rules on health data: a *permit* is the authorisation under which data may be used
(CNIL MR-007, condition 1.3.1; EHDS article 68), *data class* follows the pseudonymisation status of the data.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from ipaddress import IPv4Network
from math import ceil
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from documents import refused
from workspaces.sizes import Resources, Size, needed

PERMIT_LONGEST = timedelta(days=3 * 366)
"""An assessment or authorisation older than three years no longer covers a project (CNIL MR-007, 1.3.1)."""

WAIVER_LONGEST = timedelta(days=366)
NARROWEST_EGRESS = 16
"""Wider ranges of addresses than this are no allow-list any more."""

WaivableRule = Literal["downloads", "egress"]
DataClass = Literal["synthetic", "anonymous", "pseudonymised", "identifying"]
PERSONAL: frozenset[DataClass] = frozenset({"pseudonymised", "identifying"})
"""Data of persons in the sense of GDPR article 4 (1) and (5)."""
Role = Literal["lead", "researcher", "reviewer", "data-manager"]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _dns_label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        message = "is no DNS label (RFC 1123: lower-case letters, digits and hyphens, starting with a letter)"
        suggestion = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-0123456789")
        raise refused(message, f"write `{suggestion}`" if suggestion else "choose another name")
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise refused("is no e-mail address", "write it as name@organisation.example")
    return value.lower()


ProjectName = Annotated[
    str,
    Field(max_length=40, description="Name of the project.", json_schema_extra={"pattern": f"^{_LABEL.pattern}$"}),
    AfterValidator(_dns_label),
]
MemberName = Annotated[
    str,
    Field(max_length=30, description="Short name of the member.", json_schema_extra={"pattern": f"^{_LABEL.pattern}$"}),
    AfterValidator(_dns_label),
]
Email = Annotated[str, Field(description="Address the member signs in with."), AfterValidator(_email)]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Permit(_Part):
    """The authorisation under which the project may use its data."""

    reference: str = Field(min_length=1, description="Reference given by the authority, as on the decision.")
    expires: date = Field(description="Last day of the authorisation (YYYY-MM-DD), at most three years ahead.")

    @field_validator("expires")
    @classmethod
    def _still_valid(cls, value: date, info: ValidationInfo) -> date:
        today = _today(info)
        if value < today and not (info.context or {}).get("closed"):
            raise refused(
                f"expired {(today - value).days} days ago",
                "renew the permit and write its new last day, or write `state: frozen`",
            )
        if value > today + PERMIT_LONGEST:
            latest = today + PERMIT_LONGEST
            raise refused("lies more than three years ahead (CNIL MR-007, 1.3.1)", f"write {latest} or earlier")
        return value


class Member(_Part):
    """A person who may work in the project."""

    name: MemberName
    email: Email
    role: Role = Field(description="What the member may do in the project.")
    subject: str | None = Field(
        default=None,
        min_length=1,
        description="What the issuer calls the member for ever (OpenID Connect: `sub`); without it, the address counts "
        "at the first sign-in.",
    )
    left: bool = Field(
        default=False, description="Whether the member has left: they cannot sign in; their volume stays."
    )


class JupyterLab(_Part):
    """JupyterLab for each member, with Python and R."""

    size: Size = Field(default="small", description="Processor and memory of each member's server.")
    terminals: bool = Field(default=True, description="Whether members may open a shell in their server.")
    uploads: bool = Field(default=False, description="Whether files may be uploaded from a member's browser.")
    downloads: bool = Field(
        default=False, description="Whether files may be downloaded to a member's browser; personal data need a waiver."
    )


class RStudio(_Part):
    """RStudio for each member, started from the same hub."""

    size: Size = Field(default="small", description="Processor and memory of each member's server.")


class Tools(_Part):
    """The tools of the project; a tool that is not named is not there."""

    jupyterlab: JupyterLab | None = None
    rstudio: RStudio | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.named():
            raise refused("names no tool", "add `jupyterlab: {}`")
        return self

    def named(self) -> dict[str, JupyterLab | RStudio]:
        """The tools that are there, by name."""
        tools = {"jupyterlab": self.jupyterlab, "rstudio": self.rstudio}
        return {name: tool for name, tool in tools.items() if tool is not None}


class Storage(_Part):
    """The project's volumes."""

    home_gib: int = Field(default=5, ge=1, le=500, description="Size of each member's own volume, in GiB.")


class Quota(_Part):
    """The most that the project may take of the cluster; what its tools need where it is left out."""

    cpu: int = Field(ge=1, description="Processors.")
    memory_gib: int = Field(ge=1, description="Memory, in GiB.")


class Egress(_Part):
    """One destination outside the cluster that the project's servers may reach."""

    cidr: IPv4Network = Field(description="Range of addresses, such as 192.0.2.10/32.")
    port: int = Field(ge=1, le=65535)
    reason: str = Field(min_length=1, description="Why the project needs it; shown in the preview.")

    @field_validator("cidr")
    @classmethod
    def _not_everything(cls, value: IPv4Network) -> IPv4Network:
        if value.prefixlen < NARROWEST_EGRESS:
            raise refused(f"opens {value.num_addresses} addresses", f"name a range of /{NARROWEST_EGRESS} or narrower")
        return value


class Waiver(_Part):
    """A rule that the project may break for a while, by somebody's decision."""

    rule: WaivableRule
    reason: str = Field(min_length=1, description="Why, and on whose decision.")
    expires: date = Field(description="Last day of the waiver, at most one year ahead.")

    @field_validator("expires")
    @classmethod
    def _dated(cls, value: date, info: ValidationInfo) -> date:
        today = _today(info)
        if value < today:
            raise refused(f"expired {(today - value).days} days ago", "remove the waiver and what it allowed")
        if value > today + WAIVER_LONGEST:
            raise refused("lies more than one year ahead", f"write {today + WAIVER_LONGEST} or earlier")
        return value


class Workspace(_Part):
    """One research project and its walled environment."""

    name: ProjectName
    title: str = Field(min_length=1, max_length=200, description="Title of the study, as on the permit.")
    data_class: DataClass = Field(description="What the project's data are, at their most sensitive.")
    permit: Permit
    members: tuple[Member, ...] = Field(min_length=1, description="Everyone who may work in the project.")
    tools: Tools
    storage: Storage = Storage()
    quota: Quota | None = None
    egress: tuple[Egress, ...] = Field(default=(), description="What servers may reach outside; nothing by default.")
    idle_timeout_minutes: int = Field(
        default=60, ge=5, le=720, description="Minutes without activity after which a server is stopped."
    )
    waivers: tuple[Waiver, ...] = ()
    state: Literal["active", "frozen", "ended"] = Field(
        default="active", description="frozen: nobody signs in, data stay. ended: `cloison end` may delete the data."
    )

    @property
    def working(self) -> tuple[Member, ...]:
        """The members who have not left."""
        return tuple(member for member in self.members if not member.left)

    @property
    def needs(self) -> Resources:
        """What the project takes of the cluster with every member at work."""
        return needed([tool.size for tool in self.tools.named().values()], len(self.members))

    def waived(self, rule: WaivableRule) -> bool:
        """Whether a waiver of this rule stands."""
        return any(waiver.rule == rule for waiver in self.waivers)

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        """Rules on personal data hold unless waived (CNIL MR-007 SEC-EXP-1: only anonymous data leave)."""
        personal = self.data_class in PERSONAL
        downloads = bool(self.tools.jupyterlab and self.tools.jupyterlab.downloads)
        if personal and downloads and not self.waived("downloads"):
            raise refused(
                f"lets {self.data_class} data leave (CNIL MR-007, SEC-EXP-1)",
                "write false, or add a waiver of the rule `downloads`",
                at=("tools", "jupyterlab", "downloads"),
            )
        if personal and self.tools.rstudio and not self.waived("downloads"):
            raise refused(
                f"lets {self.data_class} data leave: RStudio Server's free edition cannot forbid downloads",
                "remove it, or add a waiver of the rule `downloads`",
                at=("tools", "rstudio"),
            )
        if personal and self.egress and not self.waived("egress"):
            raise refused(
                f"lets {self.data_class} data leave (CNIL MR-007, SEC-EXP-1)",
                "remove it, or add a waiver of the rule `egress`",
                at=("egress",),
            )
        return self

    @model_validator(mode="after")
    def _tools_fit_the_quota(self) -> Self:
        if self.quota is None:
            return self
        cpu, memory = ceil(self.needs.cpu_limit_milli / 1000), ceil(self.needs.memory_mib / 1024)
        if self.quota.cpu < cpu or self.quota.memory_gib < memory:
            raise refused(
                f"is smaller than what the tools of {len(self.members)} members need",
                f"write at least `cpu: {cpu}` and `memory_gib: {memory}`, or choose smaller sizes",
                at=("quota",),
            )
        return self

    @field_validator("members", mode="wrap")
    @classmethod
    def _distinct(cls, members: object, validated: ValidatorFunctionWrapHandler) -> tuple[Member, ...]:
        """Look for duplicates in the members as written, so that they are found beside any other error."""
        errors = _repeated(members, "name") + _repeated(members, "email")
        accepted: tuple[Member, ...] = ()
        try:
            accepted = validated(members)
        except ValidationError as error:
            errors += [_raised_again(details) for details in error.errors(include_url=False)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return accepted


def _repeated(members: object, field: Literal["name", "email"]) -> list[InitErrorDetails]:
    """One error for each member whose name or address an earlier one has."""
    errors: list[InitErrorDetails] = []
    first: dict[str, int] = {}
    for position, value in enumerate(_written(members, field)):
        if value in first:
            error = refused(f"is also that of members[{first[value]}]", "keep one entry for each member")
            errors.append({"type": error, "loc": (position, field), "input": value})
        elif value is not None:
            first[value] = position
    return errors


def _written(members: object, field: str) -> list[str | None]:
    """The field of every member as it stands in the file, in lower case; None where there is no such text."""
    if not isinstance(members, Sequence):
        return []
    values = [
        member.get(field) if isinstance(member, Mapping) else getattr(member, field, None)
        for member in cast("Sequence[object]", members)
    ]
    return [value.lower() if isinstance(value, str) else None for value in values]


def _raised_again(details: ErrorDetails) -> InitErrorDetails:
    context = details.get("ctx", {})
    kind = (
        refused(context["message"], context["remedy"], context["at"])
        if details["type"] == "refused"
        else details["type"]
    )
    return {"type": kind, "loc": details["loc"], "input": details["input"], "ctx": context}


def _today(info: ValidationInfo) -> date:
    context: Mapping[str, date] = info.context or {}
    return context["today"]
