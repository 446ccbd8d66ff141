"""Starts a member's server exactly as the program declares it."""

from datetime import UTC, datetime
from typing import Any

from kubernetes_asyncio.client.models import V1EnvVar, V1Pod, V1PodSpec
from kubespawner import KubeSpawner
from kubespawner.utils import get_k8s_model
from project_hub.admission import refusal
from project_hub.refusing import forbidden
from project_hub.settings import Settings
from traitlets import Unicode


class MemberSpawner(KubeSpawner):
    """Takes pods from the settings: KubeSpawner's own traits would describe them a second time."""

    tool = Unicode(config=True, help="Which of the declared servers is started; the first where none is named.")

    async def get_pod_manifest(self) -> V1Pod:
        """Build the declared pod, with the names, annotations and environment that KubeSpawner and JupyterHub need."""
        pod = await super().get_pod_manifest()
        declared: dict[str, Any] = self._expand_all(Settings.read().server(self.tool).pod)
        environment = [V1EnvVar(name, value) for name, value in sorted(self.get_env().items())]
        for container in declared["spec"]["containers"]:
            container["env"] = [*container.get("env", []), *environment]
        pod.metadata.labels |= declared["metadata"]["labels"]
        pod.spec = get_k8s_model(V1PodSpec, declared["spec"])
        return pod


def server_url(spawner: MemberSpawner, _pod: object) -> str:
    """Where hub and proxy find a server: by the name in its certificate, which no address is."""
    return spawner._expand_all(Settings.read().server_url)


def refuse_closed(spawner: MemberSpawner) -> None:
    """Start nothing for who may not work today.

    Raises:
        HTTPError: 403, with the reason.
    """
    if reason := refusal(Settings.read(), spawner.user.name, datetime.now(UTC).date()):
        raise forbidden(reason)
