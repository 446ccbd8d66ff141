import re

import pytest

from local import versions
from local.paths import TOOLS

MAIN, CONTAINERD, COREDNS = (TOOLS / folder / "go.mod" for folder in (".", "containerd", "coredns"))


@pytest.mark.parametrize(
    ("file", "module", "version"),
    [
        (MAIN, "k8s.io/kubernetes", versions.KUBERNETES),
        (MAIN, "go.etcd.io/etcd/server/v3", versions.ETCD),
        (CONTAINERD, "github.com/containerd/containerd/v2", versions.CONTAINERD),
        (COREDNS, "github.com/coredns/coredns", versions.COREDNS),
    ],
)
def test_the_constants_are_what_is_built(file, module: str, version: str) -> None:
    assert re.findall(rf"^\s*{re.escape(module)} v(\S+)", file.read_text(), re.MULTILINE) == [version]


def test_every_staging_module_is_of_the_same_release() -> None:
    release = f"v0.{versions.KUBERNETES.removeprefix('1.')}"
    replaced = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", MAIN.read_text(), re.MULTILINE)
    assert len(replaced) > 25
    assert set(replaced) == {release}
