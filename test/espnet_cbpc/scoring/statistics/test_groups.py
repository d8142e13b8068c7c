# SPDX-License-Identifier: Apache-2.0
"""Groups by a property: order, what has no value, and stretches of many numbers."""

import numpy as np
import pytest

from espnet_cbpc.scoring.report.wording import with_unit
from espnet_cbpc.scoring.statistics.groups import group, lowest, number


def test_numbers_come_first_and_in_order():
    table = {"a": "10", "b": "-5", "c": "clean", "d": "5", "e": "10"}
    assert group("abcdex", table) == {
        "-5": ["b"],
        "5": ["d"],
        "10": ["a", "e"],
        "clean": ["c"],
        "none": ["x"],
    }


@pytest.mark.parametrize("value", ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", ""])
def test_what_is_no_number(value):
    assert number(value) is None and lowest(value) is None
    assert with_unit("utt2snr", value) == value
    groups = group("abc", {"a": value, "b": "10", "c": "-5"})
    assert list(groups) == ["-5", "10", value]


def test_many_numbers_are_put_into_stretches():
    snrs = np.random.default_rng(0).uniform(-5, 15, size=200)
    table = {f"u{i}": f"{snr:.2f}" for i, snr in enumerate(snrs)}
    table.update({"c": "clean", "m": "inf"})
    groups = group(table, table)
    assert list(groups) == ["-5 to 0", "0 to 5", "5 to 10", "10 to 15", "clean", "inf"]
    for name, members in groups.items():
        if " to " in name:
            low, high = map(float, name.split(" to "))
            assert all(low <= float(table[member]) < high for member in members)
    assert sum(map(len, groups.values())) == 202
    assert lowest("-5 to 0") == -5 and number("-5 to 0") is None


def test_the_upper_end_belongs_to_the_next_stretch():
    groups = group(range(20), {i: str(i) for i in range(20)})
    assert groups["5 to 10"] == [5, 6, 7, 8, 9] and list(groups)[-1] == "15 to 20"


def test_many_words_stay_as_they_are():
    table = {i: f"speaker{i}" for i in range(30)}
    assert len(group(table, table)) == 30
