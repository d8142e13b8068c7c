# SPDX-License-Identifier: Apache-2.0
"""Within-cluster covariance normalisation."""

import pytest
import torch

from espnet_cbpc.loss.ranks import Ranks
from espnet_cbpc.model.within_cluster_norm import EVERY, WithinClusterNorm


def clusters(seed, b=4, t=500):
    """Frames of three clusters that scatter ten times as far along the first of four axes."""
    g = torch.Generator().manual_seed(seed)
    centroids = 5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(-1, 3, (b, t), generator=g)
    scale = torch.tensor([10.0, 1.0, 1.0, 1.0])
    frames = centroids[labels] + scale * torch.randn(b, t, 4, generator=g)
    frames[labels < 0] = torch.nan
    return frames, labels, centroids


def fitted(shrinkage, batches=2 * EVERY):
    norm = WithinClusterNorm(4, shrinkage)
    for seed in range(batches):
        frames, labels, centroids = clusters(seed)
        norm.follow(frames, labels, centroids, Ranks(1, frames.device))
    return norm


def test_frames_scatter_equally_around_their_centroids():
    norm = fitted(0.0)
    frames, labels, centroids = clusters(100)
    around = (norm(frames) - norm(centroids)[labels])[labels >= 0]
    covariance = around.T @ around / len(around)
    scaled = covariance / covariance.diagonal().mean()
    torch.testing.assert_close(scaled, torch.eye(4), atol=0.1, rtol=0)


def test_full_shrinkage_changes_no_direction():
    torch.testing.assert_close(fitted(1.0).transform, torch.eye(4))


def test_before_the_first_batch_embeddings_stay_as_they_are():
    x = torch.randn(2, 3, 4)
    assert torch.equal(WithinClusterNorm(4, 0.1)(x), x)


def test_first_batch_counts_fully():
    few, many = fitted(0.1, batches=1), fitted(0.1, batches=EVERY + 1)
    torch.testing.assert_close(few.transform, many.transform, atol=0.1, rtol=0)


def test_resumed_training_goes_on_as_it_would_have():
    whole = fitted(0.1, batches=EVERY + 3)
    half = fitted(0.1, batches=EVERY // 2)
    resumed = WithinClusterNorm(4, 0.1)
    resumed.load_state_dict(half.state_dict())
    for seed in range(EVERY // 2, EVERY + 3):
        frames, labels, centroids = clusters(seed)
        resumed.follow(frames, labels, centroids, Ranks(1, frames.device))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_shrinkage_out_of_range():
    with pytest.raises(ValueError, match=r"shrinkage must be in \[0, 1\], but is 1.5"):
        WithinClusterNorm(4, 1.5)
