"""Certificates as Secrets."""

import pulumi
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.certificates import Certificate


def tls_secret(
    name: str, metadata: ObjectMetaArgsDict, certificate: Certificate, opts: pulumi.ResourceOptions
) -> Secret:
    """Declare a Secret with a certificate, its key and the authority that signed it.

    Args:
        name: logical name, unique in the stack.
        metadata: of the Secret.
        certificate: what it holds.
        opts: usual resource options.
    """
    content = {
        "tls.crt": certificate.certificate,
        "tls.key": certificate.private_key,
        "ca.crt": certificate.authority_certificate,
    }
    return Secret(name, metadata=metadata, type="kubernetes.io/tls", string_data=content, opts=opts)
