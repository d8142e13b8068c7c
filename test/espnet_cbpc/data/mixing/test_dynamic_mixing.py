# SPDX-License-Identifier: Apache-2.0
"""Dynamic mixing: SNR, reference, levels and shares are as asked, and every draw is seeded."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.mixing.dynamic_mixer import DynamicMixer
from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig
from espnet_cbpc.data.mixing.reverberation import reverberate
from espnet_cbpc.data.mixing.snr import PEAK
from espnet_cbpc.utils.cli import UserError

FS = 8000


def write_list(path, files):
    path.write_text("".join(f"{i:03d} {file}\n" for i, file in enumerate(files)))
    return str(path)


@pytest.fixture
def noises(tmp_path):
    """Three noises of another kind, rate and length each."""
    rng = np.random.default_rng(0)
    files = []
    for i, (fs, seconds) in enumerate([(8000, 3.0), (16000, 0.4), (20000, 5.0)]):
        files.append(tmp_path / f"noise{i}.wav")
        write_audio(files[-1], 0.1 * rng.standard_normal(round(fs * seconds)).clip(-5, 5), fs)
    return write_list(tmp_path / "noise.scp", files)


@pytest.fixture
def rirs(tmp_path):
    """One room: direct path after 20 samples, decaying for 0.3 s."""
    rng = np.random.default_rng(1)
    tail = 0.3 * rng.standard_normal(2400) * np.exp(-np.arange(2400) / 500)
    path = tmp_path / "rir.wav"
    soundfile.write(path, np.r_[np.zeros(20), 1.0, tail], FS, "FLOAT")
    return write_list(tmp_path / "rir.scp", [path])


@pytest.fixture
def mixer(noises):
    """Function: a mixer with the given options."""

    def make(**options):
        return DynamicMixer(DynamicMixingConfig.parse({"noise_scp": noises, "fs": FS, **options}))

    return make


def speech(length=8000, level=0.05):
    """Noise-like speech with a pause of digital silence, which counts towards no SNR."""
    samples = np.random.default_rng(2).normal(0, level, length).astype(np.float32)
    samples[length // 5 : 2 * length // 5] = 0  # whole frames
    return samples


def power_db(signal, active):
    return 10 * np.log10(np.mean(signal[active].astype(np.float64) ** 2))


def draw(mixer, clean, seed):
    return mixer(clean, np.random.default_rng(seed))


def snr_of(mixed, clean):
    active = clean != 0
    return power_db(mixed.reference, active) - power_db(mixed.noisy - mixed.reference, active)


@pytest.mark.parametrize("num_noises", [[1, 1], [2, 3]])
@pytest.mark.parametrize("snr", [-5, 12.5])
def test_snr_is_as_asked(mixer, snr, num_noises):
    clean = speech()
    mix = mixer(snr_db=[snr, snr], num_noises=num_noises)
    for seed in range(10):
        mixed = draw(mix, clean, seed)
        assert mixed.noisy.shape == mixed.reference.shape == clean.shape
        assert mixed.noisy.dtype == mixed.reference.dtype == np.float32
        assert snr_of(mixed, clean) == pytest.approx(snr, abs=1e-2)
        assert mixed.category == "SIMU"


def test_snrs_fill_the_range_evenly(mixer):
    clean = speech(800)
    mix = mixer(snr_db=[-5, 15])
    snrs = [snr_of(draw(mix, clean, seed), clean) for seed in range(600)]
    assert min(snrs) >= -5.01 and max(snrs) <= 15.01
    counts, _ = np.histogram(snrs, bins=4, range=(-5.01, 15.01))
    assert np.sum((counts - 150) ** 2 / 150) < 20  # chi-square of 3 degrees: 1 in 5,000


def test_reference_is_the_speech_itself_unless_something_would_clip(mixer):
    clean = speech()
    np.testing.assert_array_equal(draw(mixer(snr_db=[10, 10]), clean, 0).reference, clean)
    loud = 0.8 * clean / np.abs(clean).max()
    mixed = draw(mixer(snr_db=[-10, -10]), loud, 0)
    gain = mixed.reference[0] / loud[0]
    assert gain < 1 and np.abs(mixed.noisy).max() == pytest.approx(PEAK, rel=1e-5)
    np.testing.assert_allclose(mixed.reference, gain * loud, rtol=1e-5)
    assert snr_of(mixed, clean) == pytest.approx(-10, abs=1e-2)


def test_levels_are_drawn_from_the_range(mixer):
    clean = speech()
    mix = mixer(level_db=[-12, -6], snr_db=[20, 20])
    ratios = [draw(mix, clean, seed).reference[0] / clean[0] for seed in range(50)]
    levels = 20 * np.log10(ratios)
    assert -12 <= levels.min() < -11 and -7 < levels.max() <= -6


def test_reverberation_keeps_early_reflections_level_and_time(mixer, rirs):
    clean = speech()
    mix = mixer(rir_scp=rirs, rir_prob=1.0, snr_db=[60, 60], early_ms=20)
    mixed = draw(mix, clean, 0)
    rir, _ = read_audio(rirs.replace(".scp", ".wav"))
    early, heard = reverberate(clean, rir, FS, 20)
    np.testing.assert_allclose(mixed.reference, early, atol=1e-6)
    assert np.sum(mixed.reference**2) == pytest.approx(np.sum(clean**2), rel=1e-4)
    late = mixed.noisy - mixed.reference
    error = late - (heard - early)  # the noise, 60 dB below the speech
    assert np.sum(error**2) < 1e-4 * np.sum(late**2)


def test_snr_of_reverberated_speech_is_that_of_the_reference(mixer, rirs):
    clean = speech()
    clean[clean == 0] = 1e-3  # all active, also after reverberation
    mix = mixer(rir_scp=rirs, rir_prob=1.0, snr_db=[0, 0])
    mixed = draw(mix, clean, 0)
    rir, _ = read_audio(rirs.replace(".scp", ".wav"))
    early, heard = reverberate(clean, rir, FS, 50)
    gain = np.vdot(mixed.reference, early) / np.vdot(early, early)
    noise = mixed.noisy - gain * heard
    everywhere = np.ones(len(clean), bool)
    snr = power_db(mixed.reference, everywhere) - power_db(noise, everywhere)
    assert snr == pytest.approx(0, abs=1e-2)


def test_kinds_of_utterances_have_their_shares(mixer, rirs):
    clean = speech(400)
    mix = mixer(clean_prob=0.2, given_prob=0.3, rir_scp=rirs, rir_prob=0.25, snr_db=[20, 20])
    counts = {"given": 0, "clean": 0, "dry": 0, "reverberated": 0}
    for seed in range(2000):
        mixed = draw(mix, clean, seed)
        if mixed is None:
            counts["given"] += 1
        elif mixed.category == "CLEAN":
            np.testing.assert_array_equal(mixed.noisy, clean)
            np.testing.assert_array_equal(mixed.reference, clean)
            counts["clean"] += 1
        else:
            is_dry = np.array_equal(mixed.reference, clean)
            counts["dry" if is_dry else "reverberated"] += 1
    expected = np.array([600, 400, 750, 250])
    assert np.sum((np.array(list(counts.values())) - expected) ** 2 / expected) < 20


def test_draws_follow_from_the_generator_alone(mixer, rirs):
    clean = speech()
    mix = mixer(rir_scp=rirs, clean_prob=0.1, level_db=[-6, 0], num_noises=[1, 2])
    first = [draw(mix, clean, seed) for seed in range(20)]
    again = [draw(mix, clean, seed) for seed in reversed(range(20))][::-1]
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a.noisy, b.noisy)
        np.testing.assert_array_equal(a.reference, b.reference)
    assert len({m.noisy.tobytes() for m in first}) == 20


def test_the_input_is_left_alone(mixer):
    clean = speech(level=0.5)
    before = clean.copy()
    for options in ({}, {"clean_prob": 1.0}):
        draw(mixer(level_db=[6, 6], **options), clean, 0)
        np.testing.assert_array_equal(clean, before)


def test_pauses_of_noise_recordings_are_drawn_round(tmp_path, mixer):
    """A recording that is mostly digital silence gives its noise; one of silence alone does not."""
    click = np.zeros(80_000)
    click[40_000:60_000] = 0.1
    for name, samples in {"click": click, "silence": np.zeros(80_000)}.items():
        write_audio(tmp_path / f"{name}.wav", samples, FS)
        write_list(tmp_path / f"{name}.scp", [tmp_path / f"{name}.wav"])
    mix = mixer(noise_scp=str(tmp_path / "click.scp"), snr_db=[0, 0])
    for seed in range(20):
        assert snr_of(draw(mix, speech(), seed), speech()) == pytest.approx(0, abs=1e-2)
    mix = mixer(noise_scp=str(tmp_path / "silence.scp"))
    with pytest.raises(UserError, match="silence.scp: none of 10 excerpts .* has noise"):
        draw(mix, speech(), 0)


def test_what_cannot_be_mixed_is_named(tmp_path, mixer):
    with pytest.raises(UserError, match="the speech is silent"):
        draw(mixer(), np.zeros(800, np.float32), 0)
    (tmp_path / "noise0.wav").write_text("no audio")
    mix = mixer()
    with pytest.raises(UserError, match="noise0.wav: not a readable audio file"):
        for seed in range(50):
            draw(mix, speech(), seed)
    write_audio(tmp_path / "silent.wav", np.zeros(100), FS)
    rirs = write_list(tmp_path / "silent.scp", [tmp_path / "silent.wav"])
    with pytest.raises(UserError, match="silent.wav: the room impulse response is silent"):
        draw(mixer(rir_scp=rirs, rir_prob=1.0), speech(), 0)


def test_real_speech_and_noises_of_another_rate(shared_data, tmp_path, mixer):
    files = sorted((shared_data / "nonspeech").glob("*.wav"))[:20]
    noise_scp = write_list(tmp_path / "hu.scp", files)
    clean, fs = read_audio(sorted((shared_data / "fsdd").rglob("*.wav"))[0])
    assert fs == FS
    mix = mixer(noise_scp=noise_scp, snr_db=[5, 5])
    for seed in range(20):
        mixed = draw(mix, clean, seed)
        assert mixed.noisy.shape == clean.shape and np.abs(mixed.noisy).max() <= PEAK + 1e-6
        noise = mixed.noisy - mixed.reference
        assert 0 < np.sum(noise**2) < np.sum(mixed.reference**2)
