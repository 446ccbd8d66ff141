"""Signs members in with any OpenID Connect issuer and turns everybody else away."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from project_hub.admission import Person, RefusedError, admit, refusal
from project_hub.refusing import forbidden
from project_hub.settings import Settings
from project_hub.subjects import Subjects
from tornado.httpclient import AsyncHTTPClient
from traitlets import Unicode, default


class MemberAuthenticator(GenericOAuthenticator):
    """Admits the members of the workspace file, under the names that it gives them."""

    subjects_file = Unicode(config=True, help="File that ties an issuer's subjects to the members' addresses.")

    authorities = Unicode(config=True, help="File of those who may have signed the issuer's certificate; default: ours.")

    @default("http_client")
    def _client_without_our_certificate(self) -> AsyncHTTPClient:
        """The hub's certificate is for the project's own proxy and servers, and for nobody outside."""
        return AsyncHTTPClient(force_instance=True, defaults={"ca_certs": self.authorities or None})

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Name the person as the workspace file does.

        Raises:
            HTTPError: 403, the person is refused; the message says why.
        """
        settings, subjects = Settings.read(), Subjects(Path(self.subjects_file))
        person = Person.of(auth_model["auth_state"][self.user_auth_state_key], settings.sign_in.groups_claim)
        try:
            member = admit(person, settings, subjects.known(), datetime.now(UTC).date())
        except RefusedError as error:
            self.log.warning("refused subject %s: %s", person.subject, error)
            raise forbidden(str(error)) from error
        subjects.remember(person.subject, member.email)
        # Nobody is an administrator: those could enter the servers of others.
        return {**auth_model, "name": member.name, "admin": False}

    async def refresh_user(self, user: Any, handler: Any = None, **_: Any) -> bool:  # noqa: ARG002 - JupyterHub's names
        """Whether a session may go on; if not, JupyterHub asks for a new sign-in, which says why not."""
        return refusal(Settings.read(), user.name, datetime.now(UTC).date()) is None
