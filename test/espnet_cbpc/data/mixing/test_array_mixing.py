# SPDX-License-Identifier: Apache-2.0
"""Mixing for arrays: delays, levels, target and SNR are as asked, and a line makes it again."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixing_config import ArrayMixingConfig, parse_mixing_config
from espnet_cbpc.data.mixing.array_mixture import ArrayMixture, ArrayNoise, render
from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig
from espnet_cbpc.data.mixing.reverberation import reverberate
from espnet_cbpc.utils.cli import UserError

FS = 8000
DELAYS = np.array([20, 17, 25])  # of the direct path to each microphone
LEVELS = np.array([1.0, 0.8, 0.5])


def write_list(path, files):
    path.write_text("".join(f"{key} {file}\n" for key, file in files.items()))
    return str(path)


def write(path, samples, fs=FS):
    soundfile.write(path, samples, fs, "FLOAT")
    return str(path)


def response(delays, levels, tail=0.0, seed=0):
    """(L, C): a direct path, and a tail where asked for."""
    rng = np.random.default_rng(seed)
    rir = tail * rng.standard_normal((2400, len(delays))) * np.exp(-np.arange(2400) / 400)[:, None]
    rir[: max(delays) + 80] = 0
    rir[delays, np.arange(len(delays))] = levels
    return rir


@pytest.fixture
def room(tmp_path):
    """Lists of responses of one room: of the speech, and of two places of noise; and of noise."""
    rng = np.random.default_rng(1)
    rir = write(tmp_path / "rir.wav", response(DELAYS, LEVELS, tail=0.1))
    places = {
        f"room1-noise{i}": write(
            tmp_path / f"place{i}.wav", response(DELAYS[::-1] + i, LEVELS, tail=0.1, seed=i)
        )
        for i in range(2)
    }
    single = {
        f"n{fs}": write(tmp_path / f"n{fs}.wav", 0.1 * rng.standard_normal(seconds * fs), fs)
        for fs, seconds in ((20000, 1), (8000, 4))
    }
    array = write(tmp_path / "array.wav", 0.1 * rng.standard_normal((4 * FS, 3)) * LEVELS)
    return {
        "rir_scp": write_list(tmp_path / "rir.scp", {"room1-speech": rir}),
        "noise_rir_scp": write_list(tmp_path / "noise_rir.scp", places),
        "noise_scp": write_list(tmp_path / "noise.scp", single),
        "array_noise": write_list(tmp_path / "array.scp", {"street": array}),
    }


def options(room, **changes):
    names = ("rir_scp", "noise_rir_scp", "noise_scp")
    return {**{k: room[k] for k in names}, "fs": FS, "channels": [0, 1, 2], **changes}


@pytest.fixture
def mixer(room):
    """Function: a mixer of the room with the given options."""
    return lambda **changes: ArrayMixer(parse_mixing_config(options(room, **changes)))


def speech(length=8000):
    return np.random.default_rng(2).normal(0, 0.05, length).astype(np.float32)


def draw(mixer, seed=0, clean=None):
    return mixer(speech() if clean is None else clean, np.random.default_rng(seed))


def delay(signal, reference, most=60):
    """By how many samples ``signal`` comes after ``reference``."""
    products = np.fft.irfft(np.fft.rfft(signal) * np.conj(np.fft.rfft(reference)))
    shifts = np.arange(-most, most + 1)
    return shifts[np.argmax(products[shifts])]


def write_anechoic(tmp_path):
    return write(tmp_path / "dry.wav", response(DELAYS, LEVELS))


def test_channels_keep_their_delays_and_levels(tmp_path):
    mixture = ArrayMixture(FS, (0, 1, 2), 1, rir=write_anechoic(tmp_path))
    clean = speech()
    mixed = render(mixture, clean)
    assert mixed.noisy.shape == (8000, 3) and mixed.reference.shape == (8000,)
    assert mixed.noisy.dtype == mixed.reference.dtype == np.float32
    # the reference channel is aligned with the clean speech and has its level; others follow
    for channel, late in enumerate(DELAYS - DELAYS[1]):
        expected = LEVELS[channel] / LEVELS[1] * np.roll(clean, late)
        np.testing.assert_allclose(mixed.noisy[20:-20, channel], expected[20:-20], atol=1e-5)
    np.testing.assert_allclose(mixed.reference, mixed.noisy[:, 1], atol=1e-6)


@pytest.mark.parametrize("ref_channel", [0, 2])
@pytest.mark.parametrize("early_ms", [0, 50])
def test_target_is_the_direct_path_and_early_reflections_at_the_reference(
    room, tmp_path, ref_channel, early_ms
):
    rir = response(DELAYS, LEVELS, tail=0.1)
    mixture = ArrayMixture(FS, (0, 1, 2), ref_channel, rir=f"{tmp_path}/rir.wav", early_ms=early_ms)
    clean = speech()
    mixed = render(mixture, clean)
    one = rir[:, ref_channel].astype(np.float32)
    early, heard = reverberate(clean, one, FS, early_ms)
    np.testing.assert_allclose(mixed.reference, early, atol=1e-5)
    np.testing.assert_allclose(mixed.noisy[:, ref_channel], heard, atol=1e-5)
    if early_ms == 0:
        np.testing.assert_allclose(mixed.reference, clean, atol=1e-5)
    else:
        assert np.abs(mixed.reference - clean).max() > 0.01


def test_direct_path_is_the_first_arrival_even_where_a_reflection_is_larger(tmp_path):
    rir = np.zeros((200, 2))
    rir[[30, 31], [0, 0]] = 0.64  # between two samples
    rir[[28, 40, 41], [1, 0, 1]] = [1.0, -0.7, 0.7]
    path = write(tmp_path / "two.wav", rir)
    mixed = render(ArrayMixture(FS, (0, 1), 0, rir=path, early_ms=1), speech())
    other = mixed.noisy[:, 1] - np.roll(mixed.noisy[:, 1], 13) * 0.7
    assert delay(other, mixed.reference) in (-2, -3)
    aligned = np.vdot(mixed.reference, speech()) / np.sum(speech() ** 2)
    assert aligned > 0.6 and delay(mixed.reference, speech()) in (0, 1)


@pytest.mark.parametrize("places", [True, False])
@pytest.mark.parametrize("ref_channel", [0, 2])
def test_snr_is_that_of_the_reference_at_its_channel(mixer, room, ref_channel, places):
    changes = {} if places else {"noise_scp": room["array_noise"], "noise_rir_scp": None}
    make = mixer(snr_db=[3, 3], ref_channel=ref_channel, rir_scp=None, **changes)
    for seed in range(5):
        mixed = draw(make, seed)
        noise = mixed.noisy[:, ref_channel] - mixed.reference
        ratio = 10 * np.log10(np.mean(mixed.reference**2) / np.mean(noise**2))
        assert ratio == pytest.approx(3, abs=1e-2)


def test_noise_of_the_array_keeps_its_levels_and_place_in_time(mixer, room):
    make = mixer(snr_db=[-20, -20], noise_scp=room["array_noise"], noise_rir_scp=None, rir_scp=None)
    mixed = draw(make)
    noise = mixed.noisy - mixed.reference[:, None]
    recorded, _ = soundfile.read(room["array_noise"].replace(".scp", ".wav"), dtype="float32")
    levels = np.sqrt(np.mean(noise**2, axis=0))
    np.testing.assert_allclose(levels / levels[0], LEVELS, rtol=0.05)
    # every channel is one part of the recording, the same in all
    starts = [np.argmax(np.correlate(recorded[:, c], noise[:, c], "valid")) for c in range(3)]
    assert len(set(starts)) == 1
    part = recorded[starts[0] : starts[0] + 8000]
    gain = np.vdot(noise, part) / np.vdot(part, part)
    np.testing.assert_allclose(noise, gain * part, atol=1e-3 * np.abs(noise).max())


def test_noise_of_one_channel_comes_from_its_place(tmp_path, room):
    place = write(tmp_path / "place.wav", response(DELAYS[::-1], LEVELS))
    noise = ArrayNoise(f"{tmp_path}/n20000.wav", 123, place)  # wraps round its end of 1 s
    mixture = ArrayMixture(FS, (0, 1, 2), 0, noises=(noise,), snr_db=-30.0)
    mixed = render(mixture, speech(16000))
    heard = mixed.noisy - mixed.reference[:, None]
    assert np.std(heard[:200, 0]) > 0.5 * np.std(heard[:, 0])  # it has sounded before
    for channel in (1, 2):
        late = DELAYS[::-1][channel] - DELAYS[::-1][0]
        assert delay(heard[:, channel], heard[:, 0]) == late
        ratio = np.std(heard[:, channel]) / np.std(heard[:, 0])
        assert ratio == pytest.approx(LEVELS[channel] / LEVELS[0], rel=0.02)


def test_speech_and_noise_are_in_one_room(tmp_path, mixer, room):
    rirs, places = {}, {}
    for i in range(4):
        path = write(tmp_path / f"r{i}.wav", response(DELAYS, LEVELS))
        rirs[f"room{i}-speech"] = path
        places.update(
            {
                f"room{i}-n{k}": write(tmp_path / f"r{i}n{k}.wav", response(DELAYS, LEVELS))
                for k in "ab"
            }
        )
    make = mixer(
        rir_scp=write_list(tmp_path / "rooms.scp", rirs),
        noise_rir_scp=write_list(tmp_path / "places.scp", places),
        num_noises=[1, 2],
    )
    numbers = set()
    for seed in range(80):
        mixture = make.draw(8000, np.random.default_rng(seed))
        stem = mixture.rir.removesuffix(".wav")
        heard_from = [noise.rir for noise in mixture.noises]
        assert all(place in (f"{stem}na.wav", f"{stem}nb.wav") for place in heard_from)
        assert len(set(heard_from)) == len(heard_from)  # no two from one place
        numbers.add((stem[-1], len(heard_from)))
    assert numbers == {(str(i), n) for i in range(4) for n in (1, 2)}


def test_mixture_is_rebuilt_bit_for_bit_from_its_line(mixer):
    make = mixer(snr_db=[-5, 10], level_db=[-6, 3], num_noises=[1, 2], clean_prob=0.2)
    kinds = set()
    for seed in range(20):
        line = make.draw(8000, np.random.default_rng(seed)).line
        assert "\n" not in line
        again = render(ArrayMixture.parse(line), speech())
        mixed = draw(make, seed)
        assert mixed.category == again.category
        np.testing.assert_array_equal(mixed.noisy, again.noisy)
        np.testing.assert_array_equal(mixed.reference, again.reference)
        kinds.add(mixed.category)
    assert kinds == {"SIMU", "CLEAN"}


def test_fewer_channels_hear_the_same(mixer):
    whole = draw(mixer(num_noises=[2, 2], ref_channel=2))
    part = draw(mixer(num_noises=[2, 2], channels=[2, 0]))
    gain = part.reference[0] / whole.reference[0]  # that against clipping
    np.testing.assert_allclose(part.noisy, gain * whole.noisy[:, [2, 0]], atol=1e-5)
    one = draw(mixer(num_noises=[2, 2], channels=[2]))
    assert one.noisy.shape == (8000,)  # as a file of one channel is read
    gain = one.reference[0] / whole.reference[0]
    np.testing.assert_allclose(one.noisy, gain * whole.noisy[:, 2], atol=1e-5)


def test_recordings_may_have_a_file_for_each_channel(tmp_path, mixer, room):
    recorded, _ = soundfile.read(room["array_noise"].replace(".scp", ".wav"))
    files = [write(tmp_path / f"street.CH{c}.wav", recorded[:, c]) for c in range(3)]
    split = write_list(tmp_path / "split.scp", {"street": " ".join(files)})
    one, several = (
        draw(mixer(noise_scp=noise, noise_rir_scp=None)) for noise in (room["array_noise"], split)
    )
    np.testing.assert_array_equal(one.noisy, several.noisy)
    write(files[1], recorded[:-1, 1])
    with pytest.raises(UserError, match="street.CH1.*channels differ in length"):
        mixer(noise_scp=split, noise_rir_scp=None)


def test_clean_draws_have_the_speech_in_every_channel(mixer):
    mixed = draw(mixer(clean_prob=1.0))
    assert mixed.category == "CLEAN"
    np.testing.assert_array_equal(mixed.noisy, np.repeat(mixed.reference[:, None], 3, axis=1))
    assert draw(mixer(given_prob=1.0)) is None


def test_nothing_clips_in_any_channel(mixer):
    loud = 0.9 * speech() / np.abs(speech()).max()
    for seed in range(5):
        mixed = draw(mixer(snr_db=[-10, -10]), seed, loud)
        assert 0.5 < np.abs(mixed.noisy).max() <= 0.9 + 1e-6


def test_silent_parts_are_drawn_again(tmp_path, mixer):
    click = np.zeros((80_000, 3))
    click[40_000:60_000] = 0.1
    for name, samples in {"click": click, "silence": 0 * click}.items():
        write_list(tmp_path / f"{name}.scp", {name: write(tmp_path / f"{name}.wav", samples)})
    options = {"noise_rir_scp": None, "noise_scp": f"{tmp_path}/click.scp", "snr_db": [0, 0]}
    for seed in range(10):
        mixed = draw(mixer(rir_scp=None, **options), seed)
        assert np.std(mixed.noisy[:, 0] - mixed.reference) > 0
    options["noise_scp"] = f"{tmp_path}/silence.scp"
    with pytest.raises(UserError, match="silence.scp: none of 10 excerpts .* has noise"):
        draw(mixer(**options))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"channels": []}, "channels is .*must be a list"),
        ({"channels": [0, -1]}, "must hold whole numbers from 0 on"),
        ({"channels": [0, 0]}, "names a channel twice"),
        ({"channels": [0, 3]}, "the array has 3 channel.*from 0 to 2"),
        ({"ref_channel": 3}, "ref_channel is 3, but the mixture has 3 channel.*from 0 to 2"),
        ({"ref_channel": 1.0}, "ref_channel is 1.0"),
        ({"noise_rir_scp": 3}, "noise_rir_scp is 3: must be the name of a file"),
        ({"noise_rir_scp": None}, r"2 of 2 recording\(s\) have one channel .* give noise_rir_scp"),
        ({"noise_rir_scp": None, "channels": [2]}, r"2 of 2 recording\(s\) have one channel"),
        ({"num_noises": [1, 3]}, "1 of 1 room.* fewer places than num_noises asks for, 3"),
        ({"fs": 16000}, r"3 of 3 response\(s\) .*not at fs, 16000 Hz .*the first: 8000 Hz"),
        ({"rooms": 3}, "unknown option.* rooms: use .*noise_rir_scp"),
    ],
)
def test_bad_options_are_named(mixer, changes, message):
    with pytest.raises(UserError, match=message):
        mixer(**changes)


def test_recordings_of_other_arrays_are_refused(tmp_path, mixer, room):
    rir = write(tmp_path / "two.wav", response(DELAYS[:2], LEVELS[:2]))
    two = write_list(tmp_path / "two.scp", {"room1-speech": rir})
    message = "differ in their number of channels .*two.wav has 2, .*array.wav has 3"
    with pytest.raises(UserError, match=message):
        mixer(rir_scp=two, noise_scp=room["array_noise"], noise_rir_scp=None, channels=[0])
    gone = write_list(tmp_path / "gone.scp", {"a": f"{tmp_path}/a.CH1.wav {tmp_path}/a.CH2.wav"})
    with pytest.raises(UserError, match=r"2 of 2 recording\(s\) not found"):
        mixer(noise_scp=gone)
    silent = response(DELAYS, [1.0, 0.0, 1.0])
    write(tmp_path / "rir.wav", silent)
    with pytest.raises(UserError, match="rir.wav: the room impulse response is silent"):
        draw(mixer())


def test_a_line_that_is_none_is_named(mixer):
    for line in (
        "{}",
        "no json",
        json.dumps({"fs": 8000, "channels": [0], "noises": [[1, 2, 3, 4]]}),
    ):
        with pytest.raises(UserError, match="not a mixture of an array"):
            ArrayMixture.parse(line)


def test_options_with_channels_are_those_of_an_array(room):
    assert type(parse_mixing_config(options(room))) is ArrayMixingConfig
    assert type(parse_mixing_config({"noise_scp": "a", "fs": FS})) is DynamicMixingConfig
    own = {f.name for f in dataclasses.fields(DynamicMixingConfig)}
    assert own < {f.name for f in dataclasses.fields(ArrayMixingConfig)}
