# SPDX-License-Identifier: Apache-2.0
"""The noisy connected digits: what is drawn, what is written, and what is refused."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "fsdd_noisy" / "enh_asr_cbpc1"
sys.path.insert(0, str(RECIPE / "local"))

import fsdd_corpus
import prepare_fsdd_noisy
from fsdd_corpus import SPEAKERS
from fsdd_protocol import Draw, Sizes

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.noisy_mixture import (
    audio_files,
    read_manifest,
    rebuild,
    write_manifest,
    write_mixtures,
)
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError

SETS = {"train", "dev", "dev_clean", "dev_noisy"}
SETS |= {"test_clean", "test_seen", "test_unseen", "test_newspk"}
TESTS = {"test_clean", "test_seen", "test_unseen", "test_newspk"}
SMALL = ["--train_minutes", "0.3", "--num_dev", "5", "--num_test", "5"]
SEEN = {f"n{number}.wav" for number in range(1, 71)}
UNSEEN = {f"n{number}.wav" for number in range(71, 101)}


def wav(samples, rate):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The two archives in the layout of the originals, with short generated sounds in them."""
    folder = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(1)
    with zipfile.ZipFile(folder / "v1.0.10.zip", "w") as f:
        f.writestr("free-spoken-digit-dataset-1.0.10/README.md", "digits")
        for name in fsdd_corpus.NAMES:
            tone = np.sin(np.arange(rng.integers(500, 900)) * rng.uniform(0.05, 1.0))
            path = f"free-spoken-digit-dataset-1.0.10/recordings/{name}"
            f.writestr(path, wav(rng.uniform(0.1, 0.9) * tone, fsdd_corpus.RATE))
    with zipfile.ZipFile(folder / "Nonspeech.zip", "w") as f:
        for name in nonspeech.NAMES:
            noise = rng.normal(0, 0.1, rng.integers(5000, 9000)).clip(-1, 1)
            f.writestr(f"Nonspeech/{name}", wav(noise, nonspeech.RATE))
    return folder


@pytest.fixture(scope="module")
def corpora(originals, tmp_path_factory):
    """The unpacked originals: (root of the FSDD repository, folder around Nonspeech/)."""
    folder = tmp_path_factory.mktemp("corpora")
    for name in ("v1.0.10.zip", "Nonspeech.zip"):
        with zipfile.ZipFile(originals / name) as f:
            f.extractall(folder)
    return folder / "free-spoken-digit-dataset-1.0.10", folder


def options(corpora, data, *more):
    fsdd, nonspeech = map(str, corpora)
    return ["--fsdd", fsdd, "--nonspeech", nonspeech, "--data", str(data), "--nj", "1", *more]


