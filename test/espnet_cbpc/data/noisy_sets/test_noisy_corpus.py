# SPDX-License-Identifier: Apache-2.0
"""Noisy sets of one's own corpus: what is drawn, what is written, what is said of bad input."""

import re
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile

from espnet_cbpc.bin import prepare_noisy_corpus
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.noisy_sets.corpus_split import split_noises, split_speakers
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile, longest_sound, read_noise_folder
from espnet_cbpc.data.noisy_sets.noisy_corpus import SETS, NoisyCorpus, Protocol
from espnet_cbpc.data.noisy_sets.noisy_mixture import audio_files, read_manifest, rebuild
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.utils.cli import UserError

SPEAKERS = [f"s{number:02d}" for number in range(20)]
RECORDINGS = [
    Recording(f"{speaker}-{i}", f"{speaker}/{i}.wav", speaker, "word")
    for speaker in SPEAKERS
    for i in range(30)
]
NOISES = {f"{kind}/{i}.wav": NoiseFile(16000, 100 * i, 9000 + i) for kind in "ab" for i in range(5)}
NOISES["long.wav"] = NoiseFile(8000, 0, 8000 * 3600)


def draw(seed=0, recordings=RECORDINGS, **options):
    return NoisyCorpus(recordings, NOISES, Protocol(8000, **options), seed).sets()


@pytest.fixture(scope="module")
def drawn():
    return draw()


def test_no_speaker_is_in_two_sets_and_all_are_in_one(drawn):
    speakers = {name: {m.speaker for m in drawn[name]} for name in SETS}
    assert len(speakers["test_clean"]) == len(speakers["dev"]) == 2
    assert speakers["test_clean"] == speakers["test_seen"] == speakers["test_unseen"]
    together = [*speakers["train"], *speakers["dev"], *speakers["test_clean"]]
    assert sorted(together) == SPEAKERS


def test_unseen_noise_is_never_heard_in_training_nor_seen_noise_twice(drawn):
    spans = {name: {} for name in SETS}
    for name in SETS:
        for mixture in drawn[name]:
            spans[name].setdefault(mixture.noise, []).append(mixture.segment)
    unseen = set(spans["test_unseen"])
    assert len(unseen) == 3 and not unseen & {*spans["train"], *spans["dev"], *spans["test_seen"]}
    for name in ("dev", "test_seen"):
        for noise, segments in spans[name].items():
            assert noise in spans["train"] and noise in NOISES
            last = max(end for _, end in spans["train"][noise])
            assert all(begin >= last for begin, _ in segments)
    for mixture in (m for name in SETS for m in drawn[name] if m.noise):
        begin, end = mixture.segment
        rate, first, last = NOISES[mixture.noise]
        assert first <= begin < end <= last and end - begin <= 60 * rate
        assert 0 <= mixture.offset < (end - begin) * mixture.fs // rate


def test_every_training_utterance_comes_once_some_clean(drawn):
    heard = Counter(m.recordings for m in drawn["train"])
    assert set(heard.values()) == {1} and len(heard) == 16 * 30
    clean = sum(m.noise is None for m in drawn["train"])
    assert 0.03 * 480 < clean < 0.14 * 480
    assert all(-5 <= m.snr <= 20 for m in drawn["train"] if m.noise)
    counts = Counter(m.noise for m in drawn["train"] if m.noise)
    assert max(counts.values()) - min(counts.values()) <= 1 and len(counts) == 8


def test_a_test_utterance_is_there_at_every_ratio_in_one_place_of_one_noise(drawn):
    by_speech = {}
    for mixture in drawn["test_seen"]:
        by_speech.setdefault(mixture.recordings, []).append(mixture)
    assert len(by_speech) == len(drawn["test_clean"]) == 60
    for mixtures in by_speech.values():
        assert sorted(m.snr for m in mixtures) == [-5, 0, 5, 10, 15]
        assert len({(m.noise, m.segment, m.offset) for m in mixtures}) == 1


def test_ids_are_unique_sorted_and_begin_with_the_speaker(drawn):
    for mixtures in drawn.values():
        ids = [mixture.id for mixture in mixtures]
        assert ids == sorted(set(ids))
        assert all(mixture.id.startswith(f"{mixture.speaker}-") for mixture in mixtures)
    assert re.fullmatch(r"s\d\d-\d+-n\d{4}-snr-5", min(m.id for m in drawn["test_seen"]))


def test_the_seed_decides_alone(drawn):
    assert draw() == drawn
    assert draw(seed=1) != drawn
    assert draw(recordings=RECORDINGS[::-1])["train"] != []


def test_the_training_share_does_not_change_the_other_sets(drawn):
    other = draw(clean_fraction=0.9)
    assert all(other[name] == drawn[name] for name in SETS if name != "train")
    assert sum(m.noise is None for m in other["train"]) > 400


