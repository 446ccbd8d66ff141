"""Settings of the hub. What differs between projects comes from the settings file, secrets from files of their own."""

import os
import sys
from pathlib import Path

from project_hub.authenticator import MemberAuthenticator
from project_hub.settings import Settings
from project_hub.spawner import MemberSpawner, refuse_closed, server_url

DATA = Path("/srv/jupyterhub")
SECRETS = Path("/run/secrets/jupyterhub")


def secret(name):
    """Return a secret that the program drew or was given."""
    return (SECRETS / name).read_text().strip()


c = get_config()  # noqa: F821, JupyterHub brings it
settings = Settings.read()

# The database outlives the hub, and servers run on while it restarts.
c.JupyterHub.db_url = f"sqlite:///{DATA}/jupyterhub.sqlite"
c.JupyterHub.upgrade_db = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

c.JupyterHub.public_url = settings.public_url
c.JupyterHub.hub_bind_url = "https://:8081"
c.JupyterHub.hub_connect_url = settings.hub_url
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")
c.JupyterHub.cookie_secret = bytes.fromhex(secret("cookie-secret"))
c.JupyterHub.cookie_max_age_days = 0.5
c.JupyterHub.template_paths = ["/etc/jupyterhub/templates"]
c.JupyterHub.template_vars = {"project": settings.title, "contacts": settings.contacts}

c.JupyterHub.authenticator_class = MemberAuthenticator
c.MemberAuthenticator.subjects_file = str(DATA / "subjects.json")
c.MemberAuthenticator.login_service = settings.sign_in.title
c.MemberAuthenticator.client_id = settings.sign_in.client_id
c.MemberAuthenticator.client_secret = secret("client-secret")
c.MemberAuthenticator.authorize_url = settings.sign_in.authorize_url
c.MemberAuthenticator.token_url = settings.sign_in.token_url
c.MemberAuthenticator.userdata_url = settings.sign_in.userinfo_url
c.MemberAuthenticator.authorities = "" if settings.sign_in.own_authority else "/etc/ssl/certs/ca-certificates.crt"
c.MemberAuthenticator.oauth_callback_url = settings.sign_in.callback_url
# A session that went on at the issuer would let the next person at the same browser in.
c.MemberAuthenticator.logout_redirect_url = settings.sign_in.sign_out_url or ""
c.MemberAuthenticator.scope = ["openid", "profile", "email"]
c.MemberAuthenticator.username_claim = "sub"
c.MemberAuthenticator.auto_login = True
c.MemberAuthenticator.auth_refresh_age = 60
# Whom JupyterHub met before counts for nothing: the workspace file may have changed.
c.MemberAuthenticator.allowed_users = {member.name for member in settings.members}
c.MemberAuthenticator.allow_existing_users = False

c.JupyterHub.spawner_class = MemberSpawner
c.JupyterHub.allow_named_servers = False
c.MemberSpawner.pre_spawn_hook = refuse_closed
c.MemberSpawner.get_pod_url = server_url
c.MemberSpawner.pod_name_template = "server-{unescaped_username}"
c.MemberSpawner.delete_grace_period = 10
c.MemberSpawner.start_timeout = 300
c.MemberSpawner.http_timeout = 60
if len(settings.servers) > 1:
    c.MemberSpawner.profile_list = [
        {"slug": server.name, "display_name": server.title, "kubespawner_override": {"tool": server.name}}
        for server in settings.servers
    ]

c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            "--config=/etc/jupyterhub/idle_culler_config.py",
        ],
        "environment": {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")},
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
