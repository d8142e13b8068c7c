# SPDX-License-Identifier: Apache-2.0
"""The mini_synth corpus: what is drawn, what is written, and what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1"
sys.path.insert(0, str(RECIPE / "local"))

import mini_synth_corpus as corpus
import prepare_mini_synth
from generated_noise import SEEN_KINDS, UNSEEN_KINDS

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.mixing.snr import speech_active
from espnet_cbpc.utils.cli import UserError

SETS = ("train", "dev", "dev_clean", "test_clean", "test_seen", "test_unseen")
SIZES = ("--num_train", "30", "--num_dev", "6", "--num_test", "5")


def data_sh(recipe: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the recipe's stage 1 in a folder of its own with this Python."""
    recipe.mkdir(exist_ok=True)
    if not (recipe / "local").exists():
        (recipe / "local").symlink_to(RECIPE / "local")
        (recipe / "path.sh").write_text("", encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "local/data.sh", *options],
        cwd=recipe,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def checksums(data: Path) -> dict:
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini_synth") / "recipe"
    done = data_sh(folder, *SIZES)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def audio(recipe):
    def read(path: str) -> np.ndarray:
        samples, fs = soundfile.read(recipe / path)
        assert fs == 8000
        return samples

    return read


VOICES = (corpus.TRAIN_VOICES, corpus.DEV_VOICES, corpus.TEST_VOICES)


def variants(voices):
    return [variant for accent in voices for variant in voices[accent]]


def test_no_variant_is_in_two_sets():
    train, dev, test = map(variants, VOICES)
    assert (len(train), len(dev), len(test)) == (48, 6, 8)
    assert len({variant.lower() for variant in train + dev + test}) == 62
    assert corpus.TEST_VOICES.keys() <= corpus.TRAIN_VOICES.keys()  # of accents, all are known


def test_test_voices_and_unseen_noises_are_not_in_training():
    sets = corpus.Draw(0).sets(200, 40, 20)
    learnt = sets["train"] + sets["dev"] + sets["dev_clean"]
    for name in ("test_clean", "test_seen", "test_unseen"):
        for what in ("speaker", "voice", "text"):
            tested = {getattr(u, what) for u in sets[name]}
            assert not tested & {getattr(u, what) for u in learnt}, (name, what)
    assert not {u.noise for u in sets["test_unseen"]} & {u.noise for u in learnt}
    assert {u.speaker for u in sets["train"]} == {v.lower() for v in variants(corpus.TRAIN_VOICES)}
    assert not {u.speaker for u in sets["train"]} & {u.speaker for u in sets["dev"]}


def test_every_voice_is_one_of_the_synthesizer():
    synthesizer = prepare_mini_synth.synthesizer(8000)
    for voices in VOICES:
        for accent in voices:
            for variant in voices[accent]:
                assert len(synthesizer.speak("red", f"{accent}+{variant}")) > 1000


def test_babble_voices_are_no_speakers_and_differ_between_the_kinds():
    seen, unseen = (
        {voice.partition("+")[2] for voice in corpus.BABBLE[kind]}
        for kind in ("babble", "foreign_babble")
    )
    assert not seen & unseen
    assert not (seen | unseen) & {variant for voices in VOICES for variant in variants(voices)}
    languages = {voice.partition("+")[0] for voice in corpus.BABBLE["foreign_babble"]}
    assert languages == {"de", "fr"}


def test_training_does_not_change_the_other_sets():
    small, large = (corpus.Draw(3).sets(n, 10, 10) for n in (20, 200))
    assert all(small[name] == large[name] for name in SETS if name != "train")
    assert corpus.Draw(4).sets(20, 10, 10)["dev"] != small["dev"]


