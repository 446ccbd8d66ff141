"""The configuration files of the components, rendered from the layout of a platform. Pure functions."""

import base64
import json
from typing import Any

from local import network
from local.certificates import KeyPair
from local.paths import Layout

AUDIT_OMITTED_GROUPS = ("coordination.k8s.io", "events.k8s.io", "discovery.k8s.io")
"""API groups in which components only write about themselves, many times a minute."""


def encryption(key: bytes) -> dict[str, Any]:
    """Secrets are encrypted in etcd; what an older platform wrote in clear stays readable.

    Args:
        key: 32 random bytes.
    """
    secret = base64.b64encode(key).decode()
    providers = [{"secretbox": {"keys": [{"name": "key1", "secret": secret}]}}, {"identity": {}}]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }


def audit_policy() -> dict[str, Any]:
    """Who did what to which object; never the content of a Secret, a ConfigMap or a token."""
    core = [{"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]}]
    tokens = [{"group": "authentication.k8s.io", "resources": ["tokenreviews"]}]
    rules: list[dict[str, Any]] = [
        {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/version", "/openapi*", "/api*"]},
        {"level": "None", "resources": [{"group": group} for group in AUDIT_OMITTED_GROUPS]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
        {"level": "Metadata", "resources": core + tokens},
        {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts"], "verbs": ["get", "list", "watch"]},
        {"level": "None", "users": list(SYSTEM_READERS), "verbs": ["get", "list", "watch"]},
        {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "Metadata"},
    ]
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}


SYSTEM_READERS = (
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
    "system:cloison:network-policy",
    "system:cloison:provisioner",
)
"""Components whose reading says nothing about a person."""


def admission() -> dict[str, Any]:
    """Pod Security: a namespace that says nothing about itself gets `baseline`, and warnings for `restricted`."""
    levels = {"enforce": "baseline", "audit": "restricted", "warn": "restricted"}
    defaults = levels | {f"{mode}-version": "latest" for mode in levels}
    pod_security = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": defaults,
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": []},
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "configuration": pod_security}],
    }


def kubelet(layout: Layout, serving: KeyPair) -> dict[str, Any]:
    """The kubelet: nobody anonymous, its own control group, images that are never collected.

    There is no registry to pull an image from again, so images must not be collected; and thresholds of eviction are
    absolute because the disk is shared with the rest of the machine.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "cluster.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "failCgroupV1": False,
        "clusterDNS": [network.DNS_ADDRESS],
        "clusterDomain": network.CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "oomScoreAdj": 0,
        "podLogsDir": str(layout.logs / "pods"),
        "podPidsLimit": 4096,
        "registerNode": True,
        "resolvConf": "",
        "rotateCertificates": False,
        "runtimeRequestTimeout": "5m0s",
        "seccompDefault": True,
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "volumePluginDir": str(layout.state / "kubelet-plugins"),
    }


def kube_proxy(layout: Layout) -> dict[str, Any]:
    """kube-proxy in nftables mode; zeros leave the machine's connection-tracking limits alone."""
    untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": network.NODE_ADDRESS,
        "clientConnection": {"kubeconfig": str(layout.kubeconfig_of("kube-proxy"))},
        "clusterCIDR": network.POD_NETWORK,
        "conntrack": untouched,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": layout.node,
        "nftables": {"minSyncPeriod": "100ms"},
        "nodePortAddresses": ["0.0.0.0/0"],
        "oomScoreAdj": 0,
    }


def cni(layout: Layout) -> dict[str, Any]:
    """Each pod has a point-to-point link to the node, so all traffic is routed and meets the firewall.

    With a bridge, traffic between two pods would never pass the forward hook.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": network.POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(layout.run / "addresses"),
    }
    return {
        "cniVersion": "1.0.0",
        "name": layout.namespace,
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}],
    }


def containerd(layout: Layout, sandbox_image: str, shim: str) -> str:
    """Container runtime with everything it writes under the platform's own folders.

    ``restrict_oom_score_adj`` and ``disable_apparmor`` let it run where the machine withholds CAP_SYS_RESOURCE and
    AppArmor; without the first, runc dies with "can't get final child's PID from pipe".
    """
    runtime = "plugins.'io.containerd.cri.v1.runtime'"
    tables: dict[str, dict[str, Any]] = {
        "": {
            "version": 3,
            "root": str(layout.state / "containerd"),
            "state": str(layout.run / "containerd"),
            "imports": [],
            "disabled_plugins": [f"io.containerd.{plugin}" for plugin in UNUSED_PLUGINS],
        },
        "grpc": {"address": str(layout.containerd_socket)},
        "ttrpc": {"address": f"{layout.containerd_socket}.ttrpc"},
        "plugins.'io.containerd.cri.v1.images'": {"snapshotter": "overlayfs"},
        "plugins.'io.containerd.cri.v1.images'.pinned_images": {"sandbox": sandbox_image},
        runtime: {
            "restrict_oom_score_adj": True,
            "disable_apparmor": True,
            "netns_mounts_under_state_dir": True,
            "cdi_spec_dirs": [],
        },
        f"{runtime}.cni": {"bin_dirs": ["/usr/lib/cni"], "conf_dir": str(layout.configuration / "cni")},
        f"{runtime}.containerd": {"default_runtime_name": "runc"},
        f"{runtime}.containerd.runtimes.runc": {"runtime_type": "io.containerd.runc.v2", "runtime_path": shim},
        f"{runtime}.containerd.runtimes.runc.options": {"Root": str(layout.run / "runc"), "SystemdCgroup": False},
        "plugins.'io.containerd.internal.v1.opt'": {"path": str(layout.state / "containerd" / "opt")},
        "plugins.'io.containerd.shim.v1.manager'": {"socket_dir": str(layout.run / "s")},
    }
    return "\n".join(_table(name, values) for name, values in tables.items())


UNUSED_PLUGINS = (
    "nri.v1.nri",
    "image-verifier.v1.bindir",
    "snapshotter.v1.blockfile",
    "snapshotter.v1.btrfs",
    "snapshotter.v1.devmapper",
    "snapshotter.v1.erofs",
    "snapshotter.v1.zfs",
    "differ.v1.erofs",
    "mount-handler.v1.erofs",
    "tracing.processor.v1.otlp",
    "internal.v1.tracing",
)
"""containerd plugins that would look for hardware, folders or sockets outside the platform."""


def _table(name: str, values: dict[str, Any]) -> str:
    # JSON and TOML write strings, numbers, booleans and lists of strings alike.
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(([f"[{name}]"] if name else []) + lines) + "\n"
