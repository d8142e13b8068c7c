# SPDX-License-Identifier: Apache-2.0
"""Numbers and places of frames among clusters that are known."""

import html_report_files as made
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from espnet_cbpc.html_report.embedding_map import EmbeddingMap, map_frames, most_frequent
from espnet_cbpc.utils.cli import UserError


def silhouette(h, labels):
    """Recompute by the definition of Rousseeuw (1987)."""
    distances, values = cdist(h, h), []
    for i, label in enumerate(labels):
        same = (labels == label) & (np.arange(len(labels)) != i)
        own = distances[i, same].mean()
        other = min(distances[i, labels == k].mean() for k in set(labels) - {label})
        values.append((other - own) / max(own, other))
    return np.mean(values)


def test_known_shares_and_silhouettes():
    frames, labels, centroids = made.clusters()
    found = map_frames(frames, labels, centroids, max_frames=50)
    assert found.names == ["clean", "torn"]
    np.testing.assert_allclose(found.kept, [1.0, 0.75])  # all 80, not the 50 on the map
    expected = [silhouette(h, labels) for h in frames.values()]
    np.testing.assert_allclose(found.silhouette, expected, rtol=1e-5)
    assert found.frames.shape == (2, 50, 6) and found.xy.shape == (2, 50, 2)
    assert found.labels.shape == (50,)


def test_clusters_lie_apart_and_torn_frames_lie_in_another_one():
    frames, labels, centroids = made.clusters()
    found = map_frames(frames, labels, centroids)
    clean, torn = found.xy
    middles = np.stack([clean[labels == k].mean(0) for k in range(4)])

    def nearest(xy):
        return cdist(xy, middles).argmin(1)

    assert (nearest(clean) == labels).mean() > 0.95
    moved = np.arange(80) % 4 == 0
    assert (nearest(torn)[moved] == (labels[moved] + 1) % 4).mean() > 0.9
    assert (nearest(torn)[~moved] == labels[~moved]).mean() > 0.9


def test_the_seed_decides(tmp_path):
    one, two, other = (map_frames(*made.clusters(), max_frames=40, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.xy, two.xy)
    assert not np.array_equal(one.labels, other.labels) or not np.array_equal(one.xy, other.xy)


def test_a_file_holds_all_and_needs_no_pickle(tmp_path):
    found = map_frames(*made.clusters(), source="80 frames")
    found.save(tmp_path / "map.npz")
    again = EmbeddingMap.load(tmp_path / "map.npz")
    assert again.names == found.names and again.source == "80 frames"
    for name in ("labels", "frames", "xy", "kept", "silhouette"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_bad_input_is_told(tmp_path):
    frames, labels, centroids = made.clusters()
    with pytest.raises(UserError, match="frames of 79 labels"):
        map_frames(frames, labels[:-1], centroids)
    with pytest.raises(UserError, match="9 frame.s. are too few for a map: use more"):
        map_frames({"a": frames["clean"][:9]}, labels[:9], centroids)
    for content in (b"", b"no npz"):
        (tmp_path / "map.npz").write_bytes(content)
        with pytest.raises(UserError, match="map.npz: not an embedding map .*map_embeddings"):
            EmbeddingMap.load(tmp_path / "map.npz")
    np.savez(tmp_path / "other.npz", names=["a"])
    with pytest.raises(UserError, match="other.npz: not an embedding map"):
        EmbeddingMap.load(tmp_path / "other.npz")


def test_one_label_has_no_silhouette():
    frames, labels, centroids = made.clusters()
    found = map_frames(frames, np.zeros_like(labels), centroids)
    assert np.isnan(found.silhouette).all()


def test_most_frequent_labels():
    np.testing.assert_array_equal(most_frequent(np.array([2, 2, 2, 5, 5, 9]), 2), [2, 5])
    np.testing.assert_array_equal(most_frequent(np.array([7]), 3), [7])
