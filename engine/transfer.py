"""Carries a stack to and from the Pulumi CLI."""

import json
from functools import partial
from typing import Any

from engine.crypto import Crypter, Unopened, passphrase_from
from engine.errors import InputError
from engine.session import Place, open_session, read_deployment
from engine.state import parse_deployment, render_deployment, save_checkpoint
from engine.urn import Urn


def export_stack(place: Place, *, show_secrets: bool) -> dict[str, Any]:
    """Return what ``pulumi stack import`` takes; without ``show_secrets`` no passphrase is needed."""
    deployment, crypter = read_deployment(place, show_secrets=show_secrets)
    return {"version": 3, "deployment": render_deployment(deployment, None if show_secrets else crypter)}


def import_stack(place: Place, text: str) -> None:
    """Replace the stack's state by what ``pulumi stack export`` wrote; its secrets are encrypted anew.

    Raises:
        InputError: If the text is no export, or one of another stack or project.
    """
    try:
        document = json.loads(text)
        version, content = document["version"], document["deployment"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"not an export of a stack: {error!r}") from error
    if version != 3:
        raise InputError(f"the export has version {version}; only version 3 can be read")
    salt = ((content.get("secrets_providers") or {}).get("state") or {}).get("salt")
    opener = Crypter(salt, partial(passphrase_from, place.environment)) if salt else Unopened("")
    deployment = parse_deployment(content, opener)
    with open_session(place, "import", creates=True, changes=True) as session:
        for resource in deployment.resources:
            urn = Urn.parse(resource.urn)
            if (urn.stack, urn.project) != (place.stack, session.project.name):
                raise InputError(
                    f"the export is of stack {urn.stack!r} of project {urn.project!r}, "
                    f"not of {place.stack!r} of {session.project.name!r}"
                )
        save_checkpoint(session.files, deployment, session.crypter)
