"""Settings of jupyterhub-idle-culler."""

from project_hub.culling import ends
from project_hub.settings import Settings

c = get_config()  # noqa: F821, traitlets brings it

# Not by way of the hub's Service, which leads nowhere until the hub is ready: the first round is at once.
c.IdleCuller.url = "http://127.0.0.1:8081/hub/api"
c.IdleCuller.timeout = 60 * Settings.read().idle_minutes
c.IdleCuller.cull_every = 30
c.IdleCuller.cull_arbiter_hook = ends
