"""What of a key store needs more than writing, reading and deleting a path: its beginning, its authority, keys."""

import pulumi
from typing_extensions import override

from components.remote_objects import Properties, RemoteObject, projected
from components.vault_api import KeyStoreError, VaultApi
from components.vault_operator import Custody, make_ready, open_up
from components.vault_resource import KeyStoreObject, KeyStoreServer, ObjectProvider


class BeginningProvider(ObjectProvider):
    """Initialises a key store when the stack first has one, and never again."""

    fixed = ()

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        asked = {key: int(props[key]) for key in ("shares", "threshold")}
        make_ready(api, **asked, opens_itself=props["opens_itself"], custody=Custody.of_environment())
        return "key-store", {}

    @override
    def find(self, api: VaultApi, id_: str, props: Properties) -> Properties | None:
        """Look whether it is there still: one that has lost its storage is not begun anew behind anybody's back."""
        if not api.seal_status().initialized:
            message = (
                "the key store has been initialised before and now is not: its storage is lost or is not mounted; "
                "restore it. What its keys encrypted is unreadable without it"
            )
            raise KeyStoreError(message)
        return {}

    @override
    def change(self, api: VaultApi, id_: str, props: Properties) -> None:
        """Open it again where a renewed certificate made it start anew.

        Shares are drawn anew by those who hold them (`vault operator rekey`); of that, only the record is here.
        """
        open_up(api, Custody.of_environment())

    @override
    def remove(self, api: VaultApi, id_: str, props: Properties) -> None:
        """It goes with its volume."""


class Beginning(RemoteObject, module="keys", name="Beginning"):
    """A key store that is initialised and open. Whatever is declared in one depends on it."""

    def __init__(
        self,
        name: str,
        server: KeyStoreServer,
        shares: int,
        threshold: int,
        opens_itself: bool,
        certificate_ends: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        Args:
            name: logical name, unique in the stack.
            server: the key store.
            shares: how many are handed out to the operator.
            threshold: how many of them open it, or recover it where its seal opens it.
            opens_itself: whether its seal opens it.
            certificate_ends: moment at which its certificate ends; with another it starts anew, and may be sealed.
            opts: usual resource options; they make it wait for the server.
        """
        asked = {"shares": shares, "threshold": threshold, "opens_itself": opens_itself}
        inputs = {"server": server.inputs(), **asked, "certificate_ends": certificate_ends}
        super().__init__(BeginningProvider(), name, inputs, opts)


class AuthorityProvider(ObjectProvider):
    """Authorities whose key is drawn inside Vault and never leaves it."""

    fixed = ("path", "settings")
    drawn = ("certificate",)

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        """Draw one; what an interrupted run has drawn stays."""
        path = props["path"]
        certificate = self._certificate(api, path)
        if not certificate:
            certificate = api.write(f"{path}/root/generate/internal", props["settings"])["data"]["certificate"]
        return path, {"certificate": certificate.strip()}

    @override
    def find(self, api: VaultApi, id_: str, props: Properties) -> Properties | None:
        certificate = self._certificate(api, id_)
        return {"certificate": certificate} if certificate else None

    @override
    def remove(self, api: VaultApi, id_: str, props: Properties) -> None:
        api.delete(f"{id_}/root")

    def _certificate(self, api: VaultApi, path: str) -> str:
        issuers = api.names(f"{path}/issuers")
        return str((api.read(f"{path}/cert/ca") or {}).get("certificate", "")).strip() if issuers else ""


class KeyStoreAuthority(KeyStoreObject, module="keys", name="KeyStoreAuthority"):
    """The certificate authority inside the key store: it signs for the servers of projects."""

    certificate: pulumi.Output[str]
    """PEM; what clients trust."""

    provider = AuthorityProvider


class TransitKeyProvider(ObjectProvider):
    """Keys that encrypt and decrypt inside Vault."""

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        """Draw a key; one that an interrupted run has drawn is never drawn again."""
        path, asked = props["path"], props["settings"]
        if api.read(path) is None:
            api.write(path, {key: asked[key] for key in DRAWN_WITH})
        found = api.read(path) or {}
        if any(found.get(key) != asked[key] for key in DRAWN_WITH):
            message = f"{path}: a key stands there that was drawn otherwise ({', '.join(DRAWN_WITH)}): rename or end it"
            raise KeyStoreError(message)
        self.change(api, path, props)
        return path, {}

    @override
    def change(self, api: VaultApi, id_: str, props: Properties) -> None:
        """Change what may change in a key's life; the rest is refused, for another key reads nothing of this one's."""
        found, asked = api.read(id_) or {}, props["settings"]
        if different := [key for key in DRAWN_WITH if found.get(key) != asked[key]]:
            message = f"{id_}: {', '.join(different)} cannot change: a key is what it was drawn as"
            raise KeyStoreError(message)
        api.write(f"{id_}/config", {key: value for key, value in asked.items() if key not in DRAWN_WITH})


DRAWN_WITH = ("type", "exportable", "allow_plaintext_backup")
"""Settings of a key that stand for its whole life."""


class TransitKey(KeyStoreObject, module="keys", name="TransitKey"):
    """A project's key. Its destruction makes all that it encrypted unreadable, for good."""

    provider = TransitKeyProvider


class FolderProvider(ObjectProvider):
    """Folders of secrets (KV version 2): an entry that says whose they are, and at the end all that is inside."""

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        self.change(api, props["path"], props)
        return props["path"], {}

    @override
    def find(self, api: VaultApi, id_: str, props: Properties) -> Properties | None:
        found = api.read(f"{id_}/{ABOUT}")
        return None if found is None else {"settings": projected(props["settings"], found)}

    @override
    def change(self, api: VaultApi, id_: str, props: Properties) -> None:
        api.write(f"{id_}/{ABOUT}", props["settings"])

    @override
    def remove(self, api: VaultApi, id_: str, props: Properties) -> None:
        for name in api.names(id_):
            below = f"{id_}/{name}"
            self.remove(api, below.rstrip("/"), props) if name.endswith("/") else api.delete(below)


ABOUT = "about"
"""Entry of a folder without a secret of its own: whose folder it is."""


class SecretFolder(KeyStoreObject, module="keys", name="SecretFolder"):
    """A project's folder of secrets; deleting it deletes every version of all that is inside."""

    provider = FolderProvider