def test_fewer_dev_and_test_utterances_on_demand():
    few = draw(num_dev=7, num_test=3, test_snrs=[0])
    assert {name: len(few[name]) for name in SETS[1:]} == dict(zip(SETS[1:], (7, 3, 3, 3)))


def test_named_speakers_and_noises():
    sets = draw(dev_speakers=["s03"], test_speakers=["s04", "s05"], unseen_noise=["b", "long.wav"])
    assert {m.speaker for m in sets["dev"]} == {"s03"}
    assert {m.speaker for m in sets["test_clean"]} == {"s04", "s05"}
    assert {m.noise for m in sets["test_unseen"]} <= {n for n in NOISES if n[0] in "bl"}
    assert {m.noise for m in sets["test_seen"]} <= {n for n in NOISES if n[0] == "a"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dev_speakers": ["zoe"]}, "--dev_speakers: no such speaker: zoe; there are 20: s00, s01"),
        ({"dev_speakers": ["s01"], "test_speakers": ["s01"]}, "s01: in both --dev_speakers and"),
        ({"unseen_noise": ["c"]}, "--unseen_noise: no such noise file or folder: c; there are 11"),
        ({"unseen_fraction": 1}, "all of 11 noise file(s) are unseen, which leaves none for train"),
        ({"test_speakers": SPEAKERS[:19]}, "20 speaker(s) (s00, s01, s02, s03, s04 and 15 more)"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        draw(**options)


def test_three_speakers_and_two_noises_are_enough_and_fewer_are_not():
    rng = np.random.default_rng(0)
    assert [len(s) for s in split_speakers("abc", (), (), 0.1, 0.1, rng)] == [1, 1, 1]
    assert [len(s) for s in split_noises("ab", (), 0.3, rng)] == [1, 1]
    with pytest.raises(UserError, match=r"2 speaker\(s\) \(a, b\) are too few"):
        split_speakers("ab", (), (), 0.1, 0.1, rng)
    with pytest.raises(UserError, match=r"all of 1 noise file\(s\)"):
        split_noises("a", (), 0.3, rng)


@pytest.mark.parametrize(
    "signal, pause, expected",
    [
        ([0, 0, 1, 1, 0, 1, 0, 0], 2, (2, 6)),
        ([1, 0, 0, 0, 1, 1, 1], 2, (4, 7)),
        ([1, 1, 1, 0, 0, 0, 1], 2, (0, 3)),
        ([1, 0, 1, 0, 0, 1], 2, (0, 3)),
        ([0, 0], 2, (0, 0)),
        ([], 2, (0, 0)),
    ],
)
def test_longest_sound(signal, pause, expected):
    assert longest_sound(np.array(signal, dtype=float), pause) == expected


def test_noise_that_cannot_be_used_is_named_with_all_other(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (8000, 2))
    noise[:3000] = noise[7000:] = 0
    soundfile.write(tmp_path / "good.wav", noise, 8000)
    assert read_noise_folder(tmp_path) == {"good.wav": NoiseFile(8000, 3000, 7000)}
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    soundfile.write(tmp_path / "short.wav", noise[3000:3500], 8000)
    (tmp_path / "text.flac").write_text("no audio")
    with pytest.raises(UserError) as e:
        read_noise_folder(tmp_path, nj=2)
    assert "2 of 4 noise file(s): noise is audible for less than 0.1 s: leave it out" in str(
        e.value
    )
    assert "1 of 4 noise file(s): not a readable audio file" in str(e.value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Speech of four speakers in two formats and rates, and stereo noise shorter than it."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    lines = []
    for number, speaker in enumerate(("ann", "bob", "cat", "dan")):
        (folder / "speech" / speaker).mkdir(parents=True)
        for i, (rate, suffix) in enumerate(((8000, "wav"), (16000, "flac"), (8000, "wav"))):
            tone = 0.3 * np.sin(np.arange(rate) * rng.uniform(0.1, 0.5))
            soundfile.write(folder / "speech" / speaker / f"{speaker}{i}.{suffix}", tone, rate)
            lines.append(f"{speaker}{i} word{number} word{i}\n")
    (folder / "speech" / "text").write_text("".join(reversed(lines)))
    (folder / "noise" / "street").mkdir(parents=True)
    for i in range(3):
        noise = rng.normal(0, 0.1, (3000, 2))
        soundfile.write(folder / "noise" / "street" / f"n{i}.wav", noise, 11025)
    return folder


def prepare(folders, data, *more):
    named = ["--speech", f"{folders}/speech", "--noise", f"{folders}/noise", "--data", str(data)]
    prepare_noisy_corpus.main([*named, "--fs", "8k", "--nj", "1", *more])


@pytest.fixture(scope="module")
def prepared(folders, tmp_path_factory):
    data = tmp_path_factory.mktemp("prepared") / "data"
    prepare(folders, data)
    return data


@pytest.mark.parametrize("name", SETS)
def test_data_directories_are_valid_and_every_mixture_is_rebuilt_bit_for_bit(
    prepared, folders, name
):
    data = DataDir.read(prepared / name)
    mixtures = read_manifest(prepared / "manifests" / f"{name}.jsonl")
    assert data.ids == [mixture.id for mixture in mixtures]
    for mixture in mixtures:
        digits = re.search(r"(\d)\.\w+$", mixture.recordings[0])[1]
        assert data.tables["text"][mixture.id].endswith(f"word{digits}")
        signals = rebuild(mixture, folders / "speech", folders / "noise")
        assert len(signals.clean) == 8000
        for kind, path in audio_files(mixture, prepared / "audio" / name).items():
            written, fs = soundfile.read(path, dtype="int16")
            assert fs == 8000
            assert np.array_equal(getattr(signals, kind) * 32768, written)


def test_tables_say_what_the_mixtures_are(prepared):
    data = DataDir.read(prepared / "test_unseen")
    assert len(data.ids) == 3 * 5
    assert set(data.categories.values()) == {"SIMU"}
    assert set(data.tables["utt2snr"].values()) == {"-5", "0", "5", "10", "15"}
    assert set(data.tables["utt2noise"].values()) < {"n0", "n1", "street-n2"}
    assert set(DataDir.read(prepared / "test_clean").categories.values()) == {"CLEAN"}
    sizes = [len(DataDir.read(prepared / name).ids) for name in SETS]
    assert sizes == [6, 3, 3, 15, 15]


def test_without_transcripts_there_is_no_text(folders, tmp_path):
    (tmp_path / "speech").symlink_to(folders / "speech")
    (tmp_path / "bare").mkdir()
    for speaker in ("ann", "bob", "cat"):
        (tmp_path / "bare" / speaker).symlink_to(folders / "speech" / speaker)
    named = ["--speech", f"{tmp_path}/bare", "--noise", f"{folders}/noise"]
    prepare_noisy_corpus.main([*named, "--fs", "8000", "--data", f"{tmp_path}/data", "--nj", "1"])
    for name in SETS:
        assert "text" not in DataDir.read(tmp_path / "data" / name, require_text=False).tables


def test_clean_speech_that_cannot_be_used_is_named_before_anything_is_written(folders, tmp_path):
    shutil.copytree(folders, tmp_path / "corpus")
    speech = tmp_path / "corpus" / "speech"
    for path in (speech / "ann/ann0.wav", speech / "bob/bob0.wav"):
        soundfile.write(path, np.zeros(8000), 8000)
    soundfile.write(speech / "cat/cat0.wav", np.full(8000, np.nan), 8000, "FLOAT")
    flac = (speech / "dan/dan1.flac").read_bytes()
    (speech / "dan/dan1.flac").write_bytes(flac[: len(flac) // 2])
    with pytest.raises(UserError) as e:
        prepare(tmp_path / "corpus", tmp_path / "data")
    for problem in (
        "2 of 12 audio file(s): audio is silent: leave it out (ann/ann0.wav: ",
        "1 of 12 audio file(s): audio has samples that are not finite (NaN or inf): replace it (",
        "1 of 12 audio file(s): not a readable audio file: replace it (dan/dan1.flac: ",
    ):
        assert problem in str(e.value)
    assert not (tmp_path / "data").exists()


def test_sets_that_a_late_fault_concerns_do_not_pass_for_whole(
    prepared, folders, tmp_path, monkeypatch
):
    monkeypatch.setattr(prepare_noisy_corpus, "check_speech", lambda *_: None)
    shutil.copytree(folders, tmp_path / "corpus")
    shutil.copytree(prepared, tmp_path / "data")
    (faulty, *_) = read_manifest(prepared / "manifests" / "dev.jsonl")
    silent = faulty.recordings[0]
    rate = soundfile.info(folders / "speech" / silent).samplerate
    soundfile.write(tmp_path / "corpus" / "speech" / silent, np.zeros(rate), rate)
    message = rf"1 of 3 mixture\(s\): audio is silent: leave it out \({faulty.id}: {silent}\)"
    with pytest.raises(UserError, match=message):
        prepare(tmp_path / "corpus", tmp_path / "data")
    whole = {name for name in SETS if (tmp_path / "data" / name / "wav.scp").exists()}
    assert whole == {"train"}
    assert not list(tmp_path.rglob(".*.new"))


@pytest.mark.parametrize(
    "options, message",
    [
        (["--num_dev", "0"], "--num_dev 0: must be at least 1"),
        (["--clean_fraction", "2"], "--clean_fraction 2.0: must be from 0 to 1"),
        (["--snr_range", "5", "-5"], "--snr_range [5.0, -5.0]: the lower ratio comes first"),
        (["--speech", ""], "no folder given for clean speech: set its variable in db.sh"),
        (["--noise", "nowhere"], "nowhere: no such folder (noise): correct the path"),
    ],
)
def test_bad_options(folders, tmp_path, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        prepare(folders, tmp_path / "data", *options)
    assert not (tmp_path / "data").exists()
