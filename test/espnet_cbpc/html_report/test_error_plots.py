# SPDX-License-Identifier: Apache-2.0
"""Plots by a property: what they show and how it is said."""

from urllib.parse import unquote

import numpy as np

from espnet_cbpc.html_report.error_plots import hardest, plot
from espnet_cbpc.html_report.figures import COLOURS, MARKERS, draw, look
from espnet_cbpc.scoring.report.by_property import ByProperty

ALL = (0.3, [0.2, 0.4])


def by_noise(kinds, systems=("one", "two")):
    rates = {s: {f"n{i}": (i / 100, [0.0, 0.5]) for i in range(kinds)} for s in systems}
    return ByProperty("test_seen", "utt2noise", rates, dict.fromkeys(systems, ALL))


def texts(picture):
    return unquote(picture.uri)


def test_lines_over_numbers_with_bands():
    rates = {"-5": (0.5, [0.4, 0.6]), "0": (0.25, [0.2, 0.3]), "5 to 10": (0.125, [0.1, 0.2])}
    found = ByProperty("test_seen", "utt2snr", {"joint $x$ <b>": rates}, {"joint $x$ <b>": ALL})
    picture = plot(found)
    assert "joint $x$ <b>: 50.0 % at -5 dB, 12.5 % at 5 to 10 dB" in picture.alt
    svg = texts(picture)
    assert "5 to 10 dB" in svg and "joint $x$ &lt;b&gt;" in svg and "FillBetween" in svg
    assert found.table().rows == [
        [
            *("joint $x$ <b>", "50.0 [40.0, 60.0]", "25.0 [20.0, 30.0]", "12.5 [10.0, 20.0]"),
            "30.0 [20.0, 40.0]",
        ]
    ]


def test_what_is_no_number_makes_no_line():
    rates = {"5": (0.25, [0.2, 0.3]), "nan": (0.5, [0.4, 0.6]), "inf": (0.1, [0.0, 0.2])}
    found = ByProperty("test_seen", "utt2snr", {"joint": rates}, {"joint": ALL})
    assert plot(found).alt.startswith(
        "Dot plot, test_seen: WER (%) by SNR. Highest on average: nan ("
    )
    assert found.table().head == ["system", "5 dB", "nan", "inf", "all"]


def test_unknown_rates_and_intervals_leave_gaps():
    rates = {"0": (None, [None, None]), "5": (0.25, [None, None]), "10": (0.2, [0.1, 0.3])}
    found = ByProperty("test_seen", "utt2snr", {"joint": rates}, {"joint": ALL})
    assert found.table().rows == [["joint", "–", "25.0", "20.0 [10.0, 30.0]", "30.0 [20.0, 40.0]"]]
    assert plot(found).alt.startswith("Line plot")


def test_of_many_kinds_the_hardest_are_drawn_and_all_are_in_the_table():
    found = by_noise(30)
    assert hardest(found) == [f"n{i}" for i in range(29, 5, -1)]
    svg = texts(plot(found))
    assert ">n29<" in svg and ">n6<" in svg and ">n5<" not in svg
    assert len(found.table().head) == 32
    assert "Highest on average: n29 (one 29.0 %; two 29.0 %)" in plot(found).alt


SYSTEMS = [str(i) for i in range(40)]


def test_the_more_systems_the_fewer_rows():
    assert len(hardest(by_noise(30, SYSTEMS[:12]))) == 4
    assert len(hardest(by_noise(30, SYSTEMS))) == 2


def test_systems_can_be_told_apart():
    pairs = [(look(i)["color"], look(i)["marker"]) for i in range(len(COLOURS) * len(MARKERS))]
    assert len(set(pairs)) == len(pairs) == 42


def test_pictures_are_made_again_as_they_were():
    def paint(figure):
        figure.add_subplot().imshow(np.arange(9).reshape(3, 3))

    one, two = (draw(paint, "nine cells", width=2, height=1) for _ in range(2))
    assert one == two and (one.width, one.height) == (192, 96)
