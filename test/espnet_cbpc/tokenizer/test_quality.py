"""The quality figures of a tokenizer, on labels whose figures are known."""

import math

import numpy as np
import pytest

from espnet_cbpc.tokenizer.quality import cluster_quality


def test_figures_of_known_labels():
    clean = {"a": np.array([0, 0, 1, 1]), "b": np.array([1, 1, 0, 0])}
    noisy = {"a": np.array([0, 0, 0, 1])}
    quality = cluster_quality(clean, noisy, n_clusters=4)
    assert quality["sizes"] == [4, 4, 0, 0] and quality["frames"] == 8
    assert quality["dead"] == 2
    assert quality["perplexity"] == pytest.approx(2.0)
    assert quality["mean_run"] == 2.0  # 8 frames in 4 runs
    assert quality["noise_stability"] == 0.75
    assert math.isnan(cluster_quality(clean, {}, 4)["noise_stability"])
