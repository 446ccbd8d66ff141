"""Certificates as Secrets, and the pods that read them."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import pulumi
from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict, StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.certificates import Certificate

CERTIFICATE_ANNOTATION = "cloison/certificate-ends"
"""When a certificate ends, by its Secret: a pod reads one when it starts, so another certificate is another pod."""

Workload = TypeVar("Workload", DeploymentSpecArgsDict, StatefulSetSpecArgsDict)


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


def with_certificates(workload: Workload, ends: Mapping[str, pulumi.Input[str]]) -> Workload:
    """A workload under certificates that end at these moments, by the name of their Secret."""
    template = cast("dict[str, Any]", workload["template"])
    annotations = {f"{CERTIFICATE_ANNOTATION}.{secret}": moment for secret, moment in ends.items()}
    metadata = {**template["metadata"], "annotations": {**template["metadata"].get("annotations", {}), **annotations}}
    return cast("Workload", {**workload, "template": {**template, "metadata": metadata}})
