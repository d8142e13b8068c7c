# SPDX-License-Identifier: Apache-2.0
"""CHiME-4's tracks of two and six channels: which files, references, noises; what is refused."""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "chime4" / "enh_asr_cbpc1"
sys.path[:0] = [str(RECIPE / "local"), str(Path(__file__).resolve().parent)]

import chime4_tree
import prepare_chime4
from chime4_corpus import COUNTS, Corpus
from chime4_files import names_in
from chime4_tracks import drawn_pair, utterances

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.scoring.quality.utterance_quality import si_sdr
from espnet_cbpc.utils.cli import UserError

FS = 16000


def prepare(tree, data, *options):
    prepare_chime4.main([*tree.options, "--data", str(data), "--nj", "1", *options])
    return data


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small tree, not to be changed."""
    return chime4_tree.tiny_tree(tmp_path_factory.mktemp("chime4"), 2, arrays=True)


@pytest.fixture
def changed(tiny, tmp_path):
    """A copy of the small tree, to be changed."""
    shutil.copytree(tiny.root, tmp_path / "tree")
    names_in.cache_clear()
    yield chime4_tree.Tree(tmp_path / "tree", truth=tiny.truth)
    names_in.cache_clear()


@pytest.fixture(scope="module", params=["2ch", "6ch"])
def track(request):
    return request.param


@pytest.fixture(scope="module")
def prepared(tiny, track, tmp_path_factory):
    return prepare(tiny, tmp_path_factory.mktemp(track) / "data", "--track", track)


def channels_of(entry):
    return [int(Path(file).stem.rpartition(".CH")[2]) for file in columns(entry)]


def entries(data, name):
    return read_table(data / name / "wav.scp")


# --- the sets


@pytest.mark.parametrize("name", COUNTS)
def test_ids_are_the_published_ones(prepared, name):
    kind = name[-4:].upper()
    for key, entry in entries(prepared, name).items():
        assert {Path(file).stem[:-4] for file in columns(entry)} == {key.removesuffix(f"_{kind}")}


def test_two_channels(tiny, tmp_path):
    data = prepare(tiny, tmp_path / "data", "--track", "2ch")
    drawn = Counter()
    for name in ("tr05_simu", "tr05_real"):
        for key, entry in entries(data, name).items():
            assert tuple(channels_of(entry)) == drawn_pair(key[:-5], (1, 3, 4, 5, 6))
            drawn.update(channels_of(entry))
            assert all("/isolated/tr05_" in file for file in columns(entry))
    assert 2 not in drawn and len(drawn) > 3
    for name in ("dt05_simu", "dt05_real", "et05_simu", "et05_real"):
        listed = [
            [f"16kHz/isolated_2ch_track/{file}" for file in line.split()]
            for line in tiny.lists[f"{name}_2ch"]
        ]
        found = [
            [file[file.index("16kHz") :] for file in columns(e)]
            for e in entries(data, name).values()
        ]
        assert sorted(found) == sorted(listed)


def test_six_channels(tiny, tmp_path):
    data = prepare(tiny, tmp_path / "data", "--track", "6ch")
    for name in COUNTS:
        for entry in entries(data, name).values():
            assert channels_of(entry) == [5, 1, 3, 4, 6]
            folder = "isolated/tr05_" if name[:4] == "tr05" else f"isolated_6ch_track/{name[:4]}_"
            assert all(folder in file for file in columns(entry))
    data = prepare(tiny, tmp_path / "others", "--track", "6ch", "--channels", "2", "4")
    assert channels_of(entries(data, "et05_real")["F05_050C0100_PED_REAL"]) == [2, 4]


def test_clean_speech_has_as_many_channels(prepared, track):
    data = DataDir.read(prepared / "tr05_multi")
    counts = Counter(len(columns(entry)) for entry in data.tables["wav.scp"].values())
    assert counts == {2 if track == "2ch" else 5: len(data.ids)}
    entry = data.tables["wav.scp"]["011_011C0100_ORG_CLEAN"]
    assert len(set(columns(entry))) == 1


def test_pairs_are_drawn_alike_often_and_for_good():
    pairs = Counter(drawn_pair(f"F01_{n}_BUS", (1, 3, 4, 5, 6)) for n in range(8000))
    assert len(pairs) == 20 and min(pairs.values()) > 300
    assert drawn_pair("F01_050C0100_BUS", (1, 3, 4, 5, 6)) == drawn_pair(
        "F01_050C0100_BUS", [1, 3, 4, 5, 6]
    )


def test_noises_have_all_microphones(prepared):
    noises = read_table(prepared / "noise_tr05.scp")
    assert list(noises) == [f"BGD_150203_010_{env}" for env in chime4_tree.ENVIRONMENTS]
    for key, entry in noises.items():
        assert channels_of(entry) == [1, 2, 3, 4, 5, 6]
        assert all(Path(file).is_file() and f"/{key}.CH" in file for file in columns(entry))


def test_references_are_the_speech_at_the_first_channel(tiny, prepared):
    for name, count in (("tr05_simu", 8), ("dt05_simu", 4), ("et05_simu", 4)):
        references = read_table(prepared / name / "spk1.scp")
        assert len(references) == count
        for key, path in references.items():
            first = channels_of(entries(prepared, name)[key])[0]
            truth = tiny.truth[f"{key[:-5]}.CH{first}_SIMU"]
            assert si_sdr(truth, read_audio(path)[0]) > 55


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A tree of the organisers' counts; making its 80,000 files takes half a minute."""
    root = tmp_path_factory.mktemp("full") / "tree"
    return chime4_tree.full_tree(root, channels=range(1, 7))


