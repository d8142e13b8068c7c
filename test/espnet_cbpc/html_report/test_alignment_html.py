# SPDX-License-Identifier: Apache-2.0
"""Errors are marked by letters, by elements and by words for those who hear them."""

import re

from espnet_cbpc.html_report.alignment_html import aligned


def as_heard(markup):
    """Return the text as a screen reader gives it: without what is hidden from it, and tags."""
    kept = re.sub(r'<b aria-hidden="true">.</b>', "", str(markup))
    return " ".join(re.sub(r"<[^>]+>", "", kept).split())


def test_each_kind_of_error():
    found = aligned("a b c d f", "a x d f e")  # b or c is gone, the other one is x
    letters = re.findall(r'<b aria-hidden="true">(.)</b>', found)
    assert sorted(letters[:2]) == ["D", "S"] and letters[2:] == ["I"]
    heard = as_heard(found)
    assert heard.startswith("a ") and heard.endswith(" d f insertion: heard e")
    assert re.search("substitution: said [bc], heard x", heard)
    assert re.search("deletion: said [bc]( |$)", heard)


def test_words_of_one_stretch_are_marked_one_by_one():
    assert as_heard(aligned("one two", "nine ten")) == (
        "substitution: said one, heard nine substitution: said two, heard ten"
    )
    assert str(aligned("one two", "")).count("<del>") == 2
    assert str(aligned("one", "one oh oh")).count("<ins>") == 2


def test_what_is_right_is_plain():
    assert aligned("one two", "one two") == "one two"


def test_text_from_outside_is_escaped():
    found = aligned("<i> &", "<b> & <u>")
    assert "<i>" not in found and "&lt;i&gt;" in found and "&lt;u&gt;" in found
    assert as_heard(found).count("&amp;") == 1
