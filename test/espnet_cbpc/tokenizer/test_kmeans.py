"""The K-means tokenizer: labels, fitting on a stream, files."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer, reservoir_sample
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


def test_reservoir_sample_is_uniform_over_the_stream():
    rng = np.random.default_rng(0)
    counts = np.zeros(100)
    for _ in range(400):
        pieces = np.split(np.arange(100, dtype=np.float32)[:, None], [7, 30, 31, 90])
        sample = reservoir_sample(pieces, 20, rng)
        assert sample.shape == (20, 1) and len(np.unique(sample)) == 20
        counts[sample[:, 0].astype(int)] += 1
    # each row is kept with probability 1/5: 80 times of 400, standard deviation 8
    assert counts.min() > 80 - 5 * 8 and counts.max() < 80 + 5 * 8
    assert abs(counts[:20].mean() - counts[80:].mean()) < 8


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
    with pytest.raises(UserError, match="no such tokenizer file: run stage 11"):
        KMeansTokenizer.load(tmp_path / "none")
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(UserError, match="junk: not a readable safetensors file"):
        KMeansTokenizer.load(tmp_path / "junk")
    save_file({"centroids": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="not a K-means tokenizer made by this package"):
        KMeansTokenizer.load(tmp_path / "other.safetensors")
