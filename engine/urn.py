"""Uniform resource names: ``urn:pulumi:<stack>::<project>::<parent type$type>::<name>``."""

from typing import NamedTuple

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
_PREFIX = "urn:pulumi:"


class Urn(NamedTuple):
    """The parts of a URN. A name may itself contain ``::``."""

    stack: str
    project: str
    qualified_type: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Urn":
        """Split a URN.

        Raises:
            ValueError: If the text is not a URN.
        """
        parts = text.removeprefix(_PREFIX).split("::", 3)
        if not text.startswith(_PREFIX) or len(parts) != 4:
            raise ValueError(f"not a URN: {text!r}")
        return cls(*parts)

    @property
    def type(self) -> str:
        """The resource's own type, without its parents'."""
        return self.qualified_type.rpartition("$")[2]

    def __str__(self) -> str:
        return f"{_PREFIX}{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Form the URN of a resource under ``parent`` (a URN, or empty); direct children of the stack omit its type."""
    if parent:
        parent_type = Urn.parse(parent).qualified_type
        if parent_type != STACK_TYPE:
            type_ = f"{parent_type}${type_}"
    return str(Urn(stack, project, type_, name))


def provider_package(type_: str) -> str | None:
    """Return ``kubernetes`` for ``pulumi:providers:kubernetes``, None for other types."""
    return type_.removeprefix(PROVIDER_PREFIX) if type_.startswith(PROVIDER_PREFIX) else None


def split_reference(reference: str) -> tuple[str, str]:
    """Split a provider reference ``<urn>::<id>``."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_
