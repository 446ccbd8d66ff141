"""Who may work in the project today. Pure: claims, settings and a date in, a member or a refusal out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from project_hub.settings import Member, Settings


class RefusedError(Exception):
    """The person may not come in; the message tells that person why."""


@dataclass(frozen=True)
class Person:
    """Whom the issuer says it has before it."""

    subject: str
    email: str | None
    """Their address in lower case; None where the issuer gives none or has not verified it."""
    groups: frozenset[str]

    @classmethod
    def of(cls, claims: Mapping[str, Any], groups_claim: str) -> Self:
        """Read a person from the issuer's claims (OpenID Connect Core 1.0, §5.1)."""
        verified = claims.get("email_verified") is True
        email = str(claims["email"]).lower() if verified and claims.get("email") else None
        groups = claims.get(groups_claim)
        return cls(str(claims["sub"]), email, frozenset(map(str, groups)) if isinstance(groups, list) else frozenset())


def closed(settings: Settings, today: date) -> str | None:
    """Why nobody may work in the project today, None if its members may."""
    if settings.state == "frozen":
        return "The project is frozen. Its data are kept; nobody can work on them for now."
    if settings.state == "ended":
        return "The project has ended."
    if today > settings.permit.expires:
        return f"The permit {settings.permit.reference} ended on {settings.permit.expires}. The project's data are kept."
    return None


def refusal(settings: Settings, name: str, today: date) -> str | None:
    """Why a member who signed in before may not go on, None if nothing stands against it."""
    if reason := closed(settings, today):
        return reason
    return None if settings.member(name) else "You are no longer a member of the project."


def admit(person: Person, settings: Settings, known: Mapping[str, str], today: date) -> Member:
    """Find the member that a person is.

    An address can pass from one person to another, a subject cannot: so the first sign-in ties the two together, and
    from then on the subject alone counts (OpenID Connect Core 1.0, §5.7).

    Args:
        person: as the issuer described them just now.
        settings: the project.
        known: addresses of earlier sign-ins, by subject.
        today: the day on which the permit must hold.

    Raises:
        RefusedError: the person is none of the members, or the project is closed.
    """
    if reason := closed(settings, today):
        raise RefusedError(reason)
    if settings.sign_in.group not in person.groups:
        raise RefusedError("You are not in the group of the project's members.")
    for member in settings.members:
        if _is(member, person, known):
            return member
    if person.email is None:
        raise RefusedError("Your e-mail address is not verified.")
    raise RefusedError(f"{person.email} is not a member of the project.")


def _is(member: Member, person: Person, known: Mapping[str, str]) -> bool:
    if member.subject:
        return member.subject == person.subject
    if person.subject in known:
        return known[person.subject] == member.email
    return person.email == member.email and member.email not in known.values()
