# SPDX-License-Identifier: Apache-2.0
"""One reading of audio: every command finds the same samples in a file, or the same fault."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from odd_audio import (
    FS,
    decoded,
    encoded,
    flac_without_length,
    mp3_without_length,
    ogg_without_end,
    resized,
    speech,
)

from espnet_cbpc.data.audio.audio_file import (
    AudioError,
    audio_blocks,
    check_sounding,
    read_audio,
    read_header,
)
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_data_dir
from espnet_cbpc.data.mixing.random_part import random_part
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile, longest_sound, read_noise_folder

SPEECH = speech()
CONTAINERS = ("AIFF", "AU", "CAF", "FLAC", "MP3", "NIST", "OGG", "RF64", "W64", "WAV", "WAVEX")
UNWRITABLE = {"DWVW_12", "MPEG_LAYER_I", "MPEG_LAYER_II"}
KINDS = {
    f"{form}-{subtype}": encoded(SPEECH, form, subtype)
    for form in CONTAINERS
    for subtype in soundfile.available_subtypes(form)
    if subtype not in UNWRITABLE and (form, subtype) != ("WAV", "MPEG_LAYER_III")
}
WAV, AU, FLAC, MP3 = (encoded(SPEECH, form) for form in ("WAV", "AU", "FLAC", "MP3"))
# What players read though the header tells no length, or a wrong one.
KINDS["FLAC from a pipe"] = flac_without_length(FLAC)
KINDS["WAV from a pipe"] = resized(resized(WAV, 4, 0xFFFFFFFF), 40, 0xFFFFFFFF)
KINDS["WAV from sox"] = resized(resized(WAV, 4, 0x7FFFF024), 40, 0x7FFFF000)
KINDS["AU from a pipe"] = resized(AU, 8, 0xFFFFFFFF, ">I")
KINDS["MP3 with a tag in front"] = b"ID3\3\0\0\0\0\x4e\x20" + bytes(10016) + MP3
KINDS["MP3 with a tag behind"] = MP3 + b"TAG" + bytes(125)
KINDS["Ogg with a tag behind"] = KINDS["OGG-VORBIS"] + b"TAG" + bytes(125)
CUT = "audio file is truncated: replace it"
NO_END = "audio file lacks its end mark, so that its length is unknown: replace or convert it"
JOINED = "several audio files joined in one, of which only the first is read: split or convert it"
TOO_SHORT = "audio is too short to have a sample at the requested rate: leave it out"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a file of each kind."""
    path = tmp_path_factory.mktemp("kinds")
    for kind, content in KINDS.items():
        (path / f"{kind}.wav").write_bytes(content)
    return path


@pytest.fixture(scope="module")
def formatted(folder, tmp_path_factory):
    """What formatting makes of all of them: the paths by kind."""
    out = tmp_path_factory.mktemp("data")
    paths = {kind.replace(" ", "_"): str(folder / f"{kind}.wav") for kind in KINDS}
    tables = {"wav.scp": paths, "utt2spk": dict.fromkeys(paths, "s")}
    write_data_dir(out / "in", tables)
    format_data_dir(out / "in", out / "out", FS, require_text=False)
    return read_table(out / "out" / "wav.scp")


@pytest.fixture(scope="module")
def noises(folder):
    return read_noise_folder(folder)


def drawn(path, length):
    """Read by the way of dynamic mixing."""
    return random_part(path, length, FS, np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_of_reading_find_the_same_samples(folder, formatted, noises, kind):
    path = folder / f"{kind}.wav"
    samples, fs = read_audio(path)
    assert fs == FS and read_header(path) == (len(samples), FS)
    assert 16000 <= len(samples) <= 16320  # some codecs fill up their last block
    np.testing.assert_array_equal(np.concatenate(list(audio_blocks(path, FS, 0, 0.3))), samples)
    np.testing.assert_array_equal(drawn(path, len(samples)), samples)
    part, _ = read_audio(path, part=(5000, 9000))
    np.testing.assert_allclose(part, samples[5000:9000], atol=1e-6)
    stored = soundfile.read(formatted[kind.replace(" ", "_")])[0]
    np.testing.assert_allclose(stored, samples, atol=2.0**-14)  # two steps of 16 bits
    assert noises[f"{kind}.wav"] == NoiseFile(FS, *longest_sound(samples, 160))


@pytest.mark.parametrize(
    "kind, most",
    [("WAV-PCM_16", 2e-4), ("WAV-FLOAT", 1e-7), ("NIST-ULAW", 0.02), ("WAV-GSM610", 0.15),
     ("FLAC from a pipe", 2e-4), ("MP3 with a tag in front", 0.15), ("OGG-VORBIS", 0.15)],
)  # fmt: skip
def test_they_are_those_that_were_written(folder, kind, most):
    samples, _ = read_audio(folder / f"{kind}.wav")
    error = samples[: len(SPEECH)] - SPEECH
    assert np.sqrt(np.mean(error**2) / np.mean(SPEECH**2)) < most


def everywhere(path):
    """Return what each way of reading a whole file says of its fault."""
    ways = (
        lambda: read_audio(path, FS),
        lambda: list(audio_blocks(path, FS)),
        lambda: check_sounding(path),
    )
    said = set()
    for way in ways:
        with pytest.raises(AudioError) as refusal:
            way()
        assert refusal.value.where == str(path)
        said.add(refusal.value.problem)
    return said


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_files_without_their_end_or_with_two(tmp_path, subtype):
    whole, path = encoded(SPEECH, "OGG", subtype), tmp_path / "a.ogg"
    for content, problem in (
        (ogg_without_end(whole), NO_END),
        (whole[:-100], NO_END),
        (whole[: len(whole) // 2], NO_END),
        (whole + whole, JOINED),
        (whole + encoded(SPEECH[:3000], "OGG", subtype), JOINED),
    ):
        path.write_bytes(content)
        assert everywhere(path) == {problem}


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "NIST", "RF64", "W64", "WAV", "WAVEX"])
def test_files_cut_short_by_a_little(tmp_path, form):
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(SPEECH, form, "PCM_16")[:-200])
    assert everywhere(path) == {CUT}
    with pytest.raises(AudioError, match=CUT):
        read_header(path)


