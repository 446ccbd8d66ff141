"""The versions the local platform is made of. tools/go.mod pins the same ones; a test compares the two."""

KUBERNETES = "1.36.3"
"""Every Kubernetes component and every staging module (``v0.36.3``) comes from this one release."""

ETCD = "3.7.3"
CONTAINERD = "2.4.2"
COREDNS = "1.15.0"
