"""How good a tokenizer's clusters are."""

from typing import Dict, Mapping, Union

import numpy as np


def cluster_quality(
    clean: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], n_clusters: int
) -> Dict[str, Union[int, float, list]]:
    """Summarise the labels of clean speech, and how noise changes them.

    Args:
        clean: (T,) labels of each utterance's clean speech.
        noisy: (T,) labels of the same utterances' noisy speech, some or all of them.
        n_clusters: number of labels, K.

    Returns:
        ``frames``; ``sizes``, frames of each cluster; ``dead``, clusters without frames;
        ``perplexity``, exp of the entropy of the sizes (at most K); ``mean_run``, frames between
        label changes; ``noise_stability``, the share of frames that keep their label in noise
        (nan without noisy speech).
    """
    sizes = np.zeros(n_clusters, np.int64)
    changes = 0
    for q in clean.values():
        sizes += np.bincount(q, minlength=n_clusters)
        changes += int((q[1:] != q[:-1]).sum()) + 1
    p = sizes[sizes > 0] / sizes.sum()
    kept = sum(int((noisy[u] == clean[u]).sum()) for u in noisy)
    total = sum(len(q) for q in noisy.values())
    return {
        "frames": int(sizes.sum()),
        "sizes": sizes.tolist(),
        "dead": int((sizes == 0).sum()),
        "perplexity": float(np.exp(-(p * np.log(p)).sum())),
        "mean_run": float(sizes.sum() / changes),
        "noise_stability": kept / total if total else float("nan"),
    }
