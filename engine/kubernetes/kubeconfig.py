"""Finding the cluster: kubeconfig files as every Kubernetes client reads them.

Format and precedence are those of https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.errors import InputError

LOCAL_PLATFORM = Path("/var/lib/cloison/local/kubeconfig")
"""Where ``python -m local up`` leaves its kubeconfig: the last place looked at."""

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True)
class Cluster:
    """A context of a kubeconfig: which API server, as whom, and in which namespace by default.

    ``cluster`` and ``user`` are the kubeconfig's own mappings with file names made absolute.
    """

    context: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any] = field(repr=False)
    namespace: str = "default"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.cluster["server"]).rstrip("/")


def find_cluster(config: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Cluster:
    """Find the cluster that a provider's configuration means.

    Args:
        config: ``kubeconfig`` (content or path), ``context``, ``cluster`` and ``namespace``, each optional.
        environment: The process's environment; None for the real one.

    Raises:
        InputError: If there is no kubeconfig, or it does not hold what is asked for.
    """
    env = os.environ if environment is None else environment
    merged, source = _load(str(config.get("kubeconfig") or ""), env)
    if merged is None:
        return _in_cluster(env, str(config.get("namespace") or ""))
    context = str(config.get("context") or merged["current-context"])
    chosen = _entry(merged, "contexts", context, "context", source)
    cluster = str(config.get("cluster") or chosen.get("cluster", ""))
    user = chosen.get("user")
    details = _entry(merged, "clusters", cluster, "cluster", source)
    if not details.get("server"):
        raise InputError(f"{source}: the cluster {cluster!r} has no server")
    return Cluster(
        context=context,
        cluster=details,
        user=_entry(merged, "users", str(user), "user", source) if user else {},
        namespace=str(config.get("namespace") or chosen.get("namespace") or "default"),
    )


def _load(given: str, env: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    if given and not _looks_like_path(given):
        return _merge([_parse(given, "the provider's kubeconfig", Path.cwd())]), "the provider's kubeconfig"
    paths = [Path(item).expanduser() for item in (given or env.get("KUBECONFIG", "")).split(os.pathsep) if item]
    explicit = bool(paths)
    if not explicit:
        home = Path(env.get("HOME", "~")).expanduser() / ".kube" / "config"
        paths = next(([path] for path in (home, LOCAL_PLATFORM) if path.is_file()), [])
    present = [path for path in paths if path.is_file()]
    source = os.pathsep.join(map(str, present or paths))
    if explicit and not present:
        raise InputError(f"the kubeconfig {source} does not exist; set KUBECONFIG or the provider's kubeconfig")
    return (_merge([_read(path) for path in present]) if present else None), source


def _looks_like_path(text: str) -> bool:
    return "\n" not in text and not text.lstrip().startswith("{")


def _read(path: Path) -> dict[str, Any]:
    try:
        return _parse(path.read_text(), str(path), path.parent)
    except OSError as error:
        raise InputError(f"the kubeconfig {path} cannot be read: {error.strerror}") from error


def _parse(text: str, source: str, folder: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict) or "clusters" not in loaded:
        raise InputError(f"{source} is no kubeconfig: it has no clusters")
    for plural, singular in (("clusters", "cluster"), ("users", "user")):
        for entry in loaded.get(plural) or []:
            _make_absolute(entry.get(singular) or {}, folder)
    return loaded


def _make_absolute(details: dict[str, Any], folder: Path) -> None:
    for key in _FILE_KEYS:
        if details.get(key):
            details[key] = str(folder / str(details[key]))


def _merge(loaded: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge files: the first one to set an entry or the current context wins."""
    merged: dict[str, Any] = {"clusters": {}, "contexts": {}, "users": {}, "current-context": ""}
    for config in loaded:
        merged["current-context"] = merged["current-context"] or config.get("current-context") or ""
        for plural in ("clusters", "contexts", "users"):
            for entry in config.get(plural) or []:
                merged[plural].setdefault(entry["name"], entry.get(plural[:-1]) or {})
    return merged


def _entry(merged: dict[str, Any], plural: str, name: str, what: str, source: str) -> dict[str, Any]:
    if name not in merged[plural]:
        known = ", ".join(sorted(merged[plural])) or "none"
        raise InputError(f"{source}: there is no {what} {name!r} (it has: {known})")
    return merged[plural][name]


def _in_cluster(env: Mapping[str, str], namespace: str) -> Cluster:
    host, token = env.get("KUBERNETES_SERVICE_HOST"), _SERVICE_ACCOUNT / "token"
    if not host or not token.is_file():
        raise InputError(
            "no Kubernetes cluster is configured; set KUBECONFIG, write ~/.kube/config, or start the local platform"
        )
    address = f"[{host}]" if ":" in host else host
    return Cluster(
        context="in-cluster",
        cluster={
            "server": f"https://{address}:{env.get('KUBERNETES_SERVICE_PORT', '443')}",
            "certificate-authority": str(_SERVICE_ACCOUNT / "ca.crt"),
        },
        user={"tokenFile": str(token)},
        namespace=namespace or (_SERVICE_ACCOUNT / "namespace").read_text().strip(),
    )
