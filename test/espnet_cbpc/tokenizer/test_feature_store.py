# SPDX-License-Identifier: Apache-2.0
"""Features on disk: what is written comes back, runs resume, and unfit folders are named."""

import json
import logging

import numpy as np
import pytest

from espnet_cbpc.tokenizer.feature_store import FeatureWriter, StoredFeatures, StoredFrames
from espnet_cbpc.utils.cli import UserError

SETTINGS = {"layer": None, "model": "abc"}


def features(ids, dim=3):
    return {u: np.full((2 + i, dim), i / 4, np.float32) for i, u in enumerate(ids)}


def write(folder, ids, settings=SETTINGS, num_per_chunk=2, stop=None):
    """Write what is missing, and break off before utterance ``stop``; return which were written."""
    frames = features(ids)

    def read(part):
        for u in part:
            if u == stop:
                raise KeyboardInterrupt
            yield u, frames[u]

    writer = FeatureWriter(folder, {u: f"{u}.wav" for u in ids}, settings, num_per_chunk)
    done = []
    try:
        done.extend(writer.run(read))
    except KeyboardInterrupt:
        done.append("interrupted")
    return done


def chunk(folder, i):
    return folder / f"chunk.{i:05d}.safetensors"


def test_what_is_written_comes_back_in_order_as_often_as_asked(tmp_path):
    a, b = ["a1", "a2", "a3"], ["b1"]
    write(tmp_path / "1", a)
    write(tmp_path / "2", b)
    stored = StoredFeatures([tmp_path / "1", tmp_path / "2"])
    expected = [*features(a).items(), *features(b).items()]
    for _ in range(2):
        found = list(stored)
        assert [u for u, _ in found] == [u for u, _ in expected]
        for (_, h), (_, wanted) in zip(found, expected):
            assert h.dtype == np.float32
            np.testing.assert_array_equal(h, wanted)
    assert len(stored) == 4 and stored.settings == SETTINGS


def test_frames_alone_start_anew_at_each_iteration(tmp_path):
    write(tmp_path, ["a", "b", "c"])
    frames = StoredFrames(StoredFeatures([tmp_path]))
    assert len(frames) == 3 and iter(frames) is not frames
    assert [len(h) for h in frames] == [len(h) for h in frames] == [2, 3, 4]


def test_a_seed_shuffles_the_chunks_but_not_their_utterances(tmp_path):
    ids = [f"u{i:02d}" for i in range(20)]
    write(tmp_path, ids)
    stored = StoredFeatures([tmp_path], seed=1)
    order = [u for u, _ in stored]
    assert order == [u for u, _ in stored] == [u for u, _ in StoredFeatures([tmp_path], seed=1)]
    assert order != ids and sorted(order) == ids
    assert all(second == f"u{int(first[1:]) + 1:02d}" for first, second in zip(*[iter(order)] * 2))


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    ids = ["a", "b", "c", "d", "e"]
    assert write(tmp_path, ids, stop="e")[-1] == "interrupted"
    with pytest.raises(
        UserError, match=r"1 of 3 chunk\(s\) .* missing .*run dump_encoder_features"
    ):
        StoredFeatures([tmp_path])
    kept = chunk(tmp_path, 0).stat().st_mtime_ns
    chunk(tmp_path, 1).write_bytes(chunk(tmp_path, 1).read_bytes()[:-1])  # cut short
    assert write(tmp_path, ids) == ["c", "d", "e"]
    assert chunk(tmp_path, 0).stat().st_mtime_ns == kept
    assert [u for u, _ in StoredFeatures([tmp_path])] == ids
    assert write(tmp_path, ids) == []


@pytest.mark.parametrize(
    "ids, settings, num_per_chunk",
    [
        (["a", "b", "x"], SETTINGS, 2),
        (["a", "b", "c"], {**SETTINGS, "layer": 3}, 2),
        (["a", "b", "c"], {**SETTINGS, "model": "other"}, 2),
        (["a", "b", "c"], SETTINGS, 1),
    ],
)
def test_features_of_something_else_are_replaced(tmp_path, caplog, ids, settings, num_per_chunk):
    write(tmp_path, ["a", "b", "c"])
    with caplog.at_level(logging.WARNING):
        assert write(tmp_path, ids, settings, num_per_chunk) == ids
    assert "dumping again" in caplog.text
    stored = StoredFeatures([tmp_path])
    assert [u for u, _ in stored] == ids and stored.settings == settings


def test_folders_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(
        UserError, match=r"none/features.json: not the start .*run dump_encoder_features"
    ):
        StoredFeatures([tmp_path / "none"])
    write(tmp_path / "1", ["a"])
    write(tmp_path / "2", ["b"], {**SETTINGS, "layer": 2})
    with pytest.raises(UserError, match="2: features of another model or layer than those in .*1"):
        StoredFeatures([tmp_path / "1", tmp_path / "2"])
    chunk(tmp_path / "1", 0).write_bytes(b"junk")
    with pytest.raises(
        UserError, match=r"chunk.00000.safetensors: not a readable .*run dump_encoder_features"
    ):
        list(StoredFeatures([tmp_path / "1"]))
    (tmp_path / "1" / "features.json").write_text(json.dumps({"some": "json"}))
    with pytest.raises(UserError, match="features.json: not the start"):
        StoredFeatures([tmp_path / "1"])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_features_that_float16_cannot_hold_are_refused(tmp_path, value):
    writer = FeatureWriter(tmp_path, {"a": "a.wav"}, SETTINGS)
    frames = np.zeros((2, 3), np.float32)
    frames[1, 0] = value
    with pytest.raises(UserError, match="a: 1 of 2 frames of the encoder are nan or too large"):
        list(writer.run(lambda part: [("a", frames)]))
    assert [p.name for p in tmp_path.iterdir()] == ["features.json"]
