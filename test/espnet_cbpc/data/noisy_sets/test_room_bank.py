# SPDX-License-Identifier: Apache-2.0
"""Simulated rooms: the array's geometry, delays by distance, reverberation times, one seed."""

import builtins
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from espnet_cbpc.bin import simulate_rooms
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.data.noisy_sets.room_bank import (
    MARGIN,
    TABLET,
    Room,
    RoomRanges,
    draw_room,
    simulate,
    write_room_bank,
)
from espnet_cbpc.utils.cli import UserError

FS = 8000
RANGES = RoomRanges(length=(3, 4), width=(3, 4), rt60=(0.15, 0.2), speakers=2, noises=2)


def distance(a, b):
    return np.linalg.norm(np.subtract(a, b), axis=-1)


def test_tablet_is_that_of_chime():
    """Rows of three, 10 cm from one to the next, 19 cm apart; the second one 2 cm behind."""
    mics = np.array(TABLET)
    assert mics.shape == (6, 3)
    assert distance(mics[0], mics[2]) == pytest.approx(0.2)
    assert distance(mics[3], mics[4]) == distance(mics[4], mics[5]) == pytest.approx(0.1)
    assert distance(mics[0], mics[3]) == distance(mics[2], mics[5]) == pytest.approx(0.19)
    assert (mics[:, 2] == [0, -0.02, 0, 0, 0, 0]).all()


@pytest.mark.parametrize("seed", range(10))
def test_rooms_are_as_asked_for(seed):
    room = draw_room(RANGES, TABLET, np.random.default_rng(seed))
    assert 3 <= room.size[0] <= 4 and 3 <= room.size[1] <= 4 and 0.15 <= room.rt60 <= 0.2
    for place in (*room.microphones, *room.speakers, *room.noises):
        assert all(MARGIN <= x <= length - MARGIN for x, length in zip(place, room.size))
    mics = np.array(room.microphones)
    apart = distance(mics[:, None], mics[None])
    own = np.array(TABLET)
    np.testing.assert_allclose(apart, distance(own[:, None], own[None]), atol=1e-9)  # turned alone
    assert (mics[:3, 2] > mics[3:, 2]).all()  # upright
    middle = (mics[3] + mics[2]) / 2
    assert (distance(np.array(room.noises)[:, :2], middle[:2]) >= 0.99).all()
    for speaker in room.speakers:
        assert 0.5 <= distance(speaker[:2], middle[:2]) <= 1.5
        # in front, where the second microphone is not
        assert distance(speaker, mics[1]) > distance(speaker, (mics[0] + mics[2]) / 2) - 1e-3


def test_direct_path_comes_when_and_as_loud_as_distance_says():
    pytest.importorskip("pyroomacoustics")
    room = Room(
        (4.0, 5.0, 3.0),
        0.15,
        ((1.2, 1, 0.9), (1.3, 1.6, 1.1)),
        ((0.9, 3.1, 1.6),),
        ((3.1, 4.1, 2.2),),
    )
    responses = simulate(room, FS)
    assert set(responses) == {"speech1", "noise1"}
    for name, place in (("speech1", room.speakers[0]), ("noise1", room.noises[0])):
        far = distance(place, np.array(room.microphones))
        peaks = np.abs(responses[name]).argmax(axis=0)
        # all responses begin alike late
        expected = (far[0] - far[1]) / 343.0 * FS
        assert peaks[0] - peaks[1] == pytest.approx(expected, abs=1)
        first = responses[name][: peaks.max() + 8]
        loud = np.sqrt(np.sum(first**2, axis=0))
        assert loud[1] / loud[0] == pytest.approx(far[0] / far[1], rel=0.25)


def test_reverberation_lasts_as_long_as_asked_for():
    pytest.importorskip("pyroomacoustics")
    room = draw_room(replace(RANGES, rt60=(0.3, 0.3)), TABLET, np.random.default_rng(0))
    response = simulate(room, FS)["speech1"][:, 0].astype(float)
    decay = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    slope = np.argmax(decay < -25) - np.argmax(decay < -5)
    assert 3 * slope / FS == pytest.approx(0.3, rel=0.35)
    assert len(response) < 0.45 * FS


def test_bank_is_the_same_for_one_seed_and_any_number_of_processes_and_rooms(tmp_path):
    pytest.importorskip("pyroomacoustics")
    write_room_bank(tmp_path / "a", 3, RANGES, TABLET, FS, seed=1, nj=2)
    write_room_bank(tmp_path / "b", 2, RANGES, TABLET, FS, seed=1)
    write_room_bank(tmp_path / "c", 1, RANGES, TABLET, FS, seed=2)
    names = [f"room0001-{p}.wav" for p in ("noise1", "noise2", "speech1", "speech2")]
    for name in names:
        a, b, c = (soundfile.read(tmp_path / k / name)[0] for k in "abc")  # headers tell the time
        np.testing.assert_array_equal(a, b)
        assert a.shape != c.shape or (a != c).any()
    assert list(read_table(tmp_path / "a" / "rir.scp")) == [
        f"room000{i}-speech{k}" for i in (1, 2, 3) for k in (1, 2)
    ]
    noises = read_table(tmp_path / "a" / "noise_rir.scp")
    assert noises["room0003-noise2"] == str(tmp_path / "a" / "room0003-noise2.wav")
    samples, fs = soundfile.read(noises["room0003-noise2"])
    assert fs == FS and samples.shape[1] == 6 and 0.15 * FS < len(samples) < 0.3 * FS
    lines = (tmp_path / "a" / "rooms.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["room0001", "room0002", "room0003"]


def test_rooms_that_cannot_be_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no room held the array, 2 speaker\(s\) .* larger rooms"):
        draw_room(
            replace(RANGES, length=(1, 1.2), width=(1, 1.2)), TABLET, np.random.default_rng(0)
        )
    pytest.importorskip("pyroomacoustics")
    room = draw_room(RANGES, TABLET, np.random.default_rng(0))
    with pytest.raises(UserError, match="m cannot have a reverberation time as short as 0.02 s"):
        simulate(replace(room, rt60=0.02), FS)


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "pyroomacoustics":
            raise ImportError("No module named 'pyroomacoustics'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[rooms\]'"):
        write_room_bank(tmp_path / "bank", 1, RANGES, TABLET, FS, seed=0)
    assert not (tmp_path / "bank").exists()


def test_command_takes_an_array_of_ones_own(tmp_path):
    pytest.importorskip("pyroomacoustics")
    own = tmp_path / "array.yaml"
    own.write_text("microphones: [[-0.05, 0, 0], [0.05, 0, 0]]\n")
    options = ["--output_dir", str(tmp_path / "bank"), "--num_rooms", "1", "--fs", "8k"]
    options += ["--rt60", "0.15", "0.2", "--length", "3", "4", "--noises", "0", "--nj", "1"]
    simulate_rooms.main([*options, "--array", str(own)])
    assert soundfile.info(tmp_path / "bank" / "room0001-speech1.wav").channels == 2
    assert not (tmp_path / "bank" / "noise_rir.scp").exists()
    own.write_text("microphones: [[0, 0]]\n")
    with pytest.raises(UserError, match="array.yaml: must hold microphones"):
        simulate_rooms.main([*options, "--array", str(own)])
    with pytest.raises(UserError, match="--rt60 0.5 0.2: must be a range"):
        simulate_rooms.main([*options, "--rt60", "0.5", "0.2"])
    with pytest.raises(UserError, match="--num_rooms 0: must be at least 1"):
        simulate_rooms.main([*options, "--num_rooms", "0"])
