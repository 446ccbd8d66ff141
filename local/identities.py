"""Who is who on a platform: its authorities, each component's certificate, and the kubeconfigs made of them."""

import secrets
from dataclasses import dataclass

from local import kubeconfig, network
from local.certificates import Authority, Identity, KeyPair, signing_key, write_private
from local.paths import Layout
from local.ports import ADDRESS, Ports

ADMINISTRATOR = Identity("cloison-administrator", ("system:masters",))

FRONT_PROXY = Identity("front-proxy-client")
"""As whom the API server speaks to extension API servers."""

CLIENTS = {
    "kube-controller-manager": Identity("system:kube-controller-manager"),
    "kube-scheduler": Identity("system:kube-scheduler"),
    "kube-proxy": Identity("system:kube-proxy"),
    "network-policy": Identity("system:cloison:network-policy"),
    "provisioner": Identity("system:cloison:provisioner"),
}
"""Components that talk to the API server and are known by their certificate."""


@dataclass(frozen=True)
class Servers:
    """The key pairs of the components that listen."""

    api_server: KeyPair
    api_server_to_kubelet: KeyPair
    api_server_to_etcd: KeyPair
    etcd: KeyPair
    front_proxy: KeyPair
    kubelet: KeyPair
    service_accounts: KeyPair


def ensure(layout: Layout, ports: Ports) -> Servers:
    """Make what is missing or about to end; what is good stays."""
    cluster = Authority(layout.pki, "cluster")
    store = Authority(layout.pki, "etcd-ca")
    extensions = Authority(layout.pki, "front-proxy-ca")
    _kubeconfigs(layout, cluster, ports)
    return Servers(
        api_server=cluster.issue(layout.pki, "kube-apiserver", _api_server()),
        api_server_to_kubelet=cluster.issue(
            layout.pki, "kube-apiserver-kubelet", Identity("system:cloison:kube-apiserver-kubelet-client")
        ),
        api_server_to_etcd=store.issue(layout.pki, "kube-apiserver-etcd", Identity("kube-apiserver")),
        etcd=store.issue(layout.pki, "etcd", Identity("etcd", addresses=("127.0.0.1", "localhost"), peer=True)),
        front_proxy=extensions.issue(layout.pki, "front-proxy-client", FRONT_PROXY),
        kubelet=cluster.issue(
            layout.pki, "kubelet-server", Identity(layout.node, addresses=(layout.node, network.NODE_ADDRESS))
        ),
        service_accounts=signing_key(layout.pki, "service-accounts"),
    )


def encryption_key(layout: Layout) -> bytes:
    """The key under which Secrets stand in etcd: 32 random bytes, made once; without it they are lost."""
    path = layout.pki / "encryption.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(32))
    return path.read_bytes()


def _kubeconfigs(layout: Layout, cluster: Authority, ports: Ports) -> None:
    inside = f"https://{network.NODE_ADDRESS}:{network.API_PORT}"
    outside = f"https://{ADDRESS}:{ports.api}"
    node = Identity(f"system:node:{layout.node}", ("system:nodes",))
    authority = cluster.files.certificate
    for name, identity in (CLIENTS | {"kubelet": node}).items():
        pair = cluster.issue(layout.pki, name, identity)
        kubeconfig.write(layout.kubeconfig_of(name), inside, authority, pair, name)
    administrator = cluster.issue(layout.pki, "administrator", ADMINISTRATOR)
    kubeconfig.write(layout.kubeconfig, outside, authority, administrator, layout.namespace)
    kubeconfig.write(layout.kubeconfig_of("administrator"), inside, authority, administrator, layout.namespace)


def _api_server() -> Identity:
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names = [*service, f"kubernetes.default.svc.{network.CLUSTER_DOMAIN}", "localhost"]
    return Identity("kube-apiserver", addresses=(*names, ADDRESS, network.NODE_ADDRESS, network.API_SERVICE_ADDRESS))
