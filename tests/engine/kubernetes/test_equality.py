"""Values that are written differently and mean the same."""

from decimal import Decimal

import pytest

from engine.kubernetes.equality import is_empty, quantity, reconcile, same, same_quantities
from engine.values import UNKNOWN


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", Decimal(1)),
        (2, Decimal(2)),
        ("500m", Decimal("0.5")),
        ("1Ki", Decimal(1024)),
        ("1.5Gi", Decimal(1610612736)),
        ("1e3", Decimal(1000)),
        ("12E", Decimal(12 * 10**18)),
        ("-3", Decimal(-3)),
        (".5", Decimal("0.5")),
        ("five", None),
        ("1 Gi", None),
        ("", None),
        (None, None),
    ],
)
def test_reads_quantities(text, amount):
    assert quantity(text) == amount


@pytest.mark.parametrize(
    ("first", "second", "path", "expected"),
    [
        ("1", "1000m", ("spec", "limits", "cpu"), True),
        ("1", 1, ("spec", "hard", "pods"), True),
        ("1", "1000m", ("data", "cpu"), False),
        ("128Mi", "134217728", ("emptyDir", "sizeLimit"), True),
        (True, 1, ("x",), False),
        (1, 1.0, ("x",), True),
        (UNKNOWN, UNKNOWN, ("x",), False),
    ],
)
def test_compares_scalars_by_what_their_place_means(first, second, path, expected):
    assert same(first, second, path) is expected


def test_compares_maps_of_quantities():
    assert same_quantities({"cpu": "2", "memory": "1Gi"}, {"cpu": "2000m", "memory": "1024Mi"})
    assert not same_quantities({"cpu": "2"}, {"cpu": "2", "memory": "1Gi"})


@pytest.mark.parametrize("value", [None, "", [], {}, 0, False])
def test_knows_what_the_server_drops(value):
    assert is_empty(value)


@pytest.mark.parametrize("value", [UNKNOWN, "0", [0], {"a": None}, 1, True])
def test_knows_what_the_server_keeps(value):
    assert not is_empty(value)


@pytest.mark.parametrize(
    ("live", "recorded", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, {"a": 1}),
        ({"a": 2}, {"a": 1}, {"a": 2}),
        ({}, {"a": 1}, {}),
        ({}, {"a": []}, {"a": []}),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "0.5"}}, {"requests": {"cpu": "0.5"}}),
        ({"l": [{"a": 1, "b": 2}, {"a": 3}]}, {"l": [{"a": 1}]}, {"l": [{"a": 1}, {"a": 3}]}),
        ({"l": [1]}, {"l": [1, 2]}, {"l": [1]}),
    ],
)
def test_cuts_the_live_object_to_what_was_recorded(live, recorded, expected):
    assert reconcile(live, recorded) == expected
