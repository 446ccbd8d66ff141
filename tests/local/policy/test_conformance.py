"""Every fifth of upstream's network policy cases; `make conformance` runs all of them."""

from collections.abc import Iterator

import pytest

from local.platform import Platform
from tests.local.policy.conformance import judge

pytestmark = pytest.mark.platform


@pytest.fixture
def judged(platform: Platform) -> Iterator[Platform]:
    """The shared platform, without the judge's pods afterwards: nine pods of six servers each."""
    yield platform
    platform.kubectl("delete", "namespace", "x", "y", "z", "--ignore-not-found", "--wait=false")


@pytest.mark.timeout(1800)
def test_a_fifth_of_upstreams_cases_decide_as_their_truth_tables_say(judged: Platform, subtests: pytest.Subtests):
    cases = 0
    for verdict in judge(judged, ["--stride=5"]):
        cases += 1
        with subtests.test(f"{verdict.number} {verdict.name}"):
            assert verdict.passed, verdict.detail
    assert cases >= 40
