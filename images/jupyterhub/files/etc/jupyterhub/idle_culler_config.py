"""Settings of jupyterhub-idle-culler."""

from project_hub.culling import ends
from project_hub.settings import CERTIFICATES, Settings

settings = Settings.read()
c = get_config()  # noqa: F821, traitlets brings it

# Not by way of the hub's Service, which leads nowhere until the hub is ready, and the first round is at once: in the
# hub's own pod its name stands for the pod itself.
c.IdleCuller.url = f"{settings.hub_url}/hub/api"
c.IdleCuller.ssl_enabled = True
c.IdleCuller.internal_certs_location = str(CERTIFICATES)
c.IdleCuller.timeout = 60 * settings.idle_minutes
c.IdleCuller.cull_every = 30
c.IdleCuller.cull_arbiter_hook = ends
