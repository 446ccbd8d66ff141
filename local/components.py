"""The components of a platform: what each one runs and which files decide how it runs."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import network
from local.identities import FRONT_PROXY, Servers
from local.paths import Layout
from local.processes import fingerprint

TOOLS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
    "containerd", "containerd-shim-runc-v2", "ctr", "coredns", "pause", "forward", "provisioner",
)  # fmt: skip
"""Programs a platform is made of, in the order they are built."""

CONTROL_PLANE = ("etcd", "kube-apiserver", "forward", "kube-controller-manager", "kube-scheduler")
NODE = ("containerd", "network-policy", "kubelet", "kube-proxy", "provisioner")

START_ORDER = (*CONTROL_PLANE, *NODE)
"""Each component finds what it needs already running; `down` goes the other way."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Component:
    """One process of the platform.

    Attributes:
        name: what `local logs` and `local status` call it.
        command: the program and its arguments, without the words that enter the network namespace.
        files: what the program reads at its start; a change restarts it.
        environment: set in addition to PATH and HOME, or in their place.
        patience: seconds it may take to end by itself.
        sockets: it inherits the listening sockets of the ways in; its command names their descriptors in braces.
    """

    name: str
    command: tuple[str, ...]
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 10.0
    sockets: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the component must be restarted to run as configured."""
        settings = [f"{key}={value}" for key, value in sorted(self.environment.items())]
        return fingerprint([*self.command, *settings], self.files)


@dataclass(frozen=True)
class Context:
    """What a component's command line is made of."""

    layout: Layout
    servers: Servers
    tool: Callable[[str], Path]

    def program(self, tool: str, /, **flags: object) -> tuple[str, ...]:
        """A tool with its flags, in the long form Kubernetes takes."""
        words = [f"--{key.replace('_', '-')}={_text(value)}" for key, value in flags.items()]
        return (str(self.tool(tool)), *words)


def components(context: Context) -> dict[str, Component]:
    """Every component of a platform, in starting order."""
    makers = {
        "etcd": etcd, "kube-apiserver": api_server, "forward": forward,
        "kube-controller-manager": controller_manager, "kube-scheduler": scheduler, "containerd": containerd,
        "network-policy": network_policy, "kubelet": kubelet, "kube-proxy": kube_proxy, "provisioner": provisioner,
    }  # fmt: skip
    names = [name for name in START_ORDER if name != "network-policy" or has_network_policy()]
    return {name: makers[name](context) for name in names}


def etcd(context: Context) -> Component:
    """The one store of the cluster; only the API server has a certificate for it."""
    layout, pair = context.layout, context.servers.etcd
    authority = layout.pki / "etcd-ca.crt"
    command = context.program(
        "etcd", name=layout.node, data_dir=layout.state / "etcd",
        listen_client_urls="https://127.0.0.1:2379", advertise_client_urls="https://127.0.0.1:2379",
        listen_peer_urls="https://127.0.0.1:2380", initial_advertise_peer_urls="https://127.0.0.1:2380",
        initial_cluster=f"{layout.node}=https://127.0.0.1:2380",
        client_cert_auth=True, trusted_ca_file=authority, cert_file=pair.certificate, key_file=pair.key,
        peer_client_cert_auth=True, peer_trusted_ca_file=authority,
        peer_cert_file=pair.certificate, peer_key_file=pair.key,
        auto_compaction_mode="periodic", auto_compaction_retention="1h", quota_backend_bytes=4 * 2**30,
        log_level="warn", snapshot_count=10000,
    )  # fmt: skip
    return Component("etcd", command, (authority, pair.certificate), patience=15.0)


def api_server(context: Context) -> Component:
    """The API: certificates or bound tokens only, Secrets encrypted, an audit log."""
    layout, servers = context.layout, context.servers
    configuration, authority = layout.configuration, layout.pki / "cluster.crt"
    files = [configuration / name for name in ("encryption.json", "audit-policy.json", "admission.json")]
    command = context.program(
        "kube-apiserver",
        advertise_address=network.NODE_ADDRESS, secure_port=network.API_PORT,
        service_cluster_ip_range=network.SERVICE_NETWORK,
        authorization_mode="Node,RBAC", anonymous_auth=False, allow_privileged=True, profiling=False,
        enable_admission_plugins="NodeRestriction", admission_control_config_file=files[2],
        client_ca_file=authority, tls_cert_file=servers.api_server.certificate,
        tls_private_key_file=servers.api_server.key,
        etcd_servers="https://127.0.0.1:2379", etcd_cafile=layout.pki / "etcd-ca.crt",
        etcd_certfile=servers.api_server_to_etcd.certificate, etcd_keyfile=servers.api_server_to_etcd.key,
        kubelet_certificate_authority=authority,
        kubelet_client_certificate=servers.api_server_to_kubelet.certificate,
        kubelet_client_key=servers.api_server_to_kubelet.key, kubelet_preferred_address_types="InternalIP",
        proxy_client_cert_file=servers.front_proxy.certificate, proxy_client_key_file=servers.front_proxy.key,
        requestheader_client_ca_file=layout.pki / "front-proxy-ca.crt",
        requestheader_allowed_names=FRONT_PROXY.name, requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group", requestheader_extra_headers_prefix="X-Remote-Extra-",
        service_account_issuer=f"https://kubernetes.default.svc.{network.CLUSTER_DOMAIN}",
        service_account_key_file=servers.service_accounts.certificate,
        service_account_signing_key_file=servers.service_accounts.key,
        encryption_provider_config=files[0], audit_policy_file=files[1], audit_log_path=layout.audit_log,
        audit_log_maxsize=100, audit_log_maxbackup=10, audit_log_maxage=30,
    )  # fmt: skip
    read = (*files, authority, servers.api_server.certificate, servers.service_accounts.certificate)
    # It would wait for every open watch to end by itself; all it has accepted is in etcd already.
    return Component("kube-apiserver", command, read, patience=2.0)


