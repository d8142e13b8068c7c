# SPDX-License-Identifier: Apache-2.0
"""Quality of a tokenizer's clusters: their use, their stability in noise, what they stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from scipy.stats import entropy

from espnet_cbpc.utils.cli import UserError

Symbol = Union[int, str]
Reference = Sequence[Optional[Symbol]]


@dataclass(frozen=True)
class ReferenceCounts:
    """How often clusters and reference symbols meet.

    Attributes:
        counts: (K, S) int64 frames of each cluster and symbol.
        symbols: the S symbols, in the order in which they were met.
    """

    counts: np.ndarray
    symbols: list[Symbol]


def cluster_quality(
    clean: Mapping[str, np.ndarray],
    noisy: Mapping[str, np.ndarray],
    n_clusters: int,
    inertia_per_frame: Optional[float] = None,
) -> dict[str, Any]:
    """Summarise the labels of clean speech, and how noise changes them.

    Utterances are processed one at a time.

    Args:
        clean: (T,) labels in [0, K) of each utterance's clean speech.
        noisy: (T,) labels of the same utterances' noisy speech, some or all of them.
        n_clusters: number of labels, K.
        inertia_per_frame: mean squared distance of a frame to its centroid, if known.

    Returns:
        What JSON can hold (None where undefined): ``frames``; ``sizes``, frames of each cluster;
        ``dead``, the number of clusters without frames; ``entropy`` of the sizes in nats (at most
        log K) and its exponential ``perplexity`` (at most K); ``mean_run``, frames between label
        changes; ``noise_stability``, the share of frames that keep their label in noise, and
        ``noise_stability_per_cluster``, the same for the frames of each cluster (by clean label);
        ``inertia_per_frame`` as given.

    Raises:
        UserError: no frames, or an utterance whose clean and noisy labels differ in length.
    """
    sizes, runs = _sizes_and_runs(clean, n_clusters)
    if not runs:
        raise UserError(f"no frames in {len(clean)} utterance(s) of clean speech: add speech")
    kept, paired = _kept_in_noise(clean, noisy, n_clusters)
    nats = float(entropy(sizes))
    return {
        "frames": int(sizes.sum()),
        "sizes": sizes.tolist(),
        "dead": int((sizes == 0).sum()),
        "entropy": nats,
        "perplexity": float(np.exp(nats)),
        "mean_run": float(sizes.sum() / runs),
        "noise_stability": _share(kept.sum(), paired.sum()),
        "noise_stability_per_cluster": [_share(k, n) for k, n in zip(kept, paired)],
        "inertia_per_frame": inertia_per_frame,
    }


def label_reference_agreement(
    labels: Mapping[str, np.ndarray], references: Mapping[str, Reference], n_clusters: int
) -> tuple[dict[str, Any], ReferenceCounts]:
    """Measure how well labels and reference symbols (phones, words, tokens) predict each other.

    The measures are those of Hsu et al., "HuBERT", IEEE/ACM TASLP 29, 2021. Utterances are
    processed one at a time; what is kept is a table of clusters by symbols.

    Args:
        labels: (T,) labels in [0, K) of each utterance.
        references: (T,) the symbol of each frame; None or "" where a frame has none. Utterances
            without labels are passed over.
        n_clusters: number of labels, K.

    Returns:
        The measures, as JSON can hold them, and the table they come from. The measures are over
        the ``frames`` that have a reference: ``phone_purity``, the share of frames right if every
        cluster is read as its most frequent symbol; ``cluster_purity``, the share of frames in the
        most frequent cluster of their symbol; ``pnmi``, the mutual information of symbol and
        cluster over the entropy of the symbols. They are None without such frames, and ``pnmi`` is
        with a single symbol. Further ``symbols``, how many there are; ``share_without_reference``,
        of the frames of the utterances compared; ``utterances_without_reference``.

    Raises:
        UserError: an utterance whose labels and reference differ in length.
    """
    columns: dict[Symbol, np.ndarray] = {}
    total = missing = 0
    for utt, q in labels.items():
        reference = references.get(utt)
        if reference is None:
            missing += 1
            continue
        _check_lengths(utt, "labels", q, "reference", reference)
        _count(q, reference, n_clusters, columns)
        total += len(q)
    table = np.array(list(columns.values()), np.int64).reshape(-1, n_clusters).T  # (K, S)
    measures = {
        **_agreement(table),
        "symbols": len(columns),
        "share_without_reference": _share(total - table.sum(), total),
        "utterances_without_reference": missing,
    }
    return measures, ReferenceCounts(table, list(columns))


def _sizes_and_runs(labels: Mapping[str, np.ndarray], n_clusters: int) -> tuple[np.ndarray, int]:
    sizes, runs = np.zeros(n_clusters, np.int64), 0
    for q in labels.values():
        sizes += np.bincount(q, minlength=n_clusters)
        runs += int((q[1:] != q[:-1]).sum()) + (len(q) > 0)
    return sizes, runs


def _kept_in_noise(
    clean: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], n_clusters: int
) -> tuple[np.ndarray, np.ndarray]:
    # for each cluster: frames that keep their label in noise, and all its frames with a noisy pair
    kept, paired = np.zeros(n_clusters, np.int64), np.zeros(n_clusters, np.int64)
    for utt, noisy_q in noisy.items():
        q = clean[utt]
        _check_lengths(utt, "clean labels", q, "noisy labels", noisy_q)
        kept += np.bincount(q[q == noisy_q], minlength=n_clusters)
        paired += np.bincount(q, minlength=n_clusters)
    return kept, paired


def _count(
    q: np.ndarray, reference: Reference, n_clusters: int, columns: dict[Symbol, np.ndarray]
) -> None:
    for k, symbol in zip(q, reference):
        if symbol is None or symbol == "":
            continue
        if symbol not in columns:
            columns[symbol] = np.zeros(n_clusters, np.int64)
        columns[symbol][k] += 1


def _agreement(table: np.ndarray) -> dict[str, Any]:
    frames = int(table.sum())
    if not frames:
        return {"frames": 0, "phone_purity": None, "cluster_purity": None, "pnmi": None}
    of_symbols = entropy(table.sum(0))
    information = max(0.0, of_symbols + entropy(table.sum(1)) - entropy(table.ravel()))
    return {
        "frames": frames,
        "phone_purity": _share(table.max(1).sum(), frames),
        "cluster_purity": _share(table.max(0).sum(), frames),
        "pnmi": float(information / of_symbols) if table.shape[1] > 1 else None,
    }


def _check_lengths(utt: str, what: str, a: Sequence[Any], other: str, b: Sequence[Any]) -> None:
    if len(a) != len(b):
        raise UserError(
            f"utterance '{utt}' has {len(a)} frames of {what}, but {len(b)} of {other}: "
            "make both from audio of the same length with the same model"
        )


def _share(part: int, whole: int) -> Optional[float]:
    return float(part / whole) if whole else None
