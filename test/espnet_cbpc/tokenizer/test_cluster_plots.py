# SPDX-License-Identifier: Apache-2.0
"""The picture of a tokenizer's quality: what is drawn, and that the file is whole or absent."""

import numpy as np
import pytest
from matplotlib.image import imread

from espnet_cbpc.tokenizer.cluster_plots import MAX_SYMBOLS, heat_map_table, plot_quality
from espnet_cbpc.tokenizer.cluster_quality import (
    ReferenceCounts,
    cluster_quality,
    label_reference_agreement,
)


def labels(n_clusters, seed):
    rng = np.random.default_rng(seed)
    return {u: rng.integers(0, n_clusters - 1, 200) for u in "abc"}  # the last one stays dead


@pytest.mark.parametrize("n_clusters", [2, 50, 500])
def test_a_picture_with_and_without_references_and_noisy_speech(tmp_path, n_clusters):
    clean, noisy = labels(n_clusters, 0), labels(n_clusters, 1)
    _, counts = label_reference_agreement(clean, noisy, n_clusters)
    plot_quality(cluster_quality(clean, noisy, n_clusters), counts, tmp_path / "all.png")
    plot_quality(cluster_quality(clean, {}, n_clusters), None, tmp_path / "few.png")
    heights = {name: imread(tmp_path / name).shape[0] for name in ("all.png", "few.png")}
    assert heights["all.png"] > heights["few.png"]  # the heat map
    assert {p.name for p in tmp_path.iterdir()} == set(heights)


def test_a_picture_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    def fail(self, file, **options):
        file.write(b"half")
        raise OSError("no space left")

    (tmp_path / "quality.png").write_bytes(b"earlier")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        plot_quality(cluster_quality(labels(4, 0), {}, 4), None, tmp_path / "quality.png")
    assert (tmp_path / "quality.png").read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_clusters_are_ordered_by_their_best_symbol_and_then_purity():
    counts = np.array([[1, 3], [0, 0], [4, 0], [0, 9], [3, 2]])  # y is the more frequent symbol
    shares, clusters, symbols = heat_map_table(ReferenceCounts(counts, ["x", "y"]))
    assert symbols == ["y", "x"]
    assert clusters.tolist() == [3, 0, 2, 4]  # 1 has no reference
    assert shares.tolist() == [[1, 0.75, 0, 0.4], [0, 0.25, 1, 0.6]]


def test_rare_symbols_of_a_long_list_become_one_row():
    n = MAX_SYMBOLS + 5
    counts = np.diag(np.arange(n, 0, -1))
    shares, _, symbols = heat_map_table(ReferenceCounts(counts, list(range(n))))
    assert symbols == [*map(str, range(MAX_SYMBOLS)), "(5 rarer)"]
    assert shares[-1].tolist() == [0] * MAX_SYMBOLS + [1] * 5


def test_a_cluster_of_many_rare_symbols_stays_with_its_best_one():
    counts = np.ones((2, MAX_SYMBOLS + 9), np.int64)
    counts[0, 1] = counts[1, 0] = 5
    shares, clusters, _ = heat_map_table(ReferenceCounts(counts, list(range(MAX_SYMBOLS + 9))))
    assert clusters.tolist() == [1, 0]
    assert shares[-1, 0] > shares[0, 0]  # the rare ones together are more frequent