def forward(context: Context) -> Component:
    """The way in from the machine; its listening sockets are made outside and handed over."""
    command = context.program(
        "forward", api_fd="{api}", http_fd="{http}", tls_fd="{tls}",
        api_server=f"{network.NODE_ADDRESS}:{network.API_PORT}", dns=f"{network.DNS_ADDRESS}:53",
        cluster_domain=network.CLUSTER_DOMAIN,
    )  # fmt: skip
    return Component("forward", command, sockets=True)


def controller_manager(context: Context) -> Component:
    """The controllers; no leader to elect among one."""
    layout = context.layout
    own = layout.kubeconfig_of("kube-controller-manager")
    command = context.program(
        "kube-controller-manager", kubeconfig=own, authentication_kubeconfig=own, authorization_kubeconfig=own,
        bind_address="127.0.0.1", leader_elect=False, use_service_account_credentials=True, profiling=False,
        root_ca_file=layout.pki / "cluster.crt",
        service_account_private_key_file=context.servers.service_accounts.key,
        cluster_signing_cert_file=layout.pki / "cluster.crt", cluster_signing_key_file=layout.pki / "cluster.key",
        controllers="*,-bootstrap-signer-controller,-token-cleaner-controller",
        flex_volume_plugin_dir=layout.state / "kubelet-plugins",
    )  # fmt: skip
    return Component("kube-controller-manager", command, (own, context.servers.service_accounts.certificate))


def scheduler(context: Context) -> Component:
    """The scheduler."""
    own = context.layout.kubeconfig_of("kube-scheduler")
    command = context.program(
        "kube-scheduler", kubeconfig=own, authentication_kubeconfig=own, authorization_kubeconfig=own,
        bind_address="127.0.0.1", leader_elect=False, profiling=False,
    )  # fmt: skip
    return Component("kube-scheduler", command, (own,))


def containerd(context: Context) -> Component:
    """The container runtime, with Debian's runc."""
    settings = context.layout.configuration / "containerd.toml"
    network_settings = context.layout.configuration / "cni" / "10-cloison.conflist"
    command = context.program("containerd", config=settings, log_level="warn")
    # By its path alone the shim serves new pods, but not those that a restarted containerd finds running.
    search = f"{context.tool('containerd-shim-runc-v2').parent}:{SYSTEM_PATH}"
    return Component("containerd", command, (settings, network_settings), {"PATH": search})


def kubelet(context: Context) -> Component:
    """The node's agent."""
    layout = context.layout
    own, settings = layout.kubeconfig_of("kubelet"), layout.configuration / "kubelet.json"
    command = context.program(
        "kubelet", config=settings, kubeconfig=own, root_dir=layout.state / "kubelet",
        cert_dir=layout.state / "kubelet" / "pki", hostname_override=layout.node, node_ip=network.NODE_ADDRESS,
    )  # fmt: skip
    return Component("kubelet", command, (own, settings, context.servers.kubelet.certificate))


def kube_proxy(context: Context) -> Component:
    """Services, as nftables rules."""
    settings, own = context.layout.configuration / "kube-proxy.json", context.layout.kubeconfig_of("kube-proxy")
    return Component("kube-proxy", context.program("kube-proxy", config=settings), (settings, own))


def provisioner(context: Context) -> Component:
    """A file system of its own for each claim."""
    layout = context.layout
    own = layout.kubeconfig_of("provisioner")
    command = context.program("provisioner", kubeconfig=own, root=layout.volumes, images=layout.volume_images)
    return Component("provisioner", command, (own,))


def network_policy(context: Context) -> Component:
    """Network policy, as nftables rules. Its rules outlive it, so it may be restarted at any time."""
    layout = context.layout
    own, package = layout.kubeconfig_of("network-policy"), Path(__file__).parent / "policy"
    command = (
        sys.executable, "-m", "local.policy", "run", f"--kubeconfig={own}", f"--pod-cidr={network.POD_NETWORK}",
        f"--status-file={layout.run / 'policy.json'}",
    )  # fmt: skip
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUNBUFFERED": "1"}
    return Component("network-policy", command, (own, *sorted(package.glob("*.py"))), environment)


def has_network_policy() -> bool:
    """Whether the agent that enforces network policy is part of this checkout."""
    return importlib.util.find_spec("local.policy.__main__") is not None


def environment(component: Component) -> dict[str, str]:
    """What a component finds in its environment: nothing of the caller's."""
    return {"PATH": SYSTEM_PATH, "HOME": "/root", **component.environment}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
