"""What the cluster's DNS is told: its image, its address and the names of linked platforms."""

import hashlib
import json
from pathlib import Path
from string import Template

from local import build, links, network
from local.image import ProgramImage
from local.kubectl import Kubectl
from local.links import End
from local.paths import Layout

MANIFEST = Path(__file__).parent / "manifests" / "30-dns.yaml"

PODS = ("--namespace=kube-system", "--selector=k8s-app=kube-dns")


def manifest(layout: Layout) -> str:
    """The objects that make up the DNS, for the links that stand now."""
    image = ProgramImage(build.tool("coredns")).reference
    names = json.dumps(hosts(links.ends(layout)))
    return Template(MANIFEST.read_text()).substitute(coredns_image=image, dns_address=network.DNS_ADDRESS, links=names)


def hosts(ends: list[End]) -> str:
    """Lines of a hosts file: the address of each linked platform and its name."""
    return "".join(f"{end.peer_address} {end.name}\n" for end in ends)


def refresh(layout: Layout, kubectl: Kubectl) -> None:
    """Have the DNS know the links that stand now."""
    text = manifest(layout)
    kubectl.apply(text)
    # The kubelet renews the files of a ConfigMap when it next looks at the pod: at once, if the pod changes.
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    kubectl("annotate", "pods", *PODS, f"cloison.local/links={mark}", "--overwrite")
