# SPDX-License-Identifier: Apache-2.0
"""ESPnet's search classes and layers, whose package name depends on the release."""

try:  # 202611
    from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
    from espnet2.legacy.nets.beam_search import BeamSearch
    from espnet2.legacy.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
    from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
    from espnet2.legacy.nets.scorers.length_bonus import LengthBonus
except ImportError:  # 202511
    from espnet.nets.batch_beam_search import BatchBeamSearch
    from espnet.nets.beam_search import BeamSearch
    from espnet.nets.pytorch_backend.transformer.attention import MultiHeadedAttention
    from espnet.nets.scorers.ctc import CTCPrefixScorer
    from espnet.nets.scorers.length_bonus import LengthBonus

PROVEN_ON = ("202511", "202611")

__all__ = [
    "BatchBeamSearch",
    "BeamSearch",
    "CTCPrefixScorer",
    "LengthBonus",
    "MultiHeadedAttention",
]
