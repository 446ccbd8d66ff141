"""The configuration of the Kubernetes provider: the arguments of Pulumi's ``kubernetes.Provider``."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import InputError, Unsupported
from engine.kubernetes.kubeconfig import find_cluster
from engine.values import UNKNOWN, Object

_TEXTS = ("kubeconfig", "context", "cluster", "namespace", "clusterIdentifier")
_SWITCHES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
"""Arguments that are true or false, and the environment variables that stand in for them."""

_WITHOUT_EFFECT = frozenset(
    {"version", "pluginDownloadURL", "suppressDeprecationWarnings", "suppressHelmHookWarnings", "kubeClientSettings"}
)
"""Arguments that change nothing here: no deprecations are reported, Helm is not supported, and the client measures by
itself how much the API server bears."""

_UNSUPPORTED = frozenset({"alwaysRender", "helmReleaseSettings", "renderYamlToDirectory", "skipUpdateUnreachable"})


@dataclass(frozen=True)
class Options:
    """What a provider was configured to do.

    Attributes:
        location: ``kubeconfig``, ``context``, ``cluster`` and ``namespace`` as given.
        is_known: False in a preview in which the location comes from a resource that does not exist yet.
    """

    location: Mapping[str, str]
    is_known: bool = True
    delete_unreachable: bool = False
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    patch_force: bool = False
    upsert: bool = False


def parse(config: Object, environment: Mapping[str, str] | None = None) -> Options:
    """Read a provider's configuration.

    Args:
        config: The provider resource's inputs. Pulumi's SDK passes everything but texts as JSON.
        environment: The process's environment; None for the real one.

    Raises:
        InputError: If an argument is unknown or has no possible value.
        Unsupported: If it asks for something this engine does not do.
    """
    env = os.environ if environment is None else environment
    for name in config:
        _require_supported(name, config[name])
    switches = {name: _switch(name, config.get(name, env.get(variable))) for name, variable in _SWITCHES.items()}
    if not _switch("enableServerSideApply", config.get("enableServerSideApply", True)):
        raise Unsupported("client-side apply (enableServerSideApply: false)")
    location = {name: config[name] for name in _TEXTS if config.get(name) is not None}
    return Options(
        location=location,
        is_known=UNKNOWN not in location.values(),
        delete_unreachable=switches["deleteUnreachable"],
        mutable_config_maps=switches["enableConfigMapMutable"],
        mutable_secrets=switches["enableSecretMutable"],
        patch_force=switches["enablePatchForce"],
        upsert=switches["upsertExistingObjects"],
    )


def _require_supported(name: str, value: Any) -> None:
    if name in _UNSUPPORTED and value not in (None, "", "false", False):
        raise Unsupported(f"the argument {name} of kubernetes.Provider")
    known = {*_TEXTS, *_SWITCHES, *_WITHOUT_EFFECT, *_UNSUPPORTED, "enableServerSideApply"}
    if name not in known:
        raise InputError(f"kubernetes.Provider has no argument {name}")


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError:
            value = None
        if not isinstance(value, bool):
            raise InputError(f"the argument {name} of kubernetes.Provider must be true or false")
    return bool(value) if value is not UNKNOWN else False


def moves(old: Object, new: Object) -> set[str]:
    """Return the arguments whose change means another cluster, or may mean one, so that resources must be replaced.

    As in pulumi-kubernetes: a cluster has no identity but the settings of the active one, unless ``clusterIdentifier``
    gives it one.
    """
    given = {"kubeconfig", "context", "cluster"}
    if "clusterIdentifier" in old and "clusterIdentifier" in new:
        return {"clusterIdentifier"} if old["clusterIdentifier"] != new["clusterIdentifier"] else set()
    if any(new.get(key) is UNKNOWN for key in given):
        return {key for key in given if new.get(key) is UNKNOWN}
    return given if _active_cluster(old) != _active_cluster(new) else set()


def _active_cluster(config: Object) -> Mapping[str, Any] | None:
    try:
        return find_cluster(config).cluster
    except InputError:
        return None
