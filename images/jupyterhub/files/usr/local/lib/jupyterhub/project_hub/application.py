"""JupyterHub with the certificates that the program issued: `python -m project_hub.application`."""

from jupyterhub.app import JupyterHub
from project_hub.settings import CERTIFICATES
from tornado.httpclient import AsyncHTTPClient


class ProjectHub(JupyterHub):
    """Listens and connects as JupyterHub does under `internal_ssl`.

    That setting itself stays off: it means that the hub is an authority, and that its spawner keeps Secrets.
    """

    def init_internal_ssl(self) -> None:
        """Take what is mounted where JupyterHub would issue certificates of its own."""
        self.internal_ssl_key = str(CERTIFICATES / "hub-internal" / "hub-internal.key")
        self.internal_ssl_cert = str(CERTIFICATES / "hub-internal" / "hub-internal.crt")
        self.internal_ssl_ca = str(CERTIFICATES / "hub-ca" / "hub-ca.crt")
        AsyncHTTPClient.configure(
            AsyncHTTPClient.configured_class(),
            defaults={
                "validate_cert": True,
                "ca_certs": self.internal_ssl_ca,
                "client_key": self.internal_ssl_key,
                "client_cert": self.internal_ssl_cert,
            },
        )


if __name__ == "__main__":
    ProjectHub.launch_instance()
