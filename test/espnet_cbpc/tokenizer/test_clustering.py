# SPDX-License-Identifier: Apache-2.0
"""The steps of clustering a stream: sample, batches, assignment, seeding, mini-batches."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from espnet_cbpc.tokenizer import clustering
from espnet_cbpc.tokenizer.clustering import (
    DEAD_FRAMES,
    MiniBatchKMeans,
    assign,
    batches,
    cluster_sample,
    draw_far,
    reservoir_sample,
)
from espnet_cbpc.utils.cli import UserError

CENTRES = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)


def blobs(frames=400, seed=0):
    rng = np.random.default_rng(seed)
    q = rng.integers(0, 4, frames)
    return (CENTRES[q] + rng.normal(0, 0.3, (frames, 3))).astype(np.float32)


def test_reservoir_sample_is_uniform_over_the_stream():
    rng = np.random.default_rng(0)
    counts = np.zeros(100)
    for _ in range(400):
        pieces = np.split(np.arange(100, dtype=np.float32)[:, None], [7, 30, 31, 90])
        sample, seen = reservoir_sample(pieces, 20, rng)
        assert seen == 100 and sample.shape == (20, 1) and len(np.unique(sample)) == 20
        counts[sample[:, 0].astype(int)] += 1
    # each row is kept with probability 1/5: 80 times of 400, standard deviation 8
    assert counts.min() > 80 - 5 * 8 and counts.max() < 80 + 5 * 8
    assert abs(counts[:20].mean() - counts[80:].mean()) < 8


def test_a_short_stream_is_sampled_whole_and_in_order():
    pieces = np.split(blobs(50), [7, 30])
    sample, seen = reservoir_sample(pieces, 60, np.random.default_rng(0))
    assert seen == 50
    np.testing.assert_array_equal(sample, blobs(50))


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_batches_are_the_stream_cut_anew(size):
    x = blobs(50)
    pieces = [b.copy() for b in batches(np.split(x, [3, 3, 20, 45]), size)]
    assert [len(b) for b in pieces[:-1]] == [size] * (len(pieces) - 1) and len(pieces[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(pieces), x)


def test_assignment_is_that_of_a_naive_search():
    x, c = torch.from_numpy(blobs(60)), torch.from_numpy(blobs(7, seed=1))
    naive = (x[:, None] - c[None]).square().sum(2)  # (60, 7)
    labels, distances = assign(x, c)
    assert torch.equal(labels, naive.argmin(1))
    torch.testing.assert_close(distances, naive.min(1).values, atol=1e-4, rtol=1e-4)


BACKENDS = [
    "sklearn",
    "torch",
    pytest.param(
        "faiss",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("faiss") is None,
            reason="SKIPPED: faiss is not installed: pip install 'espnet-cbpc[faiss]'",
        ),
    ),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_find_the_centres(backend):
    sample = blobs()
    found = cluster_sample(sample, 4, np.random.default_rng(0), backend=backend)
    nearest = np.abs(found[:, None] - CENTRES[None]).max(2)  # (4, 4)
    assert (nearest.min(1) < 0.2).all() and len(set(nearest.argmin(1))) == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_centroids_are_the_means_of_their_frames(backend):
    sample = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    kept = sample.copy()
    found = cluster_sample(sample, 5, np.random.default_rng(0), backend=backend)
    labels = np.square(kept[:, None] - found[None]).sum(2).argmin(1)
    means = np.stack([kept[labels == k].mean(0) for k in range(5)])
    np.testing.assert_allclose(found, means, atol=0.02)


def test_equal_frames_are_clustered_by_torch_too():
    sample = np.ones((20, 3), np.float32)
    found = cluster_sample(sample, 4, np.random.default_rng(0), backend="torch")
    np.testing.assert_allclose(found, np.ones((4, 3)))


def test_backends_that_are_not_there_are_named(monkeypatch):
    with pytest.raises(UserError, match="backend is cuml: use one of sklearn, faiss, torch"):
        cluster_sample(blobs(), 4, np.random.default_rng(0), backend="cuml")
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if not installed
    with pytest.raises(UserError, match="faiss, which is not installed: pip"):
        cluster_sample(blobs(), 4, np.random.default_rng(0), backend="faiss")


def test_a_centroid_is_the_mean_of_all_frames_that_it_got():
    start = np.array([[0.0], [10.0]], np.float32)
    kmeans = MiniBatchKMeans(start, np.array([[0.0], [0.0], [10.0]], np.float32), rng(), "cpu")
    inertia = kmeans.update(np.array([[3.0], [11.0]], np.float32))
    assert inertia == pytest.approx(9 + 1)
    torch.testing.assert_close(kmeans.centroids, torch.tensor([[1.0], [10.5]]))  # (0+0+3)/3, 21/2
    assert kmeans.counts.tolist() == [3, 2]


def test_a_dead_cluster_moves_to_a_frame_that_is_far_from_the_others():
    start = np.array([[0.0], [1000.0]], np.float32)
    kmeans = MiniBatchKMeans(start, np.zeros((1, 1), np.float32), rng(), "cpu")
    batch = np.zeros((2 * DEAD_FRAMES - 1, 1), np.float32)
    batch[0] = 50.0  # the only frame that is off the living centroid by far
    kmeans.update(batch)
    assert kmeans.centroids[1] == 1000.0  # not yet dead
    kmeans.update(batch)
    assert kmeans.centroids[1] == 50.0


def test_frames_are_drawn_by_squared_distance():
    x, distances = torch.arange(3.0)[:, None], torch.tensor([0.0, 1.0, 9.0])
    generator = rng()
    drawn = [float(draw_far(x, distances, x[:1], generator)) for _ in range(1000)]
    assert drawn.count(0.0) == 0 and 60 < drawn.count(1.0) < 140  # 100 +- 4 standard deviations


def test_passes_log_inertia_and_drift(caplog):
    start = blobs(4)
    kmeans = MiniBatchKMeans(start, start, rng(), "cpu")
    with caplog.at_level("INFO"):
        kmeans.run(np.split(blobs(), 8), 50, 400, "pass")
    assert 2 <= caplog.text.count("inertia") <= clustering.REPORTS
    assert "400 of 400 frames" in caplog.text


def rng():
    return np.random.default_rng(0)
