# SPDX-License-Identifier: Apache-2.0
"""Digits before an array: rooms, places and noises of each set, the tracks, and a tiny run."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipe_runs import FEW_STEPS, run

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "fsdd_array" / "enh_asr_cbpc1"
sys.path.insert(0, str(RECIPE / "local"))

import array_protocol
import prepare_fsdd_array

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.noisy_sets.array_set import ArrayUtterance
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml

CORPORA = ("FSDD", "NONSPEECH")
SMALL = "--train_minutes 0.5 --num_dev 3 --num_test 2 --num_seen_rooms 2 --num_unseen_rooms 1"
SETS = ("dev", "test_clean", "test_seen", "test_unseen")
TRACKS = {"1ch": 1, "2ch": 2, "6ch": 6}  # channels


@pytest.fixture(scope="module")
def needs_rooms():
    """Skip where no rooms can be simulated."""
    pytest.importorskip(
        "pyroomacoustics", reason="SKIPPED: pip install 'espnet-cbpc[rooms]' to simulate rooms"
    )


@pytest.fixture(scope="module")
def prepare(shared_data, needs_rooms, tmp_path_factory):
    """Function: prepare little data of a track; gives the folder."""
    root = tmp_path_factory.mktemp("prepared")
    corpora = [f"--{name.lower()}={shared_data / name.lower()}" for name in CORPORA]

    def run(track):
        options = [*corpora, "--track", track, "--data", f"{root}/data_{track}", "--nj", "1"]
        prepare_fsdd_array.main([*options, *SMALL.split()])
        return root / f"data_{track}"

    return run


@pytest.fixture(scope="module")
def data(prepare):
    """The folder of a small run."""
    return prepare("6ch")


def utterances(data, name):
    lines = (data / "manifests" / f"{name}.jsonl").read_text().splitlines()
    return [ArrayUtterance.parse(line) for line in lines]


def test_every_set_is_there(data):
    snrs = {"dev": 1, "test_clean": 1, "test_seen": 4, "test_unseen": 4}
    for name in SETS:
        made = DataDir.read(data / name)
        assert len(made.ids) == (3 if name == "dev" else 2) * snrs[name]
        assert set(made.categories.values()) == {"SIMU"}
        for key, entry in made.tables["wav.scp"].items():
            files = entry.split()
            assert len(files) == 6 and files[0].endswith(f"{key}.CH5.wav")
            lengths = {soundfile.info(f).frames for f in (*files, made.tables["spk1.scp"][key])}
            assert len(lengths) == 1
    train = DataDir.read(data / "train")
    assert set(train.categories.values()) == {"CLEAN"}
    for table in ("noise_train", "rir_train", "noise_rir_train"):
        assert read_table(data / f"{table}.scp")


def test_tracks_have_the_same_mixtures(data, prepare):
    two = prepare("2ch")
    for name in SETS:
        tables = [DataDir.read(folder / name).tables["wav.scp"] for folder in (data, two)]
        assert tables[0].keys() == tables[1].keys()
        for key in tables[0]:
            six, pair = (table[key].split() for table in tables)
            assert [Path(file).name[-7:-4] for file in pair] == ["CH5", "CH1"]
            for one, other in zip(six, pair):
                assert Path(one).read_bytes() == Path(other).read_bytes()


def test_rooms_and_noises_are_seen_or_not(data):
    rooms, noises, places = {}, {}, {}
    for name in SETS:
        mixtures = [utterance.mixture for utterance in utterances(data, name)]
        rooms[name] = {Path(m.rir).parent.name for m in mixtures}
        noises[name] = {Path(n.recording).stem for m in mixtures for n in m.noises}
        responses = {m.rir for m in mixtures} | {n.rir for m in mixtures for n in m.noises}
        places[name] = {Path(r).stem.partition("-")[2] for r in responses}
    assert rooms == {**{name: {"seen"} for name in SETS}, "test_unseen": {"unseen"}}
    number = {name: {int(n[1:]) for n in found} for name, found in noises.items()}
    assert max(number["dev"] | number["test_seen"]) <= 70 < min(number["test_unseen"])
    assert not number["test_clean"]
    trained = {
        key.partition("-")[2]
        for t in ("rir", "noise_rir")
        for key in read_table(data / f"{t}_train.scp")
    }
    assert not trained & places["dev"] and not trained & places["test_seen"]
    assert not places["dev"] & places["test_seen"]
    heard = {Path(p).parent.name for p in read_table(data / "noise_train.scp").values()}
    kept = {
        Path(n.recording).parent.name
        for u in utterances(data, "test_seen")
        for n in u.mixture.noises
    }
    assert heard == {"noise_train"} and kept == {"noise_held_out"}


def test_speech_and_noise_of_a_mixture_are_in_one_room(data):
    for name in ("dev", "test_seen", "test_unseen"):
        for utterance in utterances(data, name):
            room = utterance.mixture.rir.partition("-speech")[0]
            found = utterance.mixture.noises
            assert 1 <= len(found) <= 2 and all(n.rir.startswith(f"{room}-noise") for n in found)


def test_an_utterance_has_one_room_and_noise_at_all_ratios(data):
    found = utterances(data, "test_unseen")
    for at_four in (found[:4], found[4:]):
        assert len({(u.clean, u.mixture.rir, u.mixture.noises) for u in at_four}) == 1
        assert [u.mixture.snr_db for u in at_four] == [-5, 0, 5, 10]
        snrs = []
        for utterance in at_four:
            mixed = utterance.render()
            files = [
                data / "audio" / "test_unseen" / f"{utterance.id}.{k}.wav" for k in ("CH5", "ref")
            ]
            heard, reference = (soundfile.read(file, dtype="float32")[0] for file in files)
            np.testing.assert_allclose(heard, mixed.noisy[:, 0], atol=2**-15)
            np.testing.assert_allclose(reference, mixed.reference, atol=2**-15)
            snrs.append(np.sum(reference**2) / np.sum((heard - reference) ** 2))
        assert snrs == sorted(snrs)


def test_mixing_in_training_is_that_of_the_sets_on_disk(data):
    """The configurations say again what the protocol says."""
    for track, channels in array_protocol.TRACKS.items():
        drawn = prepare_fsdd_array._mixing(Path(f"data_{track}"), "train", 8000)
        conf = read_yaml(RECIPE / "conf" / f"dynamic_mixing_{track}.yaml")
        assert conf["channels"] == list(channels)
        for name in (
            "noise_scp",
            "rir_scp",
            "noise_rir_scp",
            "ref_channel",
            "snr_db",
            "num_noises",
        ):
            assert conf[name] == drawn[name], name


@pytest.mark.parametrize(
    "option", ["--num_seen_rooms", "--num_unseen_rooms", "--num_dev", "--train_minutes"]
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(UserError, match=f"{option} 0.*: must be"):
        prepare_fsdd_array.main([option, "0"])


@pytest.mark.slow
@pytest.mark.parametrize("track", TRACKS)
def test_tiny_run(tree, shared_data, needs_rooms, track):
    """All stages but the last two."""
    folder = tree / "egs2" / "fsdd_array" / "enh_asr_cbpc1"
    tokenizer = folder / "conf" / "tokenizer_kmeans.yaml"
    tokenizer.write_text(tokenizer.read_text().replace("n_clusters: 50", "n_clusters: 10"))
    options = [
        *(
            "--local_data_opts",
            f"{SMALL} --test_snrs 0",
            "--nj",
            "1",
            "--inference_nj",
            "1",
            "--ngpu",
            "0",
        ),
        *("--comparison", "conf/comparison.yaml", "--stop_stage", "report", *FEW_STEPS),
    ]
    corpora = {name: str(shared_data / name.lower()) for name in CORPORA}
    done = run(folder, "--track", track, *options, **corpora)
    assert done.returncode == 0, done.stdout[-3000:]
    for name in ("joint", "joint_cbpc_infonce"):
        log = (folder / f"exp_{track}" / f"enh_asr_{name}" / "train.log").read_text()
        means = dict(re.findall(r"(\w+)=([-\d.e+]+)", re.search(r"\[train\](.*)\[valid\]", log)[1]))
        assert float(means["num_simu"]) > 1 and float(means["num_clean"]) == 0
        assert np.isfinite(float(means["loss_enh"]))
        enhanced = folder / f"exp_{track}" / f"enh_asr_{name}" / "decode" / "test_unseen"
        for path in read_table(enhanced / "enhanced" / "spk1.scp").values():
            assert soundfile.info(folder / path).channels == 1
    report = (folder / f"exp_{track}" / "comparison" / "RESULTS.md").read_text()
    for title in ("Conventional joint training", "Joint, CBPC and infoNCE", "SE, then clean ASR"):
        assert title in report
