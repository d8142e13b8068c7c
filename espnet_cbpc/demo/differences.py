# SPDX-License-Identifier: Apache-2.0
"""Two texts of the same speech, with the words marked in which they differ."""

from typing import NamedTuple

from markupsafe import Markup

from espnet_cbpc.scoring.wer.word_alignment import align_texts

# The hidden words are for users of screen readers.
MARKED = Markup('<mark><span class="vh">differs: </span>{}</mark>')


class Compared(NamedTuple):
    """Two texts as HTML, and in how many places they differ."""

    without: Markup
    enhanced: Markup
    places: int


def compared(without: str, enhanced: str) -> Compared:
    """Mark the words in which the text with enhancement differs from that without."""
    sides: list[list[Markup]] = [[], []]
    count = 0
    for kind, *words in align_texts(without, enhanced):
        count += kind != "equal"
        for side, said in zip(sides, words):
            text = Markup.escape(" ".join(said))
            if text:
                side.append(text if kind == "equal" else MARKED.format(text))
    plain, marked = (Markup(" ").join(side) for side in sides)
    return Compared(plain, marked, count)