def test_drawn_sets():
    sets = corpus.Draw(0).sets(1000, 80, 80)
    assert {name: len(utterances) for name, utterances in sets.items()} == {
        "train": 1000, "dev": 80, "dev_clean": 80,
        "test_clean": 80, "test_seen": 240, "test_unseen": 240,
    }  # fmt: skip
    kinds = {name: Counter(u.noise for u in utterances) for name, utterances in sets.items()}
    assert kinds["train"] == {**dict.fromkeys(SEEN_KINDS, 180), None: 100}
    assert kinds["dev"] == dict.fromkeys(SEEN_KINDS, 16)
    assert kinds["test_seen"] == dict.fromkeys(SEEN_KINDS, 48)
    assert kinds["test_unseen"] == dict.fromkeys(UNSEEN_KINDS, 60)
    snrs = [u.snr for u in sets["train"] if u.noise]
    assert -5 <= min(snrs) < -4 and 19 < max(snrs) <= 20
    assert np.mean(snrs) == pytest.approx(7.5, abs=1)
    seeds = Counter(u.noise_seed for s in ("train", "dev") for u in sets[s] if u.noise)
    assert max(seeds.values()) == 1


def test_no_sentence_in_two_sets():
    sets = corpus.Draw(0).sets(1000, 80, 80)
    texts = {name: {u.text for u in sets[name]} for name in SETS}
    assert texts["test_clean"] == texts["test_seen"] == texts["test_unseen"]
    assert texts["dev"] == texts["dev_clean"]
    assert len(texts["train"] | texts["dev"] | texts["test_clean"]) == 1160
    words = Counter(word for text in texts["train"] for word in text.split())
    assert words.keys() == {word for slot in corpus.GRAMMAR for word in slot}
    assert min(words.values()) > 30


def test_the_speech_of_a_test_is_the_same_in_every_condition():
    sets = corpus.Draw(0).sets(10, 1, 12)
    speech = [
        {(u.text, u.voice, u.rate, u.pitch) for u in sets[name]}
        for name in ("test_clean", "test_seen", "test_unseen")
    ]
    assert speech[0] == speech[1] == speech[2] and len(speech[0]) == 12
    by_base = {}
    for u in sets["test_seen"]:
        by_base.setdefault(u.id.rpartition("-")[0], []).append(u)
    for group in by_base.values():
        assert [u.snr for u in group] == [0, 5, 10]
        assert len({u.noise_seed for u in group}) == 1


def test_more_sentences_than_the_grammar_has():
    message = "41000 utterances, but the grammar has only 25600 sentences: lower --num_train"
    with pytest.raises(UserError, match=message):
        corpus.Draw(0).sets(40000, 500, 500)


def test_data_directories_are_valid(recipe):
    sizes = {"train": 30, "dev": 6, "dev_clean": 6, "test_clean": 5} | {
        "test_seen": 15, "test_unseen": 15,
    }  # fmt: skip
    for name in SETS:
        data = DataDir.read(recipe / "data" / name)
        assert len(data.ids) == sizes[name]
        speakers = data.tables["utt2spk"]
        assert all(key.startswith(f"{speakers[key]}-") for key in data.ids)
        simulated = [key for key in data.ids if data.categories[key] == "SIMU"]
        assert list(data.tables.get("spk1.scp", {})) == simulated
        assert list(data.tables.get("noise1.scp", {})) == simulated
        assert Counter(data.categories.values())["CLEAN"] == {
            "train": 3, "dev_clean": 6, "test_clean": 5,
        }.get(name, 0)  # fmt: skip


