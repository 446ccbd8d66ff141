"""Clients of a realm: the tools that people sign in to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from typing_extensions import override

from components.realm_api import AdministrationApi, AdministrationError
from components.realm_resource import (
    MARK,
    Administration,
    ObjectProvider,
    RealmResource,
    adopted,
)
from components.remote_objects import Properties, projected

CONFLICT = 409
GROUPS_CLAIM = "groups"
"""Claim with the full paths of the groups that somebody is a member of."""


def client_representation(
    client_id: str, title: str, redirect_uris: Sequence[str], signed_out_uris: Sequence[str]
) -> Properties:
    """Build a confidential client for sign-in by browser and nothing else, with proof of possession (RFC 7636).

    Args:
        client_id: its name.
        title: what people read.
        redirect_uris: where browsers may be sent with a code; each in full, since a pattern is an open door.
        signed_out_uris: where browsers may be sent after signing out.
    """
    return {
        "clientId": client_id,
        "name": title,
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": False,
        "clientAuthenticatorType": "client-secret",
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
        "frontchannelLogout": False,
        "redirectUris": list(redirect_uris),
        "webOrigins": [],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": "##".join(signed_out_uris),
            "use.refresh.tokens": "false",
        },
        "defaultClientScopes": ["basic", "email", "profile"],
        "optionalClientScopes": [],
        "protocolMappers": [_groups_mapper()],
    }


def _groups_mapper() -> Properties:
    return {
        "name": GROUPS_CLAIM,
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {
            "claim.name": GROUPS_CLAIM,
            "full.path": "true",
            "id.token.claim": "true",
            "access.token.claim": "false",
            "userinfo.token.claim": "true",
        },
    }


class ClientProvider(ObjectProvider):
    """Clients by their id; the secret is Keycloak's own, drawn when the client is made."""

    fixed = ("realm", "client_id")
    drawn = ("secret",)
    secret = ("secret",)

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        path = f"/{props['realm']}/clients"
        try:
            id_ = api.post(path, _marked(props))
        except AdministrationError as error:
            if error.status != CONFLICT:
                raise
            found = api.get(path, clientId=props["client_id"])[0]
            id_ = adopted(found, f"the client {props['client_id']} of realm {props['realm']}")
            self.change(api, id_, props)
        return id_, {"secret": api.get(f"{path}/{id_}/client-secret")["value"]}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        path = f"/{props['realm']}/clients/{id_}"
        if (client := api.get(path)) is None:
            return None
        return {
            "settings": projected(props["settings"], client),
            "secret": api.get(f"{path}/client-secret")["value"],
        }

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        path = f"/{props['realm']}/clients/{id_}"
        api.put(path, _marked(props))
        _replace_mappers(api, path, props["settings"]["protocolMappers"])

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(f"/{props['realm']}/clients/{id_}")


def _marked(props: Properties) -> Properties:
    settings = props["settings"]
    return {**settings, "attributes": {**settings["attributes"], MARK: "true"}}


def _replace_mappers(api: AdministrationApi, client: str, mappers: Sequence[Mapping[str, Any]]) -> None:
    """Bring a client's claims up to date, which a change of the client itself does not do."""
    models = f"{client}/protocol-mappers/models"
    for mapper in api.get(models):
        api.delete(f"{models}/{mapper['id']}")
    for mapper in mappers:
        api.post(models, mapper)


@dataclass(frozen=True)
class ClientSettings:
    """What a tool needs of its client."""

    client_id: str
    title: str
    redirect_uris: Sequence[str]
    signed_out_uris: Sequence[str] = ()


class Client(RealmResource, module="identity", name="Client"):
    """A tool that people sign in to."""

    client_id: pulumi.Output[str]
    secret: pulumi.Output[str]
    """What the tool proves itself with; secret."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        settings: ClientSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a client.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            settings: what the tool needs.
            opts: usual resource options.
        """
        representation = client_representation(
            settings.client_id, settings.title, settings.redirect_uris, settings.signed_out_uris
        )
        inputs = {
            "server": server.inputs(),
            "realm": realm,
            "client_id": settings.client_id,
            "settings": representation,
        }
        super().__init__(ClientProvider(), name, inputs, opts)
        self.secret = pulumi.Output.secret(self.secret)
