# SPDX-License-Identifier: Apache-2.0
"""A hypothesis against its reference, with errors marked by text as well as colour."""

from markupsafe import Markup

from espnet_cbpc.scoring.wer.word_alignment import align_texts

# The hidden words are for users of screen readers: del and ins are seldom told.
SUBSTITUTE = Markup(
    '<span class="err sub"><b aria-hidden="true">S</b> <span class="vh">substitution: said </span>'
    '<del>{}</del><span class="vh">, heard </span> <ins>{}</ins></span>'
)
DELETE = Markup(
    '<span class="err cut"><b aria-hidden="true">D</b> <span class="vh">deletion: said </span>'
    "<del>{}</del></span>"
)
INSERT = Markup(
    '<span class="err add"><b aria-hidden="true">I</b> <span class="vh">insertion: heard </span>'
    "<ins>{}</ins></span>"
)


def aligned(ref: str, hyp: str) -> Markup:
    """Return the words, in order, as HTML: an error a word, labelled S, D or I."""
    parts = []
    for kind, said, heard in align_texts(ref, hyp):
        if kind == "equal":
            parts.append(Markup.escape(" ".join(said)))
        elif kind == "substitute":
            parts += [SUBSTITUTE.format(s, h) for s, h in zip(said, heard)]
        elif kind == "delete":
            parts += [DELETE.format(word) for word in said]
        else:
            parts += [INSERT.format(word) for word in heard]
    return Markup(" ").join(parts)
