"""Settings of the server, for `jupyter lab` as for `jupyterhub-singleuser`.

Arguments of the command win over this file.
"""

import os
from pathlib import Path

TOKEN_FILE = Path(os.environ.get("JUPYTER_TOKEN_FILE", "/run/secrets/jupyterlab/token"))


def read_token():
    """Return the server's token; without one the server would let everybody in or print a new one in its log."""
    try:
        token = TOKEN_FILE.read_text().strip()
    except OSError as error:
        raise SystemExit(f"{TOKEN_FILE}: {error.strerror}: mount the token there or name its file in JUPYTER_TOKEN_FILE") from error
    if not token:
        raise SystemExit(f"{TOKEN_FILE}: is empty: it must hold the token")
    return token


c = get_config()  # noqa: F821, Jupyter brings it

c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.open_browser = False
c.ServerApp.base_url = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
c.ServerApp.allow_unauthenticated_access = False
c.ServerApp.quit_button = False
if "JUPYTERHUB_API_TOKEN" not in os.environ:  # a hub signs its users in itself
    c.IdentityProvider.token = read_token()
if FORBIDDEN := frozenset(os.environ.get("CLOISON_FORBIDDEN", "").split()):
    from project_rules import authorizer

    c.ServerApp.authorizer_class = authorizer(FORBIDDEN)

# Nothing calls out: no news, no search for updates, no catalogue of extensions, no search for language servers.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LanguageServerManager.autodetect = False

# A deleted file is gone: a trash folder would keep health data and fill the volume unseen.
c.FileContentsManager.delete_to_trash = False
