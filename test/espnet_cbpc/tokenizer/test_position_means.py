# SPDX-License-Identifier: Apache-2.0
"""Frames without what they owe to their position, and tokenizers of such frames."""

import numpy as np
import pytest
import torch

from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.tokenizer.label_positions import label_position_information
from espnet_cbpc.tokenizer.position_means import PRIOR, PositionMeans
from espnet_cbpc.utils.cli import UserError

SOUNDS = 4 * np.eye(4, 6, dtype=np.float32)


def timed_speech(count=60, length=40, strength=30.0, seed=0):
    """Utterances of four sounds, each frame with a large part that its position alone decides."""
    rng = np.random.default_rng(seed)
    time = strength * np.linspace(-1, 1, length, dtype=np.float32)[:, None] * np.eye(6)[5]
    q = [rng.integers(0, 4, length - i % 7) for i in range(count)]
    noise = [rng.normal(0, 0.1, (len(x), 6)) for x in q]
    return q, [(SOUNDS[x] + time[: len(x)] + e).astype(np.float32) for x, e in zip(q, noise)]


def test_means_are_shrunk_towards_that_of_all():
    means = PositionMeans(2, 3)
    means.add(torch.tensor([[4.0, 0.0], [0.0, 8.0]]), torch.tensor([2.0, 2.0]))
    overall = torch.tensor([1.0, 2.0])
    expected = 2 * (torch.tensor([[2.0, 0.0], [0.0, 4.0]]) - overall) / (2 + PRIOR)
    torch.testing.assert_close(means.deviations[:2], expected)
    assert not means.deviations[2].any()  # which nobody has reached


def test_frames_beyond_the_positions_are_left_as_they_are():
    _, speech = timed_speech()
    means = PositionMeans.of(speech, 30)
    h = torch.from_numpy(speech[0])
    left = means(h)
    assert torch.equal(left[30:], h[30:]) and not torch.equal(left[:30], h[:30])
    torch.testing.assert_close(means(h[None].expand(2, -1, -1))[1], left)
    torch.testing.assert_close(means(h[:5]), left[:5])


def test_clusters_are_sounds_and_not_times(tmp_path):
    q, speech = timed_speech()
    share = {}
    for positions in (0, 40):
        tokenizer = KMeansTokenizer.fit(speech, n_clusters=4, positions=positions)
        labels = {str(i): tokenizer.label(h) for i, h in enumerate(speech)}
        share[positions] = label_position_information(labels, 4)["share"]
    assert share[0] > 0.5 and share[40] < 0.05
    found = np.concatenate([labels[str(i)] for i in range(len(q))])
    true = np.concatenate(q)
    assert all(len(set(found[true == s])) == 1 for s in range(4)) and len(set(found)) == 4

    tokenizer.save(tmp_path / "t.safetensors")
    again = KMeansTokenizer.load(tmp_path / "t.safetensors")
    assert again.sizes == {"n_clusters": 4, "feature_dim": 6, "positions": 40}
    assert all(np.array_equal(again.label(h), tokenizer.label(h)) for h in speech)
    empty = KMeansTokenizer(**again.sizes)
    empty.load_state_dict(again.state_dict())
    batch = torch.nn.utils.rnn.pad_sequence(list(map(torch.from_numpy, speech)), batch_first=True)
    both = empty(batch, torch.tensor([len(h) for h in speech]))
    assert all(
        np.array_equal(row[: len(h)], again.label(h)) for row, h in zip(both.numpy(), speech)
    )


def test_without_positions_files_and_sizes_are_as_they_were(tmp_path):
    tokenizer = KMeansTokenizer.fit(timed_speech()[1], n_clusters=4)
    assert tokenizer.sizes == {"n_clusters": 4, "feature_dim": 6}
    assert list(tokenizer.state_dict()) == ["centroids"]


def test_a_stream_that_cannot_start_anew_is_refused():
    _, speech = timed_speech()
    with pytest.raises(UserError, match="positions: the features must be iterable again"):
        KMeansTokenizer.fit(iter(speech), n_clusters=4, positions=10)
    with pytest.raises(UserError, match="positions is -1"):
        KMeansTokenizer.fit(speech, n_clusters=4, positions=-1)


def test_labels_of_chance_tell_nothing_of_the_time():
    rng = np.random.default_rng(0)
    labels = {str(i): rng.integers(0, 20, 100) for i in range(50)}
    found = label_position_information(labels, 20)
    assert 0 <= found["share"] < 0.01
    times = {key: np.arange(100) // 10 for key in labels}
    assert label_position_information(times, 20)["share"] == pytest.approx(1.0, abs=0.02)
    assert label_position_information({"a": np.zeros(9, int)}, 20)["share"] is None
