# SPDX-License-Identifier: Apache-2.0
"""The result of recognising one utterance: hypotheses, enhanced speech, token times."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Optional

import numpy as np
import torch
from torchaudio.functional import forced_align


@dataclass(frozen=True)
class Hypothesis:
    """A text that was found.

    Attributes:
        text: the words.
        tokens: what the model emitted for them.
        token_ids: the same as numbers.
        score: log-probability, weighted as the search does.
    """

    text: str
    tokens: list[str]
    token_ids: list[int]
    score: float


SILENCE = 2.0**-15  # the loudest sample of what counts as silence: one step of 16 bits
MOST_COMPRESSION = 2.4  # of bytes, of a text that does not repeat itself
NOTHING = Hypothesis("", [], [], 0.0)  # where there is nothing to recognise, or nothing found


def joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Return the hypothesis of a recording of those of its pieces, in order."""
    return Hypothesis(
        " ".join(filter(None, (part.text for part in parts))),
        [token for part in parts for token in part.tokens],
        [token for part in parts for token in part.token_ids],
        sum(part.score for part in parts),
    )


@dataclass(frozen=True)
class TokenTime:
    """When a token is heard, in seconds from the start of the utterance."""

    token: str
    start: float
    end: float


@dataclass(frozen=True)
class DecodedUtterance:
    """The result for one utterance.

    Attributes:
        nbest: hypotheses, best first; a single empty one where the search found none.
        token_times: of the best hypothesis; None where they were not asked for, the model has no
            CTC, or its tokens do not fit into the frames.
        enhanced: (N,) the speech that was recognised, at the rate of the input; None where there is
            no SE model.
    """

    nbest: list[Hypothesis]
    token_times: Optional[list[TokenTime]] = None
    enhanced: Optional[np.ndarray] = None

    @property
    def text(self) -> str:
        """The best text."""
        return self.nbest[0].text

    def as_dict(self) -> dict[str, Any]:
        """Return text, ``nbest`` and ``token_times`` as JSON has them."""
        times = self.token_times
        return {
            "text": self.text,
            "nbest": [asdict(hypothesis) for hypothesis in self.nbest],
            "token_times": None if times is None else [asdict(time) for time in times],
        }


def repeats_itself(text: str) -> bool:
    """Return whether a text is a loop of the decoder, by how well it can be compressed.

    Source: the threshold of Radford et al., "Robust speech recognition via large-scale weak
    supervision" (2023), section 4.5.
    """
    data = text.encode()
    return len(data) > MOST_COMPRESSION * len(zlib.compress(data))


def find_token_times(
    log_probs: torch.Tensor, token_ids: Sequence[int], tokens: Sequence[str], seconds: float
) -> Optional[list[TokenTime]]:
    """Find when each token is emitted, by forced alignment to the output of CTC.

    The frames are taken to share the recording evenly, so that a time is right to about one frame
    of the encoder (for many 40 ms). CTC emits a token in few frames, often one, near where it is
    heard: starts are more telling than ends.

    Args:
        log_probs: (T, V) output of CTC, blank first.
        token_ids: (L,) tokens to find.
        tokens: their names.
        seconds: length of the recording.

    Returns:
        L times, in order; None where T frames cannot hold the tokens.
    """
    repeats = sum(a == b for a, b in zip(token_ids, token_ids[1:]))
    if len(log_probs) < len(token_ids) + repeats:
        return None
    if not token_ids:
        return []
    targets = torch.tensor([token_ids], device=log_probs.device)
    path = forced_align(log_probs[None].float(), targets)[0][0].tolist()  # (T,)
    times: list[TokenTime] = []
    frame = seconds / len(path)
    for t, label in enumerate(path):
        if label and (t == 0 or path[t - 1] != label):
            start = end = t
            while end < len(path) and path[end] == label:
                end += 1
            times.append(TokenTime(tokens[len(times)], start * frame, end * frame))
    return times