@pytest.mark.slow
def test_documented_counts(full, track, tmp_path):
    data = prepare(full, tmp_path / "data", "--track", track)
    assert {name: len(entries(data, name)) for name in COUNTS} == COUNTS
    assert len(entries(data, "tr05_multi")) == 7138 + 1600 + 7138


# --- failing microphones


def spoil(tree, set_name, name, channel, change):
    """Change a channel of a recording, wherever it lies."""
    folder = f"{set_name[:4]}_{name[-3:].lower()}_{set_name[5:]}"
    for path in tree.audio.glob(f"isolated*/{folder}/{name}.CH{channel}.wav"):
        samples, fs = soundfile.read(path)
        path.unlink()
        soundfile.write(path, change(samples), fs, subtype="PCM_16")


def test_failing_microphones_are_replaced(changed, tmp_path):
    rng = np.random.default_rng(0)
    spoil(changed, "et05_real", "F05_050C0100_BUS", 5, np.zeros_like)
    spoil(changed, "et05_real", "F05_050C0100_CAF", 3, lambda s: np.clip(40 * s, -0.9, 0.9))
    spoil(changed, "et05_real", "F05_050C0100_PED", 6, lambda s: 0.02 * rng.standard_normal(len(s)))
    spoil(changed, "et05_real", "F05_050C0100_STR", 4, lambda s: s * (np.arange(len(s)) > 5000))
    data = prepare(changed, tmp_path / "data", "--track", "6ch")
    format_data_dir(data / "et05_real", tmp_path / "out", FS)
    failing = read_table(tmp_path / "out" / "utt2failing_channels")
    assert {key[13:16]: value.split(":")[:2] for key, value in failing.items()} == {
        "BUS": ["0", "silent"],
        "CAF": ["2", "clips"],
        "PED": ["4", "unlike_the_others"],
        "STR": ["3", "drops_out"],
    }
    for key, entry in read_table(tmp_path / "out" / "wav.scp").items():
        channel, _, _, instead = failing[key].split(":")
        heard = channels_of(entry)
        assert heard[int(channel)] == heard[int(instead)] != [5, 1, 3, 4, 6][int(channel)]
    for name in ("tr05_multi", "dt05_multi"):
        format_data_dir(data / name, tmp_path / name, FS)
        assert not (tmp_path / name / "utt2failing_channels").exists()


# --- bad input


