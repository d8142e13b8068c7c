# SPDX-License-Identifier: Apache-2.0
"""The words in which two texts differ are marked."""

import pytest

from espnet_cbpc.demo.differences import compared

HIDDEN = '<span class="vh">differs: </span>'


@pytest.mark.parametrize(
    "without, enhanced, expected",
    [
        ("one two", "one two", ("one two", "one two", 0)),
        ("one two three", "one too three", ("one [two] three", "one [too] three", 1)),
        ("one three", "one two three four", ("one three", "one [two] three [four]", 2)),
        ("", "one", ("", "[one]", 1)),
        ("one", "", ("[one]", "", 1)),
        ("", "", ("", "", 0)),
        ("<b> & c", "<b> & d", ("&lt;b&gt; &amp; [c]", "&lt;b&gt; &amp; [d]", 1)),
    ],
)
def test_marks(without, enhanced, expected):
    found = compared(without, enhanced)
    plain = [
        str(text).replace(HIDDEN, "").replace("<mark>", "[").replace("</mark>", "]")
        for text in found[:2]
    ]
    assert (*plain, found.places) == expected
    assert str(found[0]).count("<mark>") == str(found[0]).count(HIDDEN)
