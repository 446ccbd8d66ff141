"""Two platforms on one machine: strangers, until a link joins them."""

from collections.abc import Iterator

import pytest

from local import links, network, resolver, status, waiting
from local.errors import PlatformError, RefusedError
from local.links import End
from local.platform import Platform
from tests.local import samples

pytestmark = pytest.mark.platform


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Platform, Platform]]:
    first, second = Platform("test-a"), Platform("test-b")
    try:
        for platform in (first.up(), second.up()):
            samples.apply(platform, samples.namespace("side"), *samples.web("web", "side", samples.agnhost(platform)))
            samples.wait_ready(platform, "web", "side")
        yield first, second
    finally:
        first.down(purge=True)
        second.down(purge=True)


def reach(platform: Platform, target: str) -> str:
    return platform.kubectl("exec", "--namespace=side", "web", "--", "/agnhost", "connect", target, "--timeout=2s")


def reaches(platform: Platform, target: str) -> bool:
    try:
        reach(platform, target)
    except PlatformError:
        return False
    return True


def addresses(platform: Platform) -> set[str]:
    listing = network.run([*network.enter(platform.layout), "ip", "-oneline", "-4", "address", "show"])
    return {line.split()[3].partition("/")[0] for line in listing.splitlines()}


def test_an_idle_platform_stays_within_its_memory(two: tuple[Platform, Platform]) -> None:
    """These two carry one small pod each; the platform that other tests share may carry any number."""
    for platform in two:
        assert status.of(platform).memory < 1.6 * 2**30


def test_their_ways_in_differ_and_lead_to_different_clusters(two: tuple[Platform, Platform]) -> None:
    first, second = two
    assert first.ports != second.ports
    assert first.kubectl.get("nodes")["items"][0]["metadata"]["name"] == first.layout.node
    assert second.kubectl.get("nodes")["items"][0]["metadata"]["name"] == second.layout.node


def test_one_does_not_see_the_other_nor_the_machine(two: tuple[Platform, Platform]) -> None:
    first, _ = two
    assert links.ends(first.layout) == []
    assert addresses(first) == {"127.0.0.1", network.NODE_ADDRESS, "10.244.0.1"}
    with pytest.raises(PlatformError, match="DNS"):
        reach(first, "test-b.platform.internal:6443")


def test_a_certificate_of_one_means_nothing_to_the_other(two: tuple[Platform, Platform]) -> None:
    first, second = two
    with pytest.raises(PlatformError, match="certificate"):
        first.kubectl("get", "nodes", f"--server=https://127.0.0.1:{second.ports.api}")


def test_a_link_joins_them_by_name_and_both_ways_until_it_is_taken_away(two: tuple[Platform, Platform]) -> None:
    first, second = two
    end = links.link(first.layout, second.layout)
    for platform in two:
        resolver.refresh(platform.layout, platform.kubectl)
    assert links.ends(first.layout) == [end] == [End("test-b", end.address, end.peer_address)]
    assert links.ends(second.layout) == [End("test-a", end.peer_address, end.address)]
    assert links.link(first.layout, second.layout) == end
    waiting.until(lambda: reaches(first, "test-b.platform.internal:6443"), "a way from the first", 20)
    waiting.until(lambda: reaches(second, "test-a.platform.internal:6443"), "a way from the second", 20)

    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080}]
    expose = {"type": "NodePort", "selector": {"app": "web"}, "ports": ports}
    metadata = {"name": "exposed", "namespace": "side"}
    samples.apply(second, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": expose})
    waiting.until(lambda: reaches(first, "test-b.platform.internal:30080"), "a way to an exposed Service", 20)

    links.unlink(second.layout, first.layout)
    assert not reaches(first, f"{end.peer_address}:6443")
    assert links.ends(first.layout) == links.ends(second.layout) == []
    with pytest.raises(RefusedError, match="test-a and test-b are not linked"):
        links.unlink(first.layout, second.layout)


def test_a_half_made_link_is_made_whole(two: tuple[Platform, Platform]) -> None:
    first, second = two
    whole = links.link(first.layout, second.layout)
    network.run([*network.enter(second.layout), "ip", "address", "flush", "dev", "to-test-a"])
    assert links.ends(second.layout) == []
    assert links.link(first.layout, second.layout) == whole
    assert links.ends(second.layout) == [End("test-a", whole.peer_address, whole.address)]
    links.unlink(first.layout, second.layout)


def test_a_link_ends_with_either_platform(two: tuple[Platform, Platform]) -> None:
    first, second = two
    links.link(first.layout, second.layout)
    second.down()
    assert links.ends(first.layout) == []
    with pytest.raises(RefusedError, match="platform test-b is not up"):
        links.link(first.layout, second.layout)
    second.up()
