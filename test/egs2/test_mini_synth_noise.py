# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import scipy.signal
import scipy.stats
from generated_noise import BABBLE_KINDS, SEEN_KINDS, UNSEEN_KINDS, make_noise

FS = 8000
SECONDS = 8
KINDS = SEEN_KINDS + UNSEEN_KINDS


@pytest.fixture(scope="module")
def talkers():
    """Stand-ins for speech: tones of 300, 400, ... Hz that pause half of the time."""
    t = np.arange(3 * FS) / FS
    syllables = np.sin(4 * np.pi * t) > 0
    return [np.sin(2 * np.pi * f * t) * syllables for f in range(300, 1300, 100)]


def noise(kind, seed=0, talkers=(), seconds=SECONDS, fs=FS):
    return make_noise(kind, int(seconds * fs), fs, np.random.default_rng(seed), talkers)


def density(x, fs=FS, nperseg=2048):
    return scipy.signal.welch(x, fs, nperseg=nperseg)


def slope(x, low=100, high=3500):
    """Decibels per octave of the spectral density between two edges in Hz."""
    f, p = density(x)
    band = (f >= low) & (f <= high)
    return np.polyfit(np.log2(f[band]), 10 * np.log10(p[band]), 1)[0]


def flatness(x):
    _, p = density(x)
    return np.exp(np.log(p[1:-1]).mean()) / p[1:-1].mean()


def level_spread(x, frame=400):
    """Standard deviation in dB of the level of frames."""
    power = np.square(x[: len(x) // frame * frame].reshape(-1, frame)).mean(1)
    return np.std(10 * np.log10(power))


def test_seen_and_unseen_kinds_are_disjoint():
    assert not set(SEEN_KINDS) & set(UNSEEN_KINDS)
    assert len(SEEN_KINDS) == 5 and len(UNSEEN_KINDS) == 4


@pytest.mark.parametrize("fs", [8000, 16000])
@pytest.mark.parametrize("kind", KINDS)
def test_shape_type_mean_and_power(kind, fs, talkers):
    x = noise(kind, talkers=talkers, seconds=1.3, fs=fs)
    assert x.shape == (int(1.3 * fs),) and x.dtype == np.float32
    assert np.mean(x, dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert np.mean(x.astype(np.float64) ** 2) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_reproducible_by_seed_and_never_equal(kind, talkers):
    noises = [noise(kind, seed, talkers, seconds=2) for seed in range(8)]
    assert np.array_equal(noises[3], noise(kind, 3, talkers, seconds=2))
    for i, x in enumerate(noises):
        for y in noises[:i]:
            correlation = abs(np.corrcoef(x, y)[0, 1])
            assert correlation < (0.9 if kind in BABBLE_KINDS else 0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [2, 50, 399])
def test_very_short_noise_is_finite(kind, length, talkers):
    for seed in range(20):
        x = make_noise(kind, length, FS, np.random.default_rng(seed), talkers)
        assert len(x) == length and np.isfinite(x).all()


def test_white_is_flat_and_gaussian():
    x = noise("white")
    assert slope(x) == pytest.approx(0, abs=0.3)
    assert flatness(x) > 0.95
    assert scipy.stats.kurtosis(x) == pytest.approx(0, abs=0.1)


def test_pink_falls_by_three_decibels_an_octave():
    x = noise("pink")
    assert slope(x) == pytest.approx(-3.01, abs=0.3)
    assert scipy.stats.kurtosis(x) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_hum_is_lines_at_multiples_of_the_mains(seed):
    f, p = density(noise("hum", seed), nperseg=FS)
    on_line = {}
    for mains in (50, 60):
        near = np.abs(f - mains * np.round(f / mains)) <= 2 + 0.006 * f
        on_line[mains] = p[near & (f > 20) & (f < 300)].sum() / p[(f > 20) & (f < 300)].sum()
    assert max(on_line.values()) > 0.95
    assert min(on_line.values()) < 0.9


@pytest.mark.parametrize("seed", range(6))
def test_wind_swells_and_falls_slowly(seed):
    x = noise("wind", seed)
    assert level_spread(x) > 2.5
    assert level_spread(noise("pink", seed)) < 1.2
    level = np.square(x[: len(x) // 800 * 800].reshape(-1, 800)).mean(1)
    assert np.corrcoef(level[1:], level[:-1])[0, 1] > 0.5  # of neighbouring tenths of a second


@pytest.mark.parametrize("seed", range(6))
def test_clatter_is_impulsive(seed):
    x = noise("clatter", seed)
    assert scipy.stats.kurtosis(x) > 8
    assert level_spread(x) > 9


def frame_spectra(x):
    return np.square(np.abs(scipy.signal.stft(x, FS, nperseg=256)[2]))[:, 2:-2]


@pytest.mark.parametrize("seed", range(6))
def test_siren_is_tones_that_move(seed):
    power = frame_spectra(noise("siren", seed))
    strongest = np.sort(power, axis=0)[::-1]
    assert np.median(strongest[:16].sum(0) / power.sum(0)) > 0.85  # 16 of 129 bins at a time
    assert np.corrcoef(power.T).min() < 0.5  # but not always the same bins
    assert np.corrcoef(frame_spectra(noise("hum", seed)).T).min() > 0.6  # those of hum stay


@pytest.mark.parametrize("seed", range(6))
def test_engine_rumbles(seed):
    x = noise("engine", seed)
    assert slope(x) < -5
    f, p = density(x)
    assert p[f > 3500].sum() / p.sum() < 0.01


def test_babble_mixes_three_to_six_of_its_talkers(talkers):
    counts = set()
    for seed in range(30):
        f, p = density(noise("babble", seed, talkers), nperseg=FS)
        tones = p[np.arange(300, 1300, 100)]
        counts.add(int((tones > 0.02 * tones.max()).sum()))
    assert counts == {3, 4, 5, 6}


def test_babble_of_a_single_talker():
    tone = np.sin(np.arange(100) * 0.3)
    assert len(noise("foreign_babble", 0, [tone])) == SECONDS * FS


@pytest.mark.parametrize("kind", BABBLE_KINDS)
def test_babble_while_all_talkers_pause_is_silent(kind):
    assert not noise(kind, 0, [np.zeros(100)] * 4).any()


@pytest.mark.parametrize("kind", BABBLE_KINDS)
def test_babble_needs_talkers(kind):
    with pytest.raises(ValueError, match="babble needs talkers: speech signals to mix"):
        noise(kind)


def test_unknown_kind():
    with pytest.raises(ValueError, match="unknown noise kind 'rain': choose from .*'siren'"):
        noise("rain")
