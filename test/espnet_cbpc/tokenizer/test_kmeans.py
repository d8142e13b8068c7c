# SPDX-License-Identifier: Apache-2.0
"""The K-means tokenizer: labels, fitting on a stream, files."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError

CENTRES = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)


def stream(utterances=20, frames=50, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(utterances):
        q = rng.integers(0, 4, frames)
        yield (CENTRES[q] + rng.normal(0, 0.3, (frames, 3))).astype(np.float32)


def test_labels_are_those_of_a_naive_search_and_minus_one_on_padding():
    tokenizer = KMeansTokenizer(5, 3)
    tokenizer.centroids.normal_(generator=torch.Generator().manual_seed(0))
    h = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    labels = tokenizer(h, torch.tensor([6, 4]))
    for b, n in enumerate((6, 4)):
        for t in range(6):
            distances = [float((h[b, t] - c).square().sum()) for c in tokenizer.centroids]
            assert labels[b, t] == (int(np.argmin(distances)) if t < n else -1)
    assert labels.dtype == torch.int64


def test_labels_do_not_depend_on_autocast():
    tokenizer = KMeansTokenizer.fit(stream(), n_clusters=4)
    h = torch.from_numpy(next(stream(seed=5)))[None]
    expected = tokenizer(h, torch.tensor([50]))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tokenizer(h, torch.tensor([50])), expected)


def test_fit_finds_the_clusters_whatever_the_order_of_labels():
    tokenizer = KMeansTokenizer.fit(stream(), n_clusters=4)
    found = tokenizer.centroids.numpy()
    nearest = np.abs(found[:, None] - CENTRES[None]).max(2)  # (4, 4)
    assert (nearest.min(1) < 0.2).all() and len(set(nearest.argmin(1))) == 4
    assert tokenizer.sizes == {"n_clusters": 4, "feature_dim": 3} and tokenizer.fitted


def test_fit_is_repeatable_and_follows_its_seed():
    def fit(seed):
        return KMeansTokenizer.fit(stream(), n_clusters=6, seed=seed, max_frames=300).centroids

    assert torch.equal(fit(0), fit(0))
    assert not torch.equal(fit(0), fit(1))


def test_fit_reads_a_stream_once_and_keeps_no_more_than_the_sample():
    alive = []

    class Utterance(np.ndarray):
        def __del__(self):
            alive.remove(1)

    def features():
        for h in stream(utterances=200):
            alive.append(1)
            assert len(alive) <= 3
            yield h.view(Utterance)

    assert KMeansTokenizer.fit(features(), n_clusters=4, max_frames=500).fitted


def inertia(tokenizer, features):
    h = np.concatenate(list(features))
    c = tokenizer.centroids.numpy()
    return float(np.square(h[:, None] - c[None]).sum(2).min(1).mean())


@pytest.mark.parametrize("backend", ["sklearn", "torch"])
def test_passes_over_the_stream_make_up_for_a_small_sample(backend):
    features = [np.random.default_rng(i).normal(size=(50, 3)) for i in range(200)]

    def fit(features, passes):
        return KMeansTokenizer.fit(
            features, 20, max_frames=60, passes=passes, batch_frames=1000, backend=backend
        )

    sample_only = inertia(fit(features, 0), features)
    assert inertia(fit(features, 1), features) < 0.9 * sample_only
    assert torch.equal(fit(features, 2).centroids, fit(features, 2).centroids)
    # an iterator is spent after the sample
    assert torch.equal(fit(iter(features), 1).centroids, fit(features, 0).centroids)


def test_a_stream_that_is_the_sample_is_clustered_once():
    features = list(stream())
    clustered = KMeansTokenizer.fit(iter(features), n_clusters=6)
    assert torch.equal(KMeansTokenizer.fit(features, n_clusters=6).centroids, clustered.centroids)


def test_tensors_are_fitted_as_arrays_are():
    arrays = list(stream())
    tensors = [torch.from_numpy(h).requires_grad_() for h in arrays]
    expected = KMeansTokenizer.fit(arrays, n_clusters=6).centroids
    assert torch.equal(KMeansTokenizer.fit(tensors, n_clusters=6).centroids, expected)


def test_one_utterance_is_labelled_as_in_a_batch():
    tokenizer = KMeansTokenizer.fit(stream(), n_clusters=4)
    h = next(stream(seed=5))
    batch = tokenizer(torch.from_numpy(h)[None], torch.tensor([50]))
    np.testing.assert_array_equal(tokenizer.label(h), batch[0])
    with pytest.raises(UserError, match="frames of 3 dimensions, and these have 2"):
        tokenizer.label(h[:, :2])


@pytest.mark.parametrize("option", ["n_clusters", "max_frames", "n_init", "batch_frames"])
def test_options_out_of_range_are_named(option):
    with pytest.raises(UserError, match=f"{option} is 0: must be a whole number of at least"):
        KMeansTokenizer.fit(stream(), **{option: 0})


@pytest.mark.parametrize(
    "features, message",
    [
        ([np.zeros((3, 2))], "cannot fit 4 clusters on 3 frames: use more speech or a smaller"),
        ([], "cannot fit 4 clusters on 0 frames"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], r"utterance 1 are \(9, 3\), but must be \('T', 2\)"),
        ([np.zeros(9)], r"utterance 0 are \(9,\), but must be"),
        ([np.full((9, 2), np.nan)], "utterance 0 have 9 of 9 frames with nan or inf"),
    ],
)
def test_features_that_cannot_be_clustered_are_named(features, message):
    with pytest.raises(UserError, match=message):
        KMeansTokenizer.fit(features, n_clusters=4)


def test_file_round_trip(tmp_path):
    tokenizer = KMeansTokenizer.fit(stream(), n_clusters=4)
    tokenizer.save(tmp_path / "t.safetensors")
    assert torch.equal(
        KMeansTokenizer.load(tmp_path / "t.safetensors").centroids, tokenizer.centroids
    )
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]


def test_files_that_are_no_tokenizer_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such tokenizer file: give another path, or make one"):
        KMeansTokenizer.load(tmp_path / "none")
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(UserError, match="junk: not a readable safetensors file"):
        KMeansTokenizer.load(tmp_path / "junk")
    save_file({"centroids": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="not a K-means tokenizer made by this package"):
        KMeansTokenizer.load(tmp_path / "other.safetensors")