@pytest.mark.parametrize("form", ["MP3", "FLAC"])
def test_joined_and_cut_files_that_players_play(tmp_path, form):
    whole, path = encoded(SPEECH, form), tmp_path / "a.bin"
    path.write_bytes(whole + whole)
    assert everywhere(path) == {JOINED}
    path.write_bytes(whole[: len(whole) // 2])
    assert everywhere(path) <= {CUT, "not a readable audio file: replace it"}


LOUD_FIRST = np.concatenate([speech(1, 44100), np.zeros(4 * 44100, np.float32)])


@pytest.mark.parametrize(
    "samples, options",
    [
        (np.repeat(SPEECH, 4), {"bitrate_mode": "CONSTANT"}),
        (LOUD_FIRST, {"bitrate_mode": "VARIABLE", "compression_level": 0.2}),
        (LOUD_FIRST[::-1], {"bitrate_mode": "VARIABLE", "compression_level": 0.2}),
    ],
)
def test_mp3_whose_length_can_only_be_estimated(tmp_path, samples, options):
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3_without_length(samples, **options))
    found, rate = read_audio(path)
    frames, more = divmod(len(found), 1152)
    assert more == 0 and 1152 * (frames - 4) <= len(samples) <= len(found)
    assert read_header(path) == (len(found), rate) == (len(found), 44100)
    np.testing.assert_array_equal(np.concatenate(list(audio_blocks(path, rate))), found)
    part, _ = read_audio(path, part=(30_000, 60_000))
    np.testing.assert_allclose(part, found[30_000:60_000], atol=1e-6)
    late = drawn(path, 8000)  # a second from anywhere in the file
    assert late.shape == (8000,) and np.isfinite(late).all()


@pytest.mark.parametrize("suffix", [".raw", ".PCM", ".vox"])
def test_samples_without_a_header_are_called_that(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes((32767 * SPEECH).astype(np.int16).tobytes())
    (problem,) = everywhere(path)
    assert problem.startswith(
        "raw samples, without a header that gives their rate and format: convert"
    )
    path.write_bytes(WAV)  # whatever it is called
    assert read_header(path) == (16000, FS)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("form, subtype", [("WAV", "FLOAT"), ("CAF", "DOUBLE")])
def test_whole_numbers_in_floats_are_scaled_everywhere(tmp_path, form, subtype, bits):
    path = tmp_path / "a.wav"
    pause = np.zeros(8000, np.float32)
    quiet_first = np.concatenate([pause, SPEECH])
    path.write_bytes(encoded(quiet_first * 2.0 ** (bits - 1), form, subtype))
    for found in (
        read_audio(path)[0],
        np.concatenate(list(audio_blocks(path, FS, seconds=0.1))),
        np.concatenate([pause, read_audio(path, part=(8000, 24000))[0]]),
        drawn(path, 24000),
    ):
        np.testing.assert_allclose(found, quiet_first, atol=1e-6)


def test_a_little_overshoot_is_no_other_scale(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(4 * SPEECH, "WAV", "FLOAT"))
    np.testing.assert_array_equal(read_audio(path)[0], 4 * SPEECH)
    np.testing.assert_array_equal(np.concatenate(list(audio_blocks(path, FS))), 4 * SPEECH)


def test_a_file_that_was_written_again_is_looked_at_again(tmp_path):
    path = tmp_path / "a.wav"
    for scale in (1, 32768, 1):
        path.write_bytes(encoded(scale * SPEECH, "WAV", "FLOAT"))
        np.testing.assert_allclose(read_audio(path)[0], SPEECH, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_what_leaves_no_sample_is_too_short(tmp_path, count):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(SPEECH[:count], fs=48000))
    assert everywhere(path) == {TOO_SHORT}
    with pytest.raises(AudioError, match=TOO_SHORT):
        drawn(path, 100)
    path.write_bytes(encoded(SPEECH[:3], fs=48000))
    assert len(read_audio(path, FS)[0]) == sum(map(len, audio_blocks(path, FS))) == 1


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe.flac", b"a" * 251 + b".wav"])
def test_files_of_any_name_are_read(tmp_path, name):
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    path.write_bytes(WAV)
    assert read_header(path) == (16000, FS)
    np.testing.assert_array_equal(read_audio(path)[0], decoded(WAV))


def test_what_the_disk_refuses_is_not_blamed_on_the_format(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    monkeypatch.setattr(os, "pread", fail)
    assert everywhere(path) == {"cannot be read (Input/output error): check the file"}


def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there():
    for path in ("a" * 300, "a\0b", ""):
        with pytest.raises(AudioError, match="no such audio file: correct the path"):
            read_audio(path)