@pytest.fixture(scope="module")
def prepared(corpora, tmp_path_factory):
    """The folder that a small run has written."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    prepare_fsdd_noisy.main(options(corpora, data, *SMALL))
    return data


def draw(seed=0, train_minutes=20.0, num=60, fs=8000):
    recordings = {name: 2000 + 7 * place % 3000 for place, name in enumerate(fsdd_corpus.NAMES)}
    noises = {name: 20001 + 977 * place for place, name in enumerate(nonspeech.NAMES)}
    return Draw(recordings, noises, fs, seed).sets(Sizes(train_minutes, 0.08, num, num))


@pytest.fixture(scope="module")
def drawn():
    return draw()


def recordings_of(mixtures):
    return {name for mixture in mixtures for name in mixture.recordings}


def test_one_seed_gives_one_manifest(drawn, tmp_path):
    assert draw() == drawn
    write_manifest(tmp_path / "a", drawn["train"])
    write_manifest(tmp_path / "b", draw()["train"])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_seed_gives_others(drawn):
    other = draw(seed=1)
    assert all(other[name] != drawn[name] for name in SETS)


def test_amount_of_training_data_leaves_the_other_sets_alone(drawn):
    more = draw(train_minutes=30)
    assert set(more) == SETS
    assert all(more[name] == drawn[name] for name in SETS - {"train", "dev_noisy"})
    assert len(more["train"]) > len(drawn["train"])


def test_recordings_follow_the_split(drawn):
    indices = {
        name: {int(file[:-4].split("_")[2]) for file in recordings_of(mixtures)}
        for name, mixtures in drawn.items()
    }
    assert indices["train"] == set(range(10, 50))
    assert indices["dev"] == indices["dev_clean"] == set(range(5, 10))
    assert all(indices[name] == set(range(5)) for name in TESTS)


def test_train_dev_and_test_share_no_recording(drawn):
    train, dev = recordings_of(drawn["train"]), recordings_of(drawn["dev"])
    test = set().union(*(recordings_of(drawn[name]) for name in TESTS))
    assert not train & dev and not train & test and not dev & test


def test_speakers(drawn):
    for name, mixtures in drawn.items():
        expected = {"lucas"} if name == "test_newspk" else set(SPEAKERS) - {"lucas"}
        assert {mixture.speaker for mixture in mixtures} == expected
        for mixture in mixtures:
            assert all(f"_{mixture.speaker}_" in file for file in mixture.recordings)


def test_noises_of_each_set(drawn):
    noises = {n: {m.noise for m in mixtures} - {None} for n, mixtures in drawn.items()}
    assert noises["train"] == SEEN
    assert noises["dev"] <= SEEN and noises["test_seen"] <= SEEN
    assert noises["test_unseen"] == UNSEEN and noises["test_newspk"] == UNSEEN
    assert noises["dev_clean"] == noises["test_clean"] == set()


def test_training_noise_does_not_overlap_dev_and_test(drawn):
    def segments(name):
        return {m.noise: m.segment for m in drawn[name] if m.noise}

    train = segments("train")
    for name in ("dev", "test_seen"):
        for noise, (begin, end) in segments(name).items():
            place = nonspeech.NAMES.index(noise)
            assert train[noise][0] == 0
            assert train[noise][1] == begin == (20001 + 977 * place) * 60 // 100
            assert end == 20001 + 977 * place


def test_offset_lies_within_the_segment(drawn):
    for mixture in (m for mixtures in drawn.values() for m in mixtures if m.noise):
        begin, end = mixture.segment
        assert 0 <= mixture.offset < (end - begin) * mixture.fs / nonspeech.RATE


def test_snrs(drawn):
    train = [m.snr for m in drawn["train"] if m.noise]
    assert -5 <= min(train) < -4 and 19 < max(train) <= 20
    assert abs(np.mean(train) - 7.5) < 1
    assert all(snr == round(snr, 2) for snr in train)
    assert Counter(m.snr for m in drawn["test_seen"]) == dict.fromkeys((-5, 0, 5, 10, 15), 60)
    assert Counter(m.snr for m in drawn["test_unseen"]) == dict.fromkeys((-5, 0, 5, 10, 15), 60)
    assert Counter(m.snr for m in drawn["test_newspk"]) == dict.fromkeys((None, 0, 5, 10), 60)


def test_same_utterances_at_all_conditions(drawn):
    clean = Counter(m.recordings for m in drawn["test_clean"])
    for name in ("test_seen", "test_unseen"):
        assert Counter(m.recordings for m in drawn[name]) == dict.fromkeys(clean, 5)
    assert [m.recordings for m in drawn["dev"]] == [m.recordings for m in drawn["dev_clean"]]


def test_share_of_clean_training_utterances(drawn):
    train = drawn["train"]
    assert 0.04 < sum(m.noise is None for m in train) / len(train) < 0.12
    assert all(m.noise for m in drawn["dev"])


def test_utterances(drawn):
    words = dict(enumerate("zero one two three four five six seven eight nine".split()))
    for mixture in (m for mixtures in drawn.values() for m in mixtures):
        assert 3 <= len(mixture.recordings) <= 7
        assert len(set(mixture.recordings)) == len(mixture.recordings)
        assert len(mixture.silences) == len(mixture.recordings) - 1
        assert all(160 <= silence <= 1200 for silence in mixture.silences)
        assert mixture.text == " ".join(words[int(file[0])] for file in mixture.recordings)


def test_silences_follow_the_sampling_rate():
    silences = [s for m in draw(fs=16000)["dev"] for s in m.silences]
    assert 320 <= min(silences) < 500 and 2200 < max(silences) <= 2400


def test_minutes_of_training_speech(drawn):
    lengths = {name: 2000 + 7 * place % 3000 for place, name in enumerate(fsdd_corpus.NAMES)}
    seconds = (
        sum(sum(lengths[file] for file in m.recordings) + sum(m.silences) for m in drawn["train"])
        / 8000
    )
    assert 0 <= seconds - 20 * 60 < 5


def test_ids(drawn):
    for mixtures in drawn.values():
        ids = [mixture.id for mixture in mixtures]
        assert ids == sorted(set(ids))
        assert all(mixture.id.startswith(f"{mixture.speaker}-") for mixture in mixtures)
    noisy = next(m for m in drawn["test_unseen"] if m.snr == 5)
    number = int(noisy.noise[1:-4])
    assert noisy.id.partition("-n")[2] == f"{number:03d}-snr05"


def test_manifest_comes_back(drawn, tmp_path):
    for name, mixtures in drawn.items():
        write_manifest(tmp_path / name, mixtures)
        assert read_manifest(tmp_path / name) == mixtures


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}'])
def test_manifest_with_a_bad_line(drawn, tmp_path, line):
    write_manifest(tmp_path / "m", drawn["dev"][:1])
    with open(tmp_path / "m", "a") as f:
        f.write(line + "\n")
    with pytest.raises(UserError, match=r"m:2: not a mixture \(.*prepare the data again"):
        read_manifest(tmp_path / "m")


def files_of(data):
    """Return (mixture, kind, path) of every audio file that the manifests speak of."""
    return [
        (mixture, kind, path)
        for name in sorted(SETS)
        for mixture in read_manifest(data / "manifests" / f"{name}.jsonl")
        for kind, path in audio_files(mixture, data / "audio" / name).items()
    ]


def assert_rebuilt(data, fsdd, nonspeech):
    for mixture, kind, path in files_of(data):
        written, fs = soundfile.read(path, dtype="int16")
        signals = rebuild(mixture, fsdd, nonspeech)
        assert fs == mixture.fs
        assert np.array_equal(getattr(signals, kind) * 32768, written), (mixture.id, kind)
        if kind == "noise":
            assert np.array_equal(signals.noisy, signals.clean + signals.noise)


def test_mixtures_are_rebuilt_bit_for_bit(prepared, corpora):
    assert_rebuilt(prepared, corpora[0] / "recordings", corpora[1] / "Nonspeech")


def test_nothing_else_is_written(prepared):
    written = {path for path in (prepared / "audio").rglob("*") if path.is_file()}
    assert written == {path for _, _, path in files_of(prepared)}
    assert {path.name for path in prepared.iterdir()} == SETS | {"audio", "manifests"}


def test_line_of_the_manifest_will_do(prepared, corpora):
    path = prepared / "manifests" / "dev.jsonl"
    folders = corpora[0] / "recordings", corpora[1] / "Nonspeech"
    from_line = rebuild(path.read_text().splitlines()[0], *folders)
    assert np.array_equal(from_line.noisy, rebuild(read_manifest(path)[0], *folders).noisy)


def test_processes_do_not_matter(prepared, corpora, tmp_path):
    mixtures = read_manifest(prepared / "manifests" / "test_seen.jsonl")
    folders = corpora[0] / "recordings", corpora[1] / "Nonspeech"
    write_mixtures(mixtures, tmp_path / "audio", *folders, nj=2)
    for mixture in mixtures:
        theirs = audio_files(mixture, prepared / "audio" / "test_seen")
        for kind, path in audio_files(mixture, tmp_path / "audio").items():
            assert path.read_bytes() == theirs[kind].read_bytes()


def test_fault_in_another_process_comes_back(prepared, tmp_path):
    mixtures = read_manifest(prepared / "manifests" / "dev.jsonl")
    with pytest.raises(UserError, match="no such audio file"):
        write_mixtures(mixtures, tmp_path / "audio", tmp_path, tmp_path, nj=2)
    assert list(tmp_path.iterdir()) == []


def test_levels(prepared):
    for mixture, _kind, path in files_of(prepared):
        peak = np.abs(soundfile.read(path)[0]).max()
        if mixture.noise is None:
            assert peak == pytest.approx(0.7, abs=1e-4)
        assert peak <= 0.9 + 1e-4


@pytest.mark.parametrize("name", sorted(SETS))
def test_data_directories_are_consistent(prepared, name):
    data = DataDir.read(prepared / name)
    mixtures = {m.id: m for m in read_manifest(prepared / "manifests" / f"{name}.jsonl")}
    assert data.ids == list(mixtures)
    assert data.tables["text"] == {key: m.text for key, m in mixtures.items()}
    noisy = {key for key, m in mixtures.items() if m.noise}
    assert set(data.tables.get("noise1.scp", {})) == noisy
    snrs = read_table(prepared / name / "utt2snr")
    noises = read_table(prepared / name / "utt2noise")
    for key, mixture in mixtures.items():
        assert data.categories[key] == ("SIMU" if key in noisy else "CLEAN")
        if key in noisy:
            assert float(snrs[key]) == mixture.snr
            assert f"{noises[key]}.wav" == mixture.noise
            assert Path(data.tables["wav.scp"][key]).parent.name == "noisy"
        else:
            assert (snrs[key], noises[key]) == ("clean", "none")
            assert data.tables["wav.scp"][key] == data.tables["spk1.scp"][key]
    assert all(Path(path).is_file() for path in data.tables["wav.scp"].values())


def test_snr_of_the_tests_is_written_short(prepared):
    assert set(read_table(prepared / "test_seen" / "utt2snr").values()) == {*"0 -5 5 10 15".split()}


def test_real_recordings_are_rebuilt_bit_for_bit(shared_data, tmp_path):
    folders = shared_data / "fsdd", shared_data / "nonspeech"
    prepare_fsdd_noisy.main(options(folders, tmp_path, *SMALL))
    assert_rebuilt(tmp_path, *folders)


@pytest.fixture
def recipe(tmp_path):
    """A copy of the recipe with a path.sh that leads to this Python."""
    shutil.copytree(RECIPE / "local", tmp_path / "local")
    bin_dir, root = Path(sys.executable).parent, RECIPE.parents[2]
    (tmp_path / "path.sh").write_text(f'export PATH="{bin_dir}:$PATH" PYTHONPATH="{root}"\n')
    (tmp_path / "db.sh").write_text("FSDD=\nNONSPEECH=\n")
    return tmp_path


def data_sh(recipe, *args, **environment):
    return subprocess.run(
        ["local/data.sh", *SMALL, "--nj", "1", *args],
        cwd=recipe,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
    )


def test_stage_downloads_the_originals_and_prepares_all_sets(
    recipe, originals, prepared, serving_files
):
    with serving_files(originals) as base:
        urls = {"FSDD_URL": f"{base}/v1.0.10.zip", "NONSPEECH_URL": f"{base}/Nonspeech.zip"}
        result = data_sh(recipe, **urls)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (recipe / "downloads").iterdir()} == {"fsdd", "nonspeech"}
    for name in SETS:
        ours = recipe / "data" / "manifests" / f"{name}.jsonl"
        assert ours.read_bytes() == (prepared / "manifests" / ours.name).read_bytes()
        first = DataDir.read(recipe / "data" / name).tables["wav.scp"].popitem()[1]
        assert not Path(first).is_absolute() and (recipe / first).is_file()
    again = data_sh(recipe, **urls)  # the server has gone
    assert again.returncode == 0, again.stderr


def test_stage_stops_where_the_download_fails(recipe, originals, serving_files):
    with serving_files(originals) as base:
        result = data_sh(recipe, "--fsdd_url", f"{base}/gone.zip", FSDD_URL=f"{base}/unused.zip")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: cannot download {base}/gone.zip (HTTP 404 ")
    assert last.endswith("or set FSDD=<folder> in db.sh if you have a copy")
    assert not (recipe / "data").exists()


def test_without_a_network_the_way_out_is_named(corpora, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.0)
    message = (
        r"^cannot download http://127\.0\.0\.1:9/no\.zip \(Connection refused; 4 attempts\): "
        r"check the network and run again; or set NONSPEECH=<folder> in db\.sh if you have a copy$"
    )
    more = ["--nonspeech_url", "http://127.0.0.1:9/no.zip", "--downloads", str(tmp_path / "d")]
    refused((corpora[0], ""), tmp_path, message, *more)


def changed(corpora, tmp_path, name, content):
    """Return the corpora with one file changed, or removed where content is None."""
    corpus, sub = (1, "Nonspeech") if name.startswith("n") else (0, "recordings")
    folder = tmp_path / "changed"
    shutil.copytree(corpora[corpus] / sub, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    return tuple(folder if place == corpus else path for place, path in enumerate(corpora))


def refused(corpora, tmp_path, message, *more):
    with pytest.raises(UserError, match=message):
        prepare_fsdd_noisy.main(options(corpora, tmp_path / "data", *SMALL, *more))
    assert not (tmp_path / "data").exists()


def test_folder_that_is_not_there(corpora, tmp_path):
    refused((tmp_path / "no", corpora[1]), tmp_path, "FSDD=.*/no: no such folder: correct FSDD in")


def test_folder_of_something_else(corpora, tmp_path):
    (tmp_path / "else").mkdir()
    message = r"else: no n\*\.wav is here, nor in Nonspeech/: correct NONSPEECH"
    refused((corpora[0], tmp_path / "else"), tmp_path, message)


def test_partial_set(corpora, tmp_path):
    folders = changed(corpora, tmp_path, "7_theo_12.wav", None)
    for index in range(13, 20):
        (folders[0] / f"7_theo_{index}.wav").unlink()
    message = (
        r"changed: 8 of 3000 files are missing \(7_theo_12\.wav, .*, 7_theo_16\.wav and 3 more\): "
        "complete the folder, or leave FSDD empty"
    )
    refused(folders, tmp_path, message)


def test_missing_noise(corpora, tmp_path):
    folders = changed(corpora, tmp_path, "n83.wav", None)
    refused(folders, tmp_path, r"1 of 100 files are missing \(n83\.wav\): complete the folder")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("3_lucas_0.wav", wav(np.ones(99), 16000), "16000 Hz instead of 8000 Hz"),
        ("n5.wav", wav(np.ones(99), 16000), "16000 Hz instead of 20000 Hz"),
        ("n5.wav", wav(np.ones(999), 20000)[:-800], "audio file is truncated"),
        ("n5.wav", wav(np.ones((99, 2)), 20000), "audio has 2 channels"),
        ("n5.wav", wav(np.ones(0), 20000), "audio file has no samples"),
        ("3_lucas_0.wav", wav(np.zeros(900), 8000), "audio is silent"),
        ("n5.wav", b"version https://git-lfs", "not a readable audio file"),
    ],
)
def test_bad_file(corpora, tmp_path, name, content, message):
    folders = changed(corpora, tmp_path, name, content)
    refused(folders, tmp_path, rf"1 of \d+ files cannot be used \({name}: {message}.*\): restore")


def test_silent_noise_stops_before_a_directory_looks_whole(corpora, prepared, tmp_path):
    mixtures = read_manifest(prepared / "manifests" / "test_seen.jsonl")
    name, (begin, end), count = mixtures[0].noise, mixtures[0].segment, len(mixtures)
    samples, rate = soundfile.read(corpora[1] / "Nonspeech" / name)
    samples[begin:end] = 0
    folders = changed(corpora, tmp_path, name, wav(samples, rate))
    alike = sum(mixture.noise == name for mixture in mixtures)
    message = rf"{alike} of {count} mixture\(s\): the noise is silent where .* \(.*: {name}"
    with pytest.raises(UserError, match=message):
        prepare_fsdd_noisy.main(options(folders, tmp_path / "data", *SMALL))
    assert list((tmp_path / "data").glob("*/wav.scp"))
    assert not list((tmp_path / "data").glob("test_seen*"))
    assert not list((tmp_path / "data" / "audio").glob("*test_seen*"))


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--num_test", "0", "--num_test 0: must be at least 1"),
        ("--fs", "7999", "--fs 7999: must be at least 8000"),
        ("--nj", "0", "--nj 0: must be at least 1"),
        ("--seed", "-1", "--seed -1: must be at least 0"),
        ("--train_minutes", "nan", "--train_minutes nan: must be greater than 0"),
        ("--clean_fraction", "1.1", "--clean_fraction 1.1: must be from 0 to 1"),
    ],
)
def test_option_out_of_range(corpora, tmp_path, option, value, message):
    refused(corpora, tmp_path, f"^{message}$", option, value)


def test_mixtures_can_be_written_at_another_rate(corpora, tmp_path):
    prepare_fsdd_noisy.main(options(corpora, tmp_path, *SMALL, "--fs", "16000"))
    assert {soundfile.info(str(path)).samplerate for _, _, path in files_of(tmp_path)} == {16000}
    assert_rebuilt(tmp_path, corpora[0] / "recordings", corpora[1] / "Nonspeech")


def test_every_option_has_help():
    actions = prepare_fsdd_noisy.get_parser()._actions
    assert all(action.help for action in actions)
