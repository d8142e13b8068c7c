# SPDX-License-Identifier: Apache-2.0
"""Normalisation of references and hypotheses before errors are counted."""

from collections.abc import Mapping
from functools import cache
from typing import Callable

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.whisper_package import whisper_package

NONE, WHISPER_EN = "none", "whisper_en"
NORMALIZERS = {  # what each is, as the end of a sentence
    NONE: "as they are",
    WHISPER_EN: "as Whisper's own evaluation does: after its English text normalisation",
}


def check_normalizer(name: str) -> None:
    """Raise a :class:`UserError` where there is no normaliser of a name."""
    if name not in NORMALIZERS:
        raise UserError(f"--text_normalizer {name}: must be {' or '.join(NORMALIZERS)}")


def normalized(texts: Mapping[str, str], name: str) -> dict[str, str]:
    """Return texts by utterance, normalised; a text of fillers alone, as ``Um.``, becomes empty.

    Args:
        texts: by utterance.
        name: one of ``NORMALIZERS``.

    Raises:
        UserError: there is no such normaliser, or its package is not installed.
    """
    check_normalizer(name)
    if name == NONE:
        return dict(texts)
    normalize = _whisper_en()
    return {utterance: normalize(text) for utterance, text in texts.items()}


@cache
def _whisper_en() -> Callable[[str], str]:
    normalizer: Callable[[str], str] = whisper_package().normalizers.EnglishTextNormalizer()
    return normalizer
