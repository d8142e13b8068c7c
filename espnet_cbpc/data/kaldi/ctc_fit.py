# SPDX-License-Identifier: Apache-2.0
"""Check that transcripts fit into the frames that CTC has for them.

A token takes a frame at least, and two equal tokens in a row a blank between them. Of a transcript
that needs more frames than there are the loss is infinite, which ESPnet takes for 0: nothing is
learned from the utterance, without a warning.
"""

import logging
from collections.abc import Mapping, Sequence

from espnet_cbpc.utils.cli import UserError, listed


def frames_needed(tokens: Sequence) -> int:
    """Return the least number of encoder frames that a transcript fits into."""
    return len(tokens) + sum(one == next_ for one, next_ in zip(tokens, tokens[1:]))


def check_ctc_fit(
    tokens: Mapping[str, Sequence], frames: Mapping[str, int], where: str
) -> list[str]:
    """Warn of utterances whose transcript does not fit into the encoder's frames.

    Args:
        tokens: of each utterance, see :func:`espnet_cbpc.data.kaldi.token_list.tokenised`.
        frames: that the encoder puts out for each of them, after its sub-sampling.
        where: the data directory, for the message.

    Returns:
        The utterances that do not fit, sorted.

    Raises:
        UserError: none fits.
    """
    unfit = sorted(key for key, found in tokens.items() if frames_needed(found) > frames[key])
    if not unfit:
        return []
    shown = (f"{key} needs {frames_needed(tokens[key])} and has {frames[key]}" for key in unfit)
    message = (
        f"{where}: {len(unfit)} of {len(tokens)} transcripts do not fit into the frames of the "
        f"encoder ({listed(shown)}), so that CTC learns nothing from them: use larger tokens or "
        "less subsampling, or correct the transcripts"
    )
    if len(unfit) == len(tokens):
        raise UserError(message)
    logging.warning("%s", message)
    return unfit
