"""Every fifth of upstream's network policy cases; `make conformance` runs all of them."""

import pytest

from local.platform import Platform
from tests.local.policy.conformance import judge

pytestmark = pytest.mark.platform


@pytest.mark.timeout(1800)
def test_a_fifth_of_upstreams_cases_decide_as_their_truth_tables_say(platform: Platform, subtests: pytest.Subtests):
    cases = 0
    for verdict in judge(platform, ["--stride=5"]):
        cases += 1
        with subtests.test(f"{verdict.number} {verdict.name}"):
            assert verdict.passed, verdict.detail
    assert cases >= 40
