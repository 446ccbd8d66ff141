"""Every fifth of upstream's network policy cases; `make conformance` runs all of them."""

import os

import pytest

from tests.local.policy.conformance import PLATFORM, judge, running

pytestmark = [pytest.mark.platform, pytest.mark.skipif(os.geteuid() != 0, reason="the local platform needs root")]


@pytest.mark.timeout(1800)
def test_a_fifth_of_upstreams_cases_decide_as_their_truth_tables_say(subtests):
    cases = 0
    with running(PLATFORM) as platform:
        for verdict in judge(platform, ["--stride=5"]):
            cases += 1
            with subtests.test(f"{verdict.number} {verdict.name}"):
                assert verdict.passed, verdict.detail
    assert cases >= 40
