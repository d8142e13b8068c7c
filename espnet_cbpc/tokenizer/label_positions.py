# SPDX-License-Identifier: Apache-2.0
"""How much a tokenizer's labels reveal about the position in the utterance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import entropy

STEP = 10  # frames of a position: fewer would leave too few of each to count
SHUFFLES = 5  # of the labels, to see what so many frames share by chance


def label_position_information(
    labels: Mapping[str, np.ndarray], n_clusters: int, seed: int = 0
) -> dict[str, Any]:
    """Return the mutual information of label and position, where positions are ten frames each.

    Some is natural, as utterances begin and end in silence. Of an encoder with absolute positional
    embeddings it can be most of what the labels say: then clusters are times.

    Args:
        labels: (T,) labels in [0, K) of each utterance.
        n_clusters: number of labels, K.
        seed: of the shuffles.

    Returns:
        ``information`` in nats, less what as many labels and positions share by chance (the mean
        over shuffles), and ``share``, the same over the entropy of the labels (None where that is
        zero).
    """
    q = np.concatenate(list(labels.values()))
    places = np.concatenate([np.arange(len(of_one)) // STEP for of_one in labels.values()])
    rng = np.random.default_rng(seed)
    chance = np.mean(
        [_information(rng.permutation(q), places, n_clusters) for _ in range(SHUFFLES)]
    )
    nats = float(entropy(np.bincount(q, minlength=n_clusters)))
    information = max(0.0, float(_information(q, places, n_clusters) - chance))
    return {"information": information, "share": information / nats if nats > 0 else None}


def _information(q: np.ndarray, places: np.ndarray, n_clusters: int) -> float:
    table = np.zeros((n_clusters, places.max() + 1))
    np.add.at(table, (q, places), 1)
    return float(entropy(table.sum(0)) + entropy(table.sum(1)) - entropy(table.ravel()))