def refused(tree, tmp_path, message, *options):
    with pytest.raises(UserError, match=message):
        prepare(tree, tmp_path / "refused", *options)
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--track", "6ch", "--channels", "0", "5"],
            r"choose from \(1, 2, 3, 4, 5, 6\), each once",
        ),
        (["--track", "6ch", "--channels", "5", "5"], "each once"),
        (["--track", "2ch", "--channels", "2", "5"], r"choose from \(1, 3, 4, 5, 6\), each once"),
        (["--track", "6ch", "--channels", "5"], "the 6ch track needs two or more"),
    ],
)
def test_channels_that_cannot_be_chosen(tiny, tmp_path, options, message):
    refused(tiny, tmp_path, message, *options)


def test_a_missing_channel(changed, tmp_path):
    (changed.audio / "isolated_6ch_track/dt05_bus_real/F01_050C0100_BUS.CH4.wav").unlink()
    message = r"dt05_real: 1 of 20 files are missing \(.*F01_050C0100_BUS.CH4.wav\): unpack"
    refused(changed, tmp_path, message, "--track", "6ch")


def test_channels_of_other_lengths(changed, tmp_path):
    spoil(changed, "tr05_real", "F02_050C0100_BUS", 3, lambda samples: samples[:-100])
    message = (
        r"tr05_real: the channels of 1 of 4 recordings differ in length "
        r"\(F02_050C0100_BUS_REAL: (\d+), \1, (?!\1)\d+, \1, \1 samples\): unpack"
    )
    refused(changed, tmp_path, message, "--track", "6ch")


def test_annotation_of_another_take(changed, tmp_path, track):
    path = changed.root / "CHiME4" / "data" / "annotations" / "et05_real.json"
    annotations = json.loads(path.read_text())
    annotations[2]["end"] += 1.5
    path.write_text(json.dumps(annotations))
    message = (
        r"et05_real.json: 1 of 4 annotations belong to other takes than the recordings "
        r"\(F05_050C0100_PED_REAL: \d\.\d s, annotated \d\.\d s\): unpack"
    )
    refused(changed, tmp_path, message, "--track", track)


def test_all_microphones_dead(changed, tmp_path):
    for channel in range(1, 7):
        spoil(changed, "et05_real", "F05_050C0100_BUS", channel, np.zeros_like)
    data = prepare(changed, tmp_path / "data", "--track", "6ch")
    with pytest.raises(UserError, match=r"1 of 4 utterance\(s\): all channels fail: leave the rec"):
        format_data_dir(data / "et05_real", tmp_path / "out", FS)


def test_without_the_lists_of_the_track(changed, tmp_path):
    shutil.rmtree(changed.root / "CHiME4_diff")
    message = r"et05_simu_2ch_track.list: neither in .*annotations nor in .*name CHIME4_DIFF in db"
    with pytest.raises(UserError, match=message.replace(" nor in .*name", ".*name")):
        chime4 = str(changed.root / "CHiME4")
        prepare_chime4.main(["--chime4", chime4, "--data", str(tmp_path / "d"), "--track", "2ch"])


@pytest.mark.parametrize("lines", ["", "dt05_bus_real/F01_050C0100_BUS.CH1.wav\n"])
def test_lists_that_lack_utterances(changed, tmp_path, lines):
    path = changed.root / "CHiME4" / "data" / "annotations" / "dt05_real_2ch_track.list"
    path.write_text(lines + "".join(path.read_text().splitlines(True)[1:]))
    message = (
        r"dt05_real_2ch_track.list: 1 of 4 annotated utterances do not have two channels in it"
    )
    refused(changed, tmp_path, message, "--track", "2ch")


def test_a_folder_with_blanks(tiny, tmp_path):
    os.symlink(tiny.root, tmp_path / "my tree")
    tree = chime4_tree.Tree(tmp_path / "my tree")
    message = r"my tree/CHiME4/data/audio/16kHz: .* no path may hold blanks \(9 do\): link"
    refused(tree, tmp_path, message, "--track", "6ch")


def test_sets_of_one_channel_are_untouched(tiny):
    corpus = Corpus(tiny.root / "CHiME4", str(tiny.root / "CHiME4_diff"))
    found = utterances(corpus, "et05_simu", "1ch", [1, 3])
    assert [len(one.paths) for one in found] == [1] * 4
    assert all("isolated_1ch_track" in str(one.path) for one in found)
