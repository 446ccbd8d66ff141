"""Settings of jupyterhub-idle-culler."""

from project_hub.culling import ends
from project_hub.settings import Settings

c = get_config()  # noqa: F821, traitlets brings it

c.IdleCuller.timeout = 60 * Settings.read().idle_minutes
c.IdleCuller.cull_every = 30
c.IdleCuller.cull_arbiter_hook = ends