@pytest.mark.parametrize("name", ["train", "dev", "test_seen", "test_unseen"])
def test_mixtures_add_up_at_the_snr_asked_for(recipe, audio, name):
    tables = DataDir.read(recipe / "data" / name).tables
    for key in tables["spk1.scp"]:
        noisy, clean, noise = (audio(tables[t][key]) for t in ("wav.scp", "spk1.scp", "noise1.scp"))
        assert np.abs(noisy - clean - noise).max() <= 2.01 / 32768  # each is rounded to 16 bits
        active = speech_active(clean, 8000)
        ratio = np.mean(clean[active] ** 2) / np.mean(noise[active] ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(float(tables["utt2snr"][key]), abs=0.05)
        assert 0.3 < np.abs(noisy).max() <= 0.91


def test_breakdown_files(recipe):
    train = DataDir.read(recipe / "data" / "train").tables
    for key, category in train["utt2category"].items():
        if category == "CLEAN":
            assert train["utt2snr"][key] == "clean" and train["utt2noise"][key] == "none"
        else:
            assert train["utt2noise"][key] in SEEN_KINDS
            assert len(train["utt2snr"][key].partition(".")[2]) == 2
    unseen = DataDir.read(recipe / "data" / "test_unseen").tables
    assert Counter(unseen["utt2snr"].values()) == {"0": 5, "5": 5, "10": 5}
    assert set(unseen["utt2noise"].values()) == set(UNSEEN_KINDS)
    clean = DataDir.read(recipe / "data" / "test_clean").tables
    assert set(clean["utt2snr"].values()) == {"clean"}
    assert set(clean["utt2noise"].values()) == {"none"}


def test_manifest_tells_what_was_made(recipe):
    for name in SETS:
        data = DataDir.read(recipe / "data" / name)
        manifest = recipe / "data" / "manifests" / f"{name}.jsonl"
        lines = [json.loads(line) for line in manifest.read_text().splitlines()]
        assert [line["id"] for line in lines] == data.ids
        assert {line["id"]: line["text"] for line in lines} == data.tables["text"]
        assert lines[0].keys() == {
            "id", "speaker", "text", "voice", "rate", "pitch", "noise", "noise_seed", "snr",
        }  # fmt: skip


def test_same_files_again_with_one_process_after_another_corpus(recipe, tmp_path):
    folder = tmp_path / "recipe"
    sizes = ("--num_train", "2", "--num_dev", "1", "--num_test", "1")
    other = data_sh(folder, *sizes, "--fs", "16000", "--seed", "1", "--nj", "1")
    assert other.returncode == 0, other.stderr
    train = DataDir.read(folder / "data" / "train").tables
    rates = {soundfile.info(folder / path).samplerate for path in train["wav.scp"].values()}
    assert rates == {16000}
    reference = DataDir.read(recipe / "data" / "train").tables
    assert not set(train["text"].values()) & set(reference["text"].values())
    same = data_sh(folder, *SIZES, "--nj", "1")
    assert same.returncode == 0, same.stderr
    assert checksums(folder / "data") == checksums(recipe / "data")


def test_a_failure_leaves_nothing_that_looks_whole(recipe, tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(recipe / "data", data)

    def fail(*args):
        raise UserError("no space")

    monkeypatch.setattr(prepare_mini_synth, "parallel_map", fail)
    with pytest.raises(UserError, match="no space"):
        prepare_mini_synth.main(["--data", str(data), *SIZES, "--nj", "1"])
    assert not list(data.glob("*/wav.scp"))
    assert not (data / ".audio.new").exists()


@pytest.mark.parametrize(
    "option, value, least",
    [("num_train", 0, 1), ("num_dev", 0, 1), ("num_test", -1, 1), ("fs", 4000, 8000),
     ("seed", -1, 0), ("nj", 0, 1)],
)  # fmt: skip
def test_option_out_of_range(tmp_path, option, value, least):
    with pytest.raises(UserError, match=f"^--{option} {value}: must be at least {least}$"):
        prepare_mini_synth.main(["--data", str(tmp_path / "data"), f"--{option}", str(value)])
    assert not (tmp_path / "data").exists()


def test_without_espeak_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    message = r"espeakng_loader, which is not installed: pip install 'espnet-cbpc\[mini_synth\]'$"
    with pytest.raises(UserError, match=message):
        prepare_mini_synth.main(["--data", str(tmp_path / "data"), *SIZES])
    assert not (tmp_path / "data").exists()


def test_an_error_is_one_line_and_a_status(tmp_path):
    done = data_sh(tmp_path / "recipe", "--nj", "0")
    assert done.returncode == 1
    assert done.stderr == "error: --nj 0: must be at least 1\n"


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_data_sh_is_shellcheck_clean():
    done = subprocess.run(
        ["shellcheck", "-e", "SC1091", str(RECIPE / "local" / "data.sh")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
