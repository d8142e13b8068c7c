# SPDX-License-Identifier: Apache-2.0
"""Long recordings: where they are cut, that nothing is lost or heard twice, and the cross-fade."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.inference.long_form import FADE, Cutter
from espnet_cbpc.utils.cli import UserError

FS = 1000
CUTTER = Cutter(FS, window=4.0, overlap=2.0)


def noise(samples, seed=0):
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def in_blocks(samples, size=333):
    return (samples[i : i + size] for i in range(0, len(samples), size))


def same(samples):
    return samples, samples


@pytest.mark.parametrize("samples", [1, 3999, 4000, 4001, 4200, 8000, 30000])
def test_every_sample_is_heard_once_and_written_once(samples):
    recording = noise(samples)
    pieces = list(CUTTER.pieces(in_blocks(recording), same))
    np.testing.assert_array_equal(np.concatenate([p.heard for p in pieces]), recording)
    np.testing.assert_allclose(np.concatenate([p.enhanced for p in pieces]), recording, atol=1e-6)
    starts = np.cumsum([0, *(len(p.heard) for p in pieces)])[:-1]
    assert [p.start for p in pieces] == starts.tolist()
    assert (len(pieces) == 1) == (samples <= 4000)
    # a quarter of the overlap is left at the end of every window
    assert all(len(p.heard) <= 3500 for p in pieces[:-1])
    assert samples < 4001 or len(pieces[-1].heard) > 500


def test_windows_are_no_longer_than_asked():
    seen = []

    def enhance(samples):
        seen.append(len(samples))
        return samples, samples

    pieces = list(CUTTER.pieces(in_blocks(noise(20000)), enhance))
    assert max(seen) == 4000 and len(seen) == len(pieces)


def test_cuts_fall_where_it_is_quiet():
    recording = noise(20000)
    silences = [(s, s + 300) for s in (2700, 5600, 8400, 11500, 14300, 17000)]
    for start, end in silences:
        recording[start:end] *= 0.01
    cuts = [p.start for p in CUTTER.pieces(in_blocks(recording), same)][1:]
    assert len(cuts) == 6
    for cut, (start, end) in zip(cuts, silences):
        assert start + 90 <= cut <= end - 90  # with 0.1 s of quiet on both sides, nearly


def test_of_several_channels_enhance_makes_one():
    recording = np.stack([noise(9000), noise(9000, 1)], axis=1)

    def enhance(samples):
        return samples.mean(axis=1), samples[:, 1]

    pieces = list(CUTTER.pieces(in_blocks(recording), enhance))
    assert len(pieces) > 2
    heard = np.concatenate([piece.heard for piece in pieces])
    np.testing.assert_allclose(heard, recording.mean(axis=1), atol=1e-6)
    noisy = np.concatenate([piece.noisy[-len(piece.heard) :] for piece in pieces])
    np.testing.assert_array_equal(noisy, recording[:, 1])


def test_cuts_follow_the_enhanced_speech():
    recording = noise(6000)
    quiet = np.ones(6000, np.float32)
    quiet[3000:3300] = 0

    def enhance(samples):
        return samples * quiet[: len(samples)], samples

    cut = list(CUTTER.pieces(in_blocks(recording), enhance))[1].start
    assert 3100 <= cut <= 3200


def test_the_cross_fade_is_linear():
    levels = iter([0.0, 1.0])
    recording = noise(6000)
    recording[3000:3300] = 0

    def enhance(samples):
        level = next(levels)
        return samples * 0 + (level if level else 1e-9 * samples), samples

    first, second = CUTTER.pieces(in_blocks(recording), enhance)
    fade = round(FADE * FS)
    assert len(first.heard) - len(first.enhanced) == fade
    np.testing.assert_allclose(
        second.enhanced[:fade], np.arange(1, fade + 1) / (fade + 1), atol=1e-6
    )
    np.testing.assert_array_equal(second.enhanced[fade:], 1.0)


def test_memory_does_not_grow_with_the_recording():
    def blocks():
        for i in range(200):
            yield noise(1000, i)

    bases = (piece.heard.base for piece in CUTTER.pieces(blocks(), same))
    held = [0 if base is None else base.nbytes for base in bases]
    assert max(held) <= 4 * (4000 + 1000)


@pytest.mark.parametrize("window, overlap", [(4, 0.5), (4, 2.5), (1, 0.9)])
def test_overlap_out_of_range(window, overlap):
    with pytest.raises(UserError, match="the overlap must be at least 0.8 s and at most half"):
        Cutter(FS, window, overlap)


def test_real_words_are_not_cut(shared_data):
    words = [read_audio(p)[0] for p in sorted((shared_data / "fsdd").glob("*.wav"))[:24]]
    fs = soundfile.info(next((shared_data / "fsdd").glob("*.wav"))).samplerate
    pause = np.zeros(round(0.3 * fs), np.float32)
    spans, parts, at = [], [], 0
    for word in words:
        spans.append((at, at + len(word)))
        parts += [word, pause]
        at += len(word) + len(pause)
    cutter = Cutter(fs, window=5.0, overlap=2.4)
    cuts = [p.start for p in cutter.pieces(in_blocks(np.concatenate(parts)), same)][1:]
    assert len(cuts) >= 3
    for cut in cuts:
        assert not any(start < cut < end for start, end in spans), cut
