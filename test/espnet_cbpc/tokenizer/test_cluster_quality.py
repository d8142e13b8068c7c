# SPDX-License-Identifier: Apache-2.0
"""The quality figures of a tokenizer, on labels whose figures are known."""

import json
import math

import numpy as np
import pytest

from espnet_cbpc.tokenizer.cluster_quality import cluster_quality, label_reference_agreement
from espnet_cbpc.utils.cli import UserError

CLEAN = {"a": np.array([0, 0, 1, 1]), "b": np.array([1, 1, 0, 0])}


def test_figures_of_known_labels():
    noisy = {"a": np.array([0, 0, 0, 1])}
    quality = cluster_quality(CLEAN, noisy, n_clusters=4)
    assert quality["sizes"] == [4, 4, 0, 0] and quality["frames"] == 8
    assert quality["dead"] == 2
    assert quality["entropy"] == pytest.approx(math.log(2))
    assert quality["perplexity"] == pytest.approx(2.0)
    assert quality["mean_run"] == 2.0  # 8 frames in 4 runs
    assert quality["noise_stability"] == 0.75
    assert quality["noise_stability_per_cluster"] == [1.0, 0.5, None, None]
    assert quality["inertia_per_frame"] is None
    assert cluster_quality(CLEAN, noisy, 4, inertia_per_frame=1.5)["inertia_per_frame"] == 1.5


def test_what_is_undefined_is_null_in_json():
    quality = cluster_quality(CLEAN, {}, n_clusters=2)
    agreement, _ = label_reference_agreement(CLEAN, {"a": [None] * 4}, n_clusters=2)
    read = json.loads(json.dumps({**quality, **agreement}, allow_nan=False))
    assert read["noise_stability"] is None
    assert read["noise_stability_per_cluster"] == [None, None]
    assert read["phone_purity"] is None and read["cluster_purity"] is None and read["pnmi"] is None
    assert read["share_without_reference"] == 1 and read["utterances_without_reference"] == 1


def test_an_utterance_without_frames_is_no_run():
    quality = cluster_quality({**CLEAN, "c": np.zeros(0, np.int64)}, {}, n_clusters=2)
    assert quality["mean_run"] == 2.0


def test_labels_that_differ_in_length_are_refused_by_utterance():
    with pytest.raises(UserError, match="'b' has 4 frames of clean labels, but 3 of noisy labels"):
        cluster_quality(CLEAN, {"b": np.array([1, 1, 0])}, 2)
    with pytest.raises(UserError, match="'a' has 4 frames of labels, but 2 of reference"):
        label_reference_agreement(CLEAN, {"a": ["x", "y"]}, 2)
    with pytest.raises(UserError, match="no frames in 0 utterance"):
        cluster_quality({}, {}, 2)


def test_agreement_of_known_labels_and_symbols():
    labels = {"a": np.array([0, 0, 0, 1, 1]), "b": np.array([2, 2, 1]), "c": np.array([3, 3])}
    references = {"a": ["x", "x", "y", "y", ""], "b": ["y", "y", None], "unlabelled": ["x"]}
    agreement, counts = label_reference_agreement(labels, references, n_clusters=4)
    # joint counts: (0, x): 2, (0, y): 1, (1, y): 1, (2, y): 2
    assert counts.symbols == ["x", "y"]
    assert counts.counts.tolist() == [[2, 1], [0, 1], [0, 2], [0, 0]]
    assert agreement["frames"] == 6 and agreement["symbols"] == 2
    assert agreement["phone_purity"] == pytest.approx(5 / 6)
    assert agreement["cluster_purity"] == pytest.approx(4 / 6)
    symbol_entropy = -(2 / 6 * math.log(2 / 6) + 4 / 6 * math.log(4 / 6))
    # only cluster 0, half of the frames, leaves the symbol open
    left_open = 3 / 6 * -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert agreement["pnmi"] == pytest.approx(1 - left_open / symbol_entropy)
    assert agreement["share_without_reference"] == 2 / 8
    assert agreement["utterances_without_reference"] == 1


def test_agreement_is_full_for_renamed_symbols_and_undefined_for_one():
    labels = {"a": np.array([2, 0, 1, 1])}
    agreement, _ = label_reference_agreement(labels, {"a": np.array([0, 5, 3, 3])}, 3)
    assert [agreement[k] for k in ("phone_purity", "cluster_purity")] == [1, 1]
    assert agreement["pnmi"] == pytest.approx(1)
    assert label_reference_agreement(labels, {"a": ["x"] * 4}, 3)[0]["pnmi"] is None


def test_pnmi_is_that_of_scikit_learn():
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score

    rng = np.random.default_rng(0)
    symbols = rng.integers(0, 7, 500)
    q = (symbols + rng.integers(0, 4, 500)) % 9
    pieces = {str(i): slice(100 * i, 100 * i + 100) for i in range(5)}
    agreement, _ = label_reference_agreement(
        {u: q[piece] for u, piece in pieces.items()},
        {u: symbols[piece] for u, piece in pieces.items()},
        n_clusters=9,
    )
    expected = mutual_info_score(symbols, q) / entropy(np.bincount(symbols))
    assert 0.1 < expected < 0.9
    assert agreement["pnmi"] == pytest.approx(expected, rel=1e-9)
