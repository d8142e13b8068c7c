# SPDX-License-Identifier: Apache-2.0
"""Noisy LibriSpeech: what is found, drawn and written, and what is refused."""

import filecmp
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "librispeech_noisy" / "enh_asr_cbpc1"
sys.path[:0] = [str(RECIPE / "local"), str(Path(__file__).parent)]

import librispeech_corpus
import librispeech_tree as tree
import noise_corpora
import prepare_librispeech_noisy
from librispeech_corpus import PARTS, Part

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.mixing.snr import speech_active
from espnet_cbpc.data.noisy_sets.noisy_mixture import (
    audio_files,
    read_manifest,
    rebuild,
)
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError

NOISY = ("dev", "test_seen", "test_unseen", "train_noisy")
SMALL = ["--num_dev", "8", "--num_test", "5", "--test_snrs", "-5", "10", "--nj", "1"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A small LibriSpeech and one of each noise corpus."""
    root = tmp_path_factory.mktemp("corpora")
    tree.make_librispeech(root / "LibriSpeech")
    for name, make in tree.MAKERS.items():
        make(root / name)
    return root


def options(corpora, data, *more, noise=("musan", "demand")):
    named = [word for name in noise for word in (f"--{name}", str(corpora / name))]
    start = ["--librispeech", str(corpora), "--data", str(data), "--allow_partial", "true"]
    return [*start, *named, *SMALL, *more]


def prepare(*arguments, **keywords):
    prepare_librispeech_noisy.main(options(*arguments, **keywords))


@pytest.fixture(scope="module")
def prepared(corpora, tmp_path_factory):
    data = tmp_path_factory.mktemp("recipe") / "data"
    prepare(corpora, data, "--static_train", "true", noise=tuple(tree.MAKERS))
    return data


def manifests(data, names=NOISY):
    return {name: read_manifest(data / "manifests" / f"{name}.jsonl") for name in names}


def test_clean_sets_are_the_originals(prepared, corpora):
    train = DataDir.read(prepared / "train_clean")
    assert len(train.ids) == 3 * 2 * 3
    assert train.ids[0] == "103-130000-0000"
    assert set(train.categories.values()) == {"CLEAN"}
    assert train.tables["wav.scp"] == train.tables["spk1.scp"]
    assert train.tables["utt2spk"]["103-130000-0000"] == "103"
    path = corpora / "LibriSpeech/train-clean-100/103/130000/103-130000-0000.flac"
    assert train.tables["wav.scp"]["103-130000-0000"] == str(path.resolve())
    lines = (path.parent / "103-130000.trans.txt").read_text().splitlines()
    assert f"103-130000-0000 {train.tables['text']['103-130000-0000']}" == lines[0]
    genders = {"19": "f", "26": "m", "103": "f"}
    assert read_table(prepared / "train_clean" / "spk2gender") == genders
    test = DataDir.read(prepared / "test_clean")
    assert len(test.ids) == 2 * 2 * 3 and set(test.tables["utt2snr"].values()) == {"clean"}


def test_noisy_sets_have_the_sizes_asked_for(prepared):
    sets = manifests(prepared)
    assert {name: len(found) for name, found in sets.items()} == {
        "dev": 8,
        "test_seen": 10,
        "test_unseen": 10,
        "train_noisy": 18,
    }
    for name in ("test_seen", "test_unseen"):
        assert Counter(m.snr for m in sets[name]) == {-5: 5, 10: 5}
        assert len({m.recordings for m in sets[name]}) == 5
        assert all(m.id.endswith(f"-snr{m.snr:02d}") for m in sets[name])
    assert {m.recordings for m in sets["test_seen"]} == {m.recordings for m in sets["test_unseen"]}
    assert all(-5 <= m.snr <= 20 for m in sets["dev"])
    clean = [m for m in sets["train_noisy"] if m.noise is None]
    assert 0 < len(clean) < 9  # a tenth of 18, drawn


def test_speakers_are_disjoint(prepared):
    speakers = {name: {m.speaker for m in found} for name, found in manifests(prepared).items()}
    assert speakers["dev"] <= set(tree.SPEAKERS["dev-clean"])
    assert speakers["test_seen"] <= set(tree.SPEAKERS["test-clean"])
    assert speakers["train_noisy"] == set(tree.SPEAKERS["train-clean-100"])


def test_no_stretch_of_noise_serves_two_uses(corpora):
    roots = {name: corpora / name for name in tree.MAKERS}
    noises = noise_corpora.noises(roots)
    used = [(n.file, *n.share, use) for use, found in noises.items() for n in found]
    by_file = {}
    for file, begin, end, use in used:
        for per_cent in range(begin, end):
            assert by_file.setdefault((file, per_cent), use) == use
    whole = {file for file, *_ in used}
    assert all(sum((file, p) in by_file for p in range(100)) == 100 for file in whole)


def test_kinds_of_unseen_noise_are_documented_ones(corpora):
    noises = noise_corpora.noises({name: corpora / name for name in tree.MAKERS})
    by_use = {use: {n.file for n in found} for use, found in noises.items()}
    unseen = by_use.pop("unseen")
    assert not unseen & set.union(*by_use.values())
    found = Counter(file.split("/")[0] for file in unseen)
    assert found == {"musan": 4, "demand": 4, "wham_noise": 4, "esc50": 10, "noise": 2}
    assert {f.split("/")[1] for f in unseen if f.startswith("demand")} == {
        "DLIVING", "NPARK", "OOFFICE", "TBUS",
    }  # fmt: skip
    assert all(int(Path(f).stem.split("-")[3]) % 10 > 7 for f in unseen if f.startswith("esc50"))
    assert not any("music" in f or "ch02" in f for f in set.union(*by_use.values()))


def test_a_corpus_can_be_kept_for_the_unseen_test(corpora):
    roots = {name: corpora / name for name in ("dns_noise", "esc50")}
    noises = noise_corpora.noises(roots, unseen=("esc50",))
    assert {n.corpus for n in noises["unseen"]} == {"esc50"} and len(noises["unseen"]) == 20
    assert {n.corpus for n in noises["train"]} == {"dns_noise"}


def rebuilt(prepared):
    corpora = prepared / "corpora"
    for name, mixtures in manifests(prepared).items():
        for mixture in mixtures:
            signals = rebuild(mixture, corpora, corpora)
            for kind, path in audio_files(mixture, prepared / "audio" / name).items():
                yield mixture, kind, soundfile.read(path, dtype="float32")[0], signals


def test_every_mixture_is_rebuilt_bit_for_bit(prepared):
    count = 0
    for _, kind, written, signals in rebuilt(prepared):
        assert np.array_equal(written, getattr(signals, kind))
        count += 1
    assert count > 100


def test_snr_is_as_asked_and_the_sum_holds(prepared):
    for mixture, kind, _, signals in rebuilt(prepared):
        if kind == "noisy":
            assert np.array_equal(signals.noisy, signals.clean + signals.noise)
            active = speech_active(signals.clean, mixture.fs)
            power = [np.mean(x[active].astype(float) ** 2) for x in (signals.clean, signals.noise)]
            assert 10 * np.log10(power[0] / power[1]) == pytest.approx(mixture.snr, abs=0.05)


def test_noise_shorter_than_speech_is_tiled(prepared):
    corpora = prepared / "corpora"
    short = [m for m in manifests(prepared)["test_unseen"] if "sound-bible" in m.noise]
    assert short
    for mixture in short:
        begin, end = mixture.segment
        assert end - begin == 4800 and 0 <= mixture.offset < 4800
        noise = rebuild(mixture, corpora, corpora).noise
        assert len(noise) > 4800
        assert np.abs(noise[4800:] - noise[:-4800]).max() < 1e-4 < np.abs(noise).max()


def test_padding_is_left_out_and_stereo_noise_gives_its_first_channel(prepared):
    mixtures = [m for found in manifests(prepared).values() for m in found if m.noise]
    padded = [m for m in mixtures if "esc50" in m.noise]
    assert padded and all(m.segment[1] <= 0.8 * 44100 + 1 for m in padded)
    stereo = next(m for m in mixtures if "wham" in m.noise)
    first = soundfile.read(prepared / "corpora" / stereo.noise)[0][slice(*stereo.segment), 0]
    heard = rebuild(stereo, prepared / "corpora", prepared / "corpora").noise
    expected = np.take(first, stereo.offset + np.arange(len(heard)), mode="wrap")
    assert np.corrcoef(expected, heard)[0, 1] > 0.999


def test_noise_list_holds_training_noise_alone(prepared, corpora):
    table = read_table(prepared / "noise_train.scp")
    noises = noise_corpora.noises({name: corpora / name for name in tree.MAKERS})
    assert len(table) == len(noises["train"])
    assert "dns_noise-door_Freesound_1" in table  # ids hold no blank
    cut = {key: path for key, path in table.items() if key.startswith(("demand", "noise-"))}
    assert len(cut) == 3 + 8
    for key, path in cut.items():
        info = soundfile.info(path if Path(path).is_absolute() else prepared.parent / path)
        seconds = 4 if key.startswith("demand") else 1
        assert (info.samplerate, info.frames) == (16000, round(0.6 * seconds * 16000))
    direct = [path for key, path in table.items() if key not in cut]
    assert all(Path(path).is_file() and str(corpora.resolve()) in path for path in direct)


def test_data_directories_name_snr_and_noise(prepared):
    data = DataDir.read(prepared / "test_seen")
    assert set(data.tables["utt2snr"].values()) == {"-5", "10"}
    for key, mixture in zip(data.ids, manifests(prepared)["test_seen"]):
        assert data.tables["utt2noise"][key] == str(Path(mixture.noise).with_suffix("")).replace(
            "/", "-"
        )
    assert set(data.categories.values()) == {"SIMU"}


def contents(data):
    return {
        path.relative_to(data): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in data.rglob("*")
        if path.is_file() and "corpora" not in path.parts
    }


def test_draws_depend_on_the_seed_and_nothing_else(corpora, tmp_path, monkeypatch):
    prepare(corpora, tmp_path / "a")
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(real(path), reverse=True))
    monkeypatch.chdir(tmp_path)
    prepare(corpora, tmp_path / "b", "--nj", "2")
    prepare(corpora, tmp_path / "c", "--seed", "1")
    a, b, c = (tmp_path / name / "manifests" / "dev.jsonl" for name in "abc")
    assert filecmp.cmp(a, b, shallow=False) and not filecmp.cmp(a, c, shallow=False)
    audio = [tmp_path / name / "audio" / "test_seen" for name in "ab"]
    assert contents(audio[0]) == contents(audio[1]) != {}


def test_training_set_does_not_change_the_tests(corpora, prepared, tmp_path):
    prepare(corpora, tmp_path, noise=tuple(tree.MAKERS))
    assert not (tmp_path / "train_noisy").exists()
    for name in ("dev", "test_seen", "test_unseen"):
        names = [folder / "manifests" / f"{name}.jsonl" for folder in (tmp_path, prepared)]
        assert filecmp.cmp(*names, shallow=False)


def test_room_impulse_responses_of_slr28(corpora, tmp_path):
    rirs = tmp_path / "RIRS_NOISES"
    response = np.exp(-np.arange(800) / 100)
    for name in ("smallroom/Room001/Room001-00001", "mediumroom/Room002/Room002-00001"):
        tree.write(rirs / "simulated_rirs" / f"{name}.wav", response, 16000)
    real = rirs / "real_rirs_isotropic_noises"
    for name in ("RVB2014_type1_rir_largeroom1_far_angla", "RVB2014_type1_noise_largeroom1_1"):
        tree.write(real / f"{name}.wav", response, 16000)
    line = "--rir-id 00001 --room-id largeroom1 RIRS_NOISES/real_rirs_isotropic_noises/{}.wav\n"
    (real / "rir_list").write_text(line.format("RVB2014_type1_rir_largeroom1_far_angla"))
    prepare(corpora, tmp_path / "data", "--rirs", str(tmp_path))
    assert list(read_table(tmp_path / "data" / "rir_train.scp")) == [
        "real_rirs_isotropic_noises-RVB2014_type1_rir_largeroom1_far_angla",
        "simulated_rirs-mediumroom-Room002-Room002-00001",
        "simulated_rirs-smallroom-Room001-Room001-00001",
    ]
    (real / "rir_list").write_text(line.format("gone"))
    message = r"1 file\(s\) of rir_list are missing \(gone.wav\): unpack rirs_noises"
    with pytest.raises(UserError, match=message):
        prepare(corpora, tmp_path / "data", "--rirs", str(tmp_path))
    message = "RIRS=.*nowhere: no room impulse responses .* correct RIRS in db.sh"
    with pytest.raises(UserError, match=message):
        prepare(corpora, tmp_path / "data", "--rirs", str(tmp_path / "nowhere"))


# Bad input


def test_counts_of_the_originals_are_demanded(corpora, tmp_path):
    sound = corpora / "LibriSpeech/test-clean/121/130000/121-130000-0000.flac"
    for part in ("dev-clean", "test-clean", "train-clean-100"):
        tree.make_full_part(tmp_path / "full", part, PARTS[part].utterances, sound)
    named = ["--librispeech", str(tmp_path / "full"), "--musan", str(corpora / "musan")]
    prepare_librispeech_noisy.main([*named, "--data", str(tmp_path / "data"), *SMALL])
    for name, count in {"train_clean": 28539, "test_clean": 2620}.items():
        assert len(DataDir.read(tmp_path / "data" / name).ids) == count
    shutil.rmtree(tmp_path / "full" / "test-clean" / "1001")
    message = r"test-clean: 2460 of 2620 utterances: unpack test-clean\.tar\.gz completely, or"
    with pytest.raises(UserError, match=message):
        prepare_librispeech_noisy.main([*named, "--data", str(tmp_path / "data"), *SMALL])


def refused(corpora, tmp_path, message, *more, **keywords):
    with pytest.raises(UserError, match=message):
        prepare(corpora, tmp_path / "data", *more, **keywords)
    assert not list(tmp_path.glob("data/*/wav.scp"))


def test_wrong_root_and_missing_part(corpora, tmp_path):
    message = "LIBRISPEECH=.*/no: no such folder: correct LIBRISPEECH in db.sh, or leave it empty"
    refused(corpora / "no", tmp_path, message)
    shutil.copytree(corpora / "LibriSpeech" / "test-clean", tmp_path / "some" / "test-clean")
    message = (
        r"some: 2 of 3 parts are missing in .*some \(dev-clean, train-clean-100\): unpack "
        r"dev-clean\.tar\.gz, train-clean-100\.tar\.gz of https://www\.openslr\.org/.* there"
    )
    refused(tmp_path / "some", tmp_path, message)
    message = r"1 of 4 parts are missing in .* \(train-clean-360\)"
    refused(corpora, tmp_path, message, "--hours", "460")


@pytest.fixture
def changed(corpora, tmp_path):
    """Return a copy of the corpora that a test may spoil."""
    shutil.copytree(corpora, tmp_path / "changed")
    return tmp_path / "changed"


def test_partly_unpacked(changed, tmp_path):
    chapter = changed / "LibriSpeech" / "dev-clean" / "1272" / "130000"
    (chapter / "1272-130000-0001.flac").unlink()
    (changed / "LibriSpeech/dev-clean/1462/130001/1462-130001.trans.txt").unlink()
    message = (
        r"dev-clean: 3 recording\(s\) without transcript \(1462-130001-0000, .*\); "
        r"1 transcript\(s\) without recording \(1272-130000-0001\): unpack dev-clean\.tar\.gz again"
    )
    refused(changed, tmp_path, message)


def test_truncated_recording(changed, tmp_path):
    for path in (changed / "LibriSpeech" / "test-clean").glob("*/*/*.flac"):
        path.write_bytes(path.read_bytes()[:-2000])
    message = r"12 of 24 file\(s\): (audio file is truncated|not a rea).*1089-130000-000.\.flac"
    with pytest.raises(UserError, match=message):
        prepare(changed, tmp_path / "data")
    assert not list((tmp_path / "data").glob("*/wav.scp"))


def test_silent_and_broken_recordings_are_told_before_anything_is_written(changed, tmp_path):
    paths = sorted((changed / "LibriSpeech" / "test-clean").glob("*/*/*.flac"))[:3]
    for path in paths[:2]:
        soundfile.write(path, np.zeros(16000), 16000)
    paths[2].write_bytes(paths[2].read_bytes()[:-2000])
    with pytest.raises(UserError) as e:
        prepare(changed, tmp_path / "data")
    assert "2 of " in str(e.value) and "file(s): audio is silent: leave it out" in str(e.value)
    assert all(path.name in str(e.value) for path in paths)
    assert not list((tmp_path / "data").glob("*/wav.scp"))


def test_transcripts_of_chapters_that_cannot_be_read_are_told_all_at_once(changed, tmp_path):
    for path in (changed / "LibriSpeech" / "dev-clean").glob("*/*/*.trans.txt"):
        path.write_bytes(path.read_bytes() + b"x caf\xe9\n")
    message = r"\d of \d chapters are faulty: (.*\.trans\.txt: not UTF-8 .* perhaps cp1252.*){2}"
    refused(changed, tmp_path, message)


def test_noise_that_cannot_be_used(changed, tmp_path):
    bible = changed / "musan" / "noise" / "sound-bible"
    soundfile.write(bible / "noise-sound-bible-0001.wav", np.zeros(9000), 16000)
    path = bible / "noise-sound-bible-0002.wav"
    path.write_bytes(path.read_bytes()[:-999])
    with pytest.raises(UserError) as e:
        prepare(changed, tmp_path / "data")
    for problem in (
        "noise is audible for less than 0.1 s: leave it out",
        "audio file is truncated",
    ):
        assert f"file(s): {problem}" in str(e.value) and "1 of " in str(e.value)
    assert "sound-bible-0001" in str(e.value) and "sound-bible-0002" in str(e.value)


def test_noise_folders_that_are_wrong(corpora, tmp_path):
    refused(corpora, tmp_path, "MUSAN=.*/gone: no such folder: correct MUSAN", "--musan", "/gone")
    message = r"DEMAND=.*musan: no noise: looked for \*\*/ch01\.wav \(.*\.wav\) in .*musan"
    refused(corpora, tmp_path, message, "--demand", str(corpora / "musan"))


def test_noise_without_an_unseen_kind_is_refused(corpora, tmp_path):
    message = r"no noise for unseen in .*dns_noise: name another corpus in db\.sh .*--unseen_noise"
    refused(corpora, tmp_path, message, noise=("dns_noise",))
    message = r"--unseen_noise esc50: not among the corpora in use \(dns_noise\)"
    refused(corpora, tmp_path, message, "--unseen_noise", "esc50", noise=("dns_noise",))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--num_dev", "0"], "--num_dev 0: must be at least 1"),
        (["--clean_fraction", "1.5"], "--clean_fraction 1.5: must be from 0 to 1"),
        (["--snr_range", "5", "-5"], "the first must not exceed the second"),
        (["--test_snrs", "5", "5"], "each must be given once"),
    ],
)
def test_option_out_of_range(corpora, tmp_path, arguments, message):
    refused(corpora, tmp_path, message, *arguments)


# Download, and the stage as a whole


@pytest.fixture
def archives(corpora, tmp_path, monkeypatch):
    """Serve archives of the corpora from a folder, in the place of the internet."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for part in ("dev-clean", "test-clean", "train-clean-100"):
        with tarfile.open(folder / f"{part}.tar.gz", "w:gz") as f:
            f.add(corpora / "LibriSpeech" / "SPEAKERS.TXT", "LibriSpeech/SPEAKERS.TXT")
            f.add(corpora / "LibriSpeech" / part, f"LibriSpeech/{part}")
        digest = hashlib.md5((folder / f"{part}.tar.gz").read_bytes()).hexdigest()
        monkeypatch.setitem(librispeech_corpus.PARTS, part, Part(1, digest))
    with tarfile.open(folder / "musan.tar.gz", "w:gz") as f:
        f.add(corpora / "musan", "musan")
    digest = hashlib.md5((folder / "musan.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setattr(noise_corpora, "MUSAN_MD5", digest)

    def copy(url, path, sha256=None, md5=None):
        source = folder / Path(url).name
        if hashlib.md5(source.read_bytes()).hexdigest() != md5:
            raise UserError(f"{url}: MD5 differs")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)

    monkeypatch.setattr(download, "download", copy)
    return folder


def test_what_is_not_named_is_downloaded_and_checked(archives, corpora, tmp_path, monkeypatch):
    downloads = tmp_path / "downloads"
    start = ["--data", str(tmp_path / "data"), "--downloads", str(downloads), *SMALL]
    prepare_librispeech_noisy.main(start)
    assert {path.name for path in downloads.iterdir()} == {"librispeech", "musan"}
    prepare(corpora, tmp_path / "own", noise=("musan",))
    for name in ("dev", "test_seen", "test_unseen"):
        manifest = f"manifests/{name}.jsonl"
        assert filecmp.cmp(tmp_path / "data" / manifest, tmp_path / "own" / manifest, shallow=False)
    shutil.rmtree(downloads / "librispeech" / "dev-clean")
    monkeypatch.setitem(librispeech_corpus.PARTS, "dev-clean", Part(1, "0" * 32))
    with pytest.raises(UserError, match="MD5 differs; or set LIBRISPEECH=<folder> in db.sh if you"):
        prepare_librispeech_noisy.main(start)


def test_stage_takes_the_corpora_from_db_sh(corpora, tmp_path):
    shutil.copytree(RECIPE / "local", tmp_path / "local")
    bin_dir, root = Path(sys.executable).parent, RECIPE.parents[2]
    (tmp_path / "path.sh").write_text(f'export PATH="{bin_dir}:$PATH" PYTHONPATH="{root}"\n')
    shutil.copy(RECIPE / "db.sh", tmp_path / "db.sh")
    named = {"LIBRISPEECH": "LibriSpeech", "DNS_NOISE": "dns_noise", "ESC50": "esc50"}
    result = subprocess.run(
        ["local/data.sh", *SMALL, "--allow_partial", "true"],
        cwd=tmp_path,
        env={**os.environ, **{k: str(corpora / folder) for k, folder in named.items()}},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    first = DataDir.read(tmp_path / "data" / "dev").tables["wav.scp"].popitem()[1]
    assert not Path(first).is_absolute() and (tmp_path / first).is_file()
    links = {path.name for path in (tmp_path / "data" / "corpora").iterdir()}
    assert links == {"dev-clean", "test-clean", "train-clean-100", "dns_noise", "esc50"}
