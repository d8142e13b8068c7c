# SPDX-License-Identifier: Apache-2.0
"""VoiceBank + DEMAND: what is found, written, and refused."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "vctk_noisy" / "enh_asr_cbpc1"
sys.path[:0] = [str(RECIPE / "local"), str(Path(__file__).parent)]

import prepare_vctk_noisy
import vctk_corpus
import vctk_tree as tree
from vctk_corpus import normalise

from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError

TEXTS = ("Please call Stella.", "It's \u201cfine\u201d, isn\u2019t it?", "Six spoons - and 'peas'!")


def speak(number):
    """Half a second of noise that swells, and what is said."""
    t = np.arange(24000) / 48000
    samples = np.random.default_rng(number).normal(size=len(t)) * 0.05 * np.sin(2 * np.pi * t)
    return samples, TEXTS[number % 3]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("vctk") / "corpus"
    tree.make_vctk_noisy(root, speak)
    return root


def options(corpus, data, *more):
    named = ["--vctk_noisy", str(corpus), "--data", str(data), "--allow_partial", "true"]
    return [*named, "--nj", "1", *more]


@pytest.fixture(scope="module")
def prepared(corpus, tmp_path_factory):
    data = tmp_path_factory.mktemp("recipe") / "data"
    prepare_vctk_noisy.main(options(corpus, data))
    return data


def test_sets_and_their_speakers(prepared):
    sets = {name: DataDir.read(prepared / name) for name in ("train", "dev", "test", "test_clean")}
    speakers = {name: set(data.tables["utt2spk"].values()) for name, data in sets.items()}
    assert speakers == {
        "train": {"p228"},
        "dev": {"p226", "p287"},
        "test": {"p232", "p257"},
        "test_clean": {"p232", "p257"},
    }
    assert {name: len(data.ids) for name, data in sets.items()} == {
        "train": 4,
        "dev": 8,
        "test": 8,
        "test_clean": 8,
    }


def test_recordings_stay_where_they_lie(prepared, corpus):
    test = DataDir.read(prepared / "test").tables
    folder = corpus.resolve()
    assert test["wav.scp"]["p232_001"] == str(folder / "noisy_testset_wav/p232_001.wav")
    assert test["spk1.scp"]["p232_001"] == str(folder / "clean_testset_wav/p232_001.wav")
    clean = DataDir.read(prepared / "test_clean")
    assert clean.tables["wav.scp"] == clean.tables["spk1.scp"] == test["spk1.scp"]
    assert set(clean.categories.values()) == {"CLEAN"}
    assert set(clean.tables["utt2snr"].values()) == {"clean"}


def test_noise_and_snr_come_from_the_logs(prepared, corpus):
    for name, log in (("train", "log_trainset_28spk.txt"), ("test", "log_testset.txt")):
        lines = (corpus / "logfiles" / log).read_text().split("\n")
        logged = {line.split()[0]: line.split()[1:] for line in lines if line}
        data = DataDir.read(prepared / name)
        for key in data.ids:
            assert logged[key] == [data.tables["utt2noise"][key], data.tables["utt2snr"][key]]
    assert set(data.tables["utt2snr"].values()) == {"2.5", "7.5", "12.5", "17.5"}


@pytest.mark.parametrize(
    "text, words",
    [
        ("Please call Stella.\n", "PLEASE CALL STELLA"),
        ("It's \u201cfine\u201d, isn\u2019t it?", "IT'S FINE ISN'T IT"),
        ("Six spoons - and 'peas'!", "SIX SPOONS AND PEAS"),
        ("Zo\u00eb's caf\u00e9, half-time 60s", "ZOE'S CAFE HALF TIME 60S"),
        ("\u2026!", ""),
    ],
)
def test_transcripts(text, words):
    assert normalise(text) == words


def test_transcripts_are_written(prepared):
    texts = DataDir.read(prepared / "test").tables["text"]
    assert set(texts.values()) <= {normalise(text) for text in TEXTS}


def test_stage_3_brings_both_signals_to_16_khz(prepared, tmp_path):
    format_data_dir(prepared / "test", tmp_path / "dump", fs=16000)
    dumped = DataDir.read(tmp_path / "dump").tables
    noisy, clean = (dumped[name]["p257_002"] for name in ("wav.scp", "spk1.scp"))
    for path in (noisy, clean):
        assert (soundfile.info(path).samplerate, soundfile.info(path).frames) == (16000, 8000)
    x, s = (soundfile.read(path)[0] for path in (noisy, clean))
    # white noise of the corpus's 24 kHz: a third of its power is left
    snr = 10 * np.log10(np.mean(s**2) / np.mean((x - s) ** 2))
    assert snr == pytest.approx(float(dumped["utt2snr"]["p257_002"]), abs=0.5)


def test_archives_may_be_unpacked_in_folders_of_their_names_and_logs_at_the_top(corpus, tmp_path):
    for folder in corpus.iterdir():
        if folder.name == "logfiles":
            shutil.copytree(folder, tmp_path / "other", dirs_exist_ok=True)
        else:
            shutil.copytree(folder, tmp_path / "other" / folder.name / folder.name)
    prepare_vctk_noisy.main(options(tmp_path / "other", tmp_path / "data"))
    assert len(DataDir.read(tmp_path / "data" / "test").ids) == 8


def test_second_run_writes_the_same(corpus, tmp_path):
    def contents():
        files = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    prepare_vctk_noisy.main(options(corpus, tmp_path / "data"))
    first = contents()
    prepare_vctk_noisy.main(options(corpus, tmp_path / "data", "--nj", "2"))
    assert contents() == first != {}


def test_counts_of_the_original_are_demanded(corpus, tmp_path):
    sizes = {"train": 11572, "test": 824}
    assert {name: layout.utterances for name, layout in vctk_corpus.LAYOUTS.items()} == sizes
    sound = corpus / "clean_testset_wav" / "p232_001.wav"
    tree.make_full(tmp_path / "full", sizes, sound)
    named = ["--vctk_noisy", str(tmp_path / "full"), "--data", str(tmp_path / "data")]
    prepare_vctk_noisy.main(named)
    folders = (tmp_path / "data" / name for name in ("train", "dev", "test"))
    train, dev, test = (len(DataDir.read(folder).ids) for folder in folders)
    assert (train + dev, test) == (11572, 824)
    for folder in tree.FOLDERS["test"]:
        for path in (tmp_path / "full" / folder).glob("p257_*"):
            path.unlink()
    with pytest.raises(UserError, match="clean_testset_wav: 412 of 824 utterances: unpack the"):
        prepare_vctk_noisy.main(named)


# Bad input


def refused(corpus, tmp_path, message, *more):
    with pytest.raises(UserError, match=message):
        prepare_vctk_noisy.main(options(corpus, tmp_path / "data", *more))
    assert not (tmp_path / "data").exists()


def test_wrong_root(corpus, tmp_path):
    message = "VCTK_NOISY=.*/no: no such folder: correct VCTK_NOISY in db.sh, or leave it empty"
    refused(tmp_path / "no", tmp_path, message)
    message = (
        r"7 of 7 parts of VoiceBank \+ DEMAND are missing \(logfiles, clean_trainset_28spk.*\): "
        r"unpack logfiles\.zip, .* of https://doi\.org/10\.7488/ds/2117 there"
    )
    refused(corpus / "testset_txt", tmp_path, message)


@pytest.fixture
def changed(corpus, tmp_path):
    """Return a copy of the corpus that a test may spoil."""
    shutil.copytree(corpus, tmp_path / "changed")
    return tmp_path / "changed"


def test_partly_unpacked(changed, tmp_path):
    (changed / "logfiles" / "log_testset.txt").unlink()
    refused(changed, tmp_path, r"log_testset\.txt: no such file: unpack logfiles\.zip of https")
    shutil.rmtree(changed / "trainset_28spk_txt")
    shutil.rmtree(changed / "logfiles")
    message = r"2 of 7 parts .* \(logfiles, trainset_28spk_txt\): unpack logfiles\.zip, trainset_"
    refused(changed, tmp_path, message)


def test_what_utterances_lack_is_told(changed, tmp_path, monkeypatch, caplog):
    small = vctk_corpus.LAYOUTS["train"]._replace(utterances=12)
    monkeypatch.setitem(vctk_corpus.LAYOUTS, "train", small)
    (changed / "noisy_testset_wav" / "p232_002.wav").unlink()
    (changed / "testset_txt" / "p257_003.txt").unlink()
    log = changed / "logfiles" / "log_testset.txt"
    log.write_text("".join(line for line in log.open() if not line.startswith("p257_001")))
    message = (
        r"test set of VoiceBank \+ DEMAND: utterances are missing in noisy_testset_wav: 1 "
        r"\(p232_002\); testset_txt: 1 \(p257_003\); log_testset\.txt: 1 \(p257_001\): unpack"
    )
    refused(changed, tmp_path, message, "--allow_partial", "false")
    prepare_vctk_noisy.main(options(changed, tmp_path / "data"))
    kept = DataDir.read(tmp_path / "data" / "test").ids
    assert "left out; utterances are missing in noisy_testset_wav: 1 (p232_002)" in caplog.text
    assert len(kept) == 5 and not {"p232_002", "p257_003", "p257_001"} & set(kept)


def test_truncated_and_mismatched_recordings(changed, tmp_path):
    folder = changed / "noisy_testset_wav"
    path = folder / "p232_001.wav"
    path.write_bytes(path.read_bytes()[:-5000])
    soundfile.write(folder / "p232_002.wav", np.ones(100), 48000)
    soundfile.write(folder / "p232_003.wav", np.ones(8000), 16000)
    with pytest.raises(UserError) as e:
        prepare_vctk_noisy.main(options(changed, tmp_path / "data"))
    text = str(e.value)
    assert "1 of 8 utterance(s): audio file is truncated: replace it (p232_001: " in text
    assert "2 of 8 utterance(s): clean and noisy recording differ in length or sampling" in text
    assert "(100 samples at 48000 Hz, clean 24000 at 48000 Hz)" in text
    assert not (tmp_path / "data").exists()


def test_recordings_below_the_rate_asked_for(corpus, tmp_path):
    refused(corpus, tmp_path, "sampling rate below 96000 Hz: restore the file", "--fs", "96000")


def test_transcripts_in_another_encoding_are_told_all_at_once(changed, tmp_path):
    for name in ("p232_001", "p257_002"):
        (changed / "testset_txt" / f"{name}.txt").write_bytes(b"It\x92s a caf\xe9.\n")
    message = (
        r"2 of 8 transcripts are faulty: .*/p232_001\.txt: not UTF-8 text \(byte 0x92 in line 1\), "
        r"perhaps cp1252: convert .*/p257_002\.txt: not UTF-8 text"
    )
    refused(changed, tmp_path, message)
    for path in (changed / "testset_txt").glob("*.txt"):
        path.write_text("\ufeff\u3000It\u2019s\u00a0a caf\u00e9.\r\n", encoding="utf-8")
    prepare_vctk_noisy.main(options(changed, tmp_path / "data"))
    texts = DataDir.read(tmp_path / "data" / "test").tables["text"]
    assert set(texts.values()) == {"IT'S A CAFE"}


def test_malformed_log_and_empty_transcript(changed, tmp_path):
    log = changed / "logfiles" / "log_trainset_28spk.txt"
    log.write_text("p226_001 babble 15\np226_002 babble\n")
    message = r"log_trainset_28spk\.txt:2: not 'utterance noise SNR': restore the file"
    refused(changed, tmp_path, message)
    shutil.copy(changed / "logfiles" / "log_testset.txt", log)
    log.write_text("".join(f"p226_{i:03d} babble 15\n" for i in range(1, 5)))
    (changed / "trainset_28spk_txt" / "p226_001.txt").write_text("...\n")
    refused(changed, tmp_path, r"p226_001\.txt: no words: restore the transcript")


def test_speakers_of_dev(corpus, tmp_path):
    message = "--dev_speakers: p999 not in the training set: choose others"
    refused(corpus, tmp_path, message, "--dev_speakers", "p999", "p226")
    message = "no speaker is left to train on"
    refused(corpus, tmp_path, message, "--dev_speakers", "p226", "p228", "p287")


# Download, and the stage as a whole


def test_corpus_is_downloaded_where_none_is_named(corpus, prepared, tmp_path, monkeypatch):
    asked = []

    def archive(url, path, sha256=None, md5=None):
        asked.append(url)
        name = Path(url).stem
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as f:
            for file in sorted((corpus / name).iterdir()):
                f.write(file, file.name if name == "logfiles" else f"{name}/{file.name}")

    monkeypatch.setattr(download, "download", archive)
    start = ["--data", str(tmp_path / "data"), "--downloads", str(tmp_path / "downloads")]
    for _ in range(2):
        prepare_vctk_noisy.main([*start, "--allow_partial", "true", "--nj", "1"])
    assert len(asked) == 7
    assert all(url == f"{vctk_corpus.URL}/{Path(url).name}" for url in asked)
    ours, theirs = (DataDir.read(d / "test").tables for d in (tmp_path / "data", prepared))
    assert ours["text"] == theirs["text"] and ours["utt2snr"] == theirs["utt2snr"]


def test_way_out_is_named_where_the_download_fails(tmp_path, monkeypatch):
    def fail(url, path, sha256=None, md5=None):
        raise UserError(f"cannot download {url}")

    monkeypatch.setattr(download, "download", fail)
    message = r"logfiles\.zip; or fetch the files of https://doi.* set VCTK_NOISY=<folder> in"
    with pytest.raises(UserError, match=message):
        prepare_vctk_noisy.main(["--downloads", str(tmp_path)])


def test_stage_takes_the_corpus_from_db_sh(corpus, tmp_path):
    shutil.copytree(RECIPE / "local", tmp_path / "local")
    bin_dir, root = Path(sys.executable).parent, RECIPE.parents[2]
    (tmp_path / "path.sh").write_text(f'export PATH="{bin_dir}:$PATH" PYTHONPATH="{root}"\n')
    shutil.copy(RECIPE / "db.sh", tmp_path / "db.sh")
    result = subprocess.run(
        ["local/data.sh", "--allow_partial", "true", "--fs", "16000", "--nj", "1"],
        cwd=tmp_path,
        env={**os.environ, "VCTK_NOISY": str(corpus)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert len(DataDir.read(tmp_path / "data" / "dev").ids) == 8
