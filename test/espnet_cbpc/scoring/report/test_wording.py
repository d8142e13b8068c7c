# SPDX-License-Identifier: Apache-2.0
"""How figures read in tables."""

import pytest

from espnet_cbpc.scoring.report import wording


@pytest.mark.parametrize(
    "rate, interval, expected",
    [
        (0.1234, (0.1, 0.15), "12.3 [10.0, 15.0]"),
        (0.1234, (None, None), "12.3"),
        (0.1234, None, "12.3"),
        (-0.0002, (-0.01, 0.0096), "0.0 [-1.0, 1.0]"),
        (None, (None, None), "–"),
    ],
)
def test_percent_with_interval(rate, interval, expected):
    assert wording.percent_with_interval(rate, interval) == expected


def test_a_mean_has_the_digits_of_its_measure_and_tells_where_it_is_undefined():
    mean = {"mean": 0.85649, "interval": (0.85, 0.8611), "undefined": 0}
    assert wording.mean_of("STOI", mean, True) == "0.856 [0.850, 0.861]"
    assert wording.mean_of("SI_SDR", {**mean, "undefined": 3}, False) == "0.86 (3 undefined)"
    nowhere = {"mean": None, "interval": (None, None), "undefined": 7}
    assert wording.mean_of("PESQ_NB", nowhere, True) == "– (7 undefined)"


def test_a_difference_is_in_points_for_errors_and_in_the_measures_unit_for_quality():
    test = {"difference": -0.0123, "interval": (-0.02, 0.004)}
    assert wording.difference({**test, "measure": "WER"}) == "-1.2 [-2.0, 0.4]"
    assert wording.difference({**test, "measure": "STOI"}) == "-0.012 [-0.020, 0.004]"
    unknown = {"difference": None, "interval": (None, None)}
    assert wording.difference({**unknown, "measure": "WER"}) == wording.MISSING
    assert wording.difference({**unknown, "measure": "STOI"}) == wording.MISSING


@pytest.mark.parametrize("p, expected", [(0.0404, "0.040"), (0.0004, "< 0.001"), (None, "–")])
def test_p_value(p, expected):
    assert wording.p_value(p) == expected
    assert wording.p_equals(p) == ("p < 0.001" if expected.startswith("<") else f"p = {expected}")


@pytest.mark.parametrize(
    "table, name, value, read",
    [
        ("utt2snr", "SNR", "-5", "-5 dB"),
        ("utt2snr", "SNR", "-5 to 0", "-5 to 0 dB"),
        ("utt2snr", "SNR", "none", "none"),
        ("utt2noise", "noise", "5", "5"),
    ],
)
def test_a_table_and_its_values(table, name, value, read):
    assert wording.property_name(table) == name and wording.with_unit(table, value) == read


def test_intervals_of_one_seed_and_of_several_are_told_apart():
    how = {"level": 0.9, "block": "utt2spk", "resamples": 1000, "seed": 0}
    one = "bootstrap over blocks of utterances (utt2spk) (1000 resamples, seed 0)"
    several = "of systems of several seeds over seeds and blocks of utterances (utt2spk)"
    told = {
        counts: wording.origin_note({"bootstrap": how, "seeds": dict(zip("ab", counts))})
        for counts in ((1, 1), (3, 3), (1, 3))
    }
    expected = {(1, 1): one, (3, 3): several, (1, 3): f"{one}; {several}"}
    assert told == {k: f"In brackets: 90 % interval, {ways}." for k, ways in expected.items()}
