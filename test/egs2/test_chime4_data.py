# SPDX-License-Identifier: Apache-2.0
"""CHiME-4: what is prepared from trees of its shape, how references come back, what is refused."""

import json
import logging
import os
import shutil
import subprocess
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
from chime4_corpus import COUNTS, Corpus, Piece
from chime4_files import names_in
from chime4_references import read_piece
from chime4_transcripts import normalise, read_dot
from close_talk_filter import filter_image, istft, stft

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.scoring.quality.utterance_quality import si_sdr
from espnet_cbpc.utils.cli import UserError

SETS = {*COUNTS, "tr05_org", "tr05_multi", "dt05_multi"}
FRONT = {1, 3, 4, 5, 6}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small tree, not to be changed."""
    return chime4_tree.tiny_tree(tmp_path_factory.mktemp("chime4"))


@pytest.fixture
def changed(tiny, tmp_path):
    """A copy of the small tree, to be changed."""
    shutil.copytree(tiny.root, tmp_path / "tree")
    names_in.cache_clear()
    yield chime4_tree.Tree(tmp_path / "tree", truth=tiny.truth)
    names_in.cache_clear()


def prepare(tree, data, *options):
    prepare_chime4.main([*tree.options, "--data", str(data), "--nj", "1", *options])
    return data


@pytest.fixture(scope="module")
def prepared(tiny, tmp_path_factory):
    return prepare(tiny, tmp_path_factory.mktemp("prepared") / "data")


def references(data, set_name):
    return read_table(data / set_name / "spk1.scp")


def qualities(tree, data, set_name):
    """SI-SDR of each reference of a set against the speech that the simulation added."""
    return [
        si_sdr(tree.truth[key], read_audio(path)[0])
        for key, path in references(data, set_name).items()
    ]


# --- transcripts


@pytest.mark.parametrize(
    "dot, words",
    [
        (r"Mr\. Smith's firm's well-known", "MR. SMITH'S FIRM'S WELL-KNOWN"),
        (r"said ,COMMA \"DOUBLE-QUOTE no", 'SAID ,COMMA "DOUBLE-QUOTE NO'),
        ("and --DASH then -DASH -HYPHEN", "AND -DASH THEN -DASH -HYPHEN"),
        ("ten %PERCENT .POINT five .PERIOD", "TEN PERCENT POINT FIVE .PERIOD"),
        ("[loud_breath] a [<door_slam] b [tap>] c", "A B C"),
        ("a [phone_ring/] b [/phone_ring] c", "A B C"),
        ("a . b ~", "A B"),
        ("a <NOISE> b", "A B"),
        ("<the> firm's <and>", "THE FIRM'S AND"),
        ("*Rumour* !stress co:lon", "*RUMOUR* !STRESS CO:LON"),
        ("  spaced \t out  ", "SPACED OUT"),
        ("[cough]", ""),
    ],
)
def test_normalisation(dot, words):
    assert normalise(dot) == words


def test_words_in_brackets_at_the_end_of_a_dot_line_are_no_id(tmp_path):
    lines = ["(LEFT-PAREN a )RIGHT-PAREN (011c0201)", "", "b (F01_22GC010A_BUS) "]
    (tmp_path / "a.dot").write_text("\n".join(lines))
    read = read_dot(tmp_path / "a.dot")
    assert {key: value.strip() for key, value in read.items()} == {
        "011C0201": "(LEFT-PAREN a )RIGHT-PAREN",
        "F01_22GC010A_BUS": "b",
    }
    (tmp_path / "a.dot").write_text("a (b)\nno id\n")
    with pytest.raises(UserError, match=r"a\.dot:2: not of the form 'words \(id\)'"):
        read_dot(tmp_path / "a.dot")


# --- the filter


def test_filter_estimate_equals_slow_loops():
    rng = np.random.default_rng(3)
    envelope = np.abs(np.sin(np.arange(11111) / 900)) ** 3
    close = envelope * rng.standard_normal(11111)
    far = np.convolve(close, [0, 0, 0.5, 0.2, 0, 0.1])[:11111] + 0.3 * rng.standard_normal(11111)
    for block in (4000, 11000):  # several blocks; one
        slow = chime4_tree.slow_filter_image(close, far, block=block)
        np.testing.assert_allclose(filter_image(close, far, block=block), slow, atol=1e-6)


@pytest.mark.parametrize("length", [1, 127, 128, 129, 5000])
def test_spectrum_gives_the_signal_back(length):
    samples = np.random.default_rng(0).standard_normal(length)
    spectrum = stft(samples)
    assert spectrum.shape == (129, -(-length // 128))
    np.testing.assert_allclose(istft(spectrum, length), samples, atol=1e-12)


def test_filter_of_silence_is_silence():
    far = np.random.default_rng(0).standard_normal(4000)
    assert not filter_image(np.zeros(4000), far).any()
    half = np.concatenate([np.zeros(8000), far])  # a block of digital silence among others
    assert np.isfinite(filter_image(half, np.random.default_rng(1).standard_normal(12000))).all()


def test_piece_beyond_the_recording_is_none(tmp_path):
    path = str(tmp_path / "a.wav")
    soundfile.write(path, np.arange(100) / 200, 16000, subtype="PCM_16")
    whole, _ = read_audio(path)
    np.testing.assert_array_equal(read_piece(Piece(path, 10, 20)), whole[10:20])
    assert read_piece(Piece(path, 90, 101)) is None
    assert read_piece(Piece(path, -1, 5)) is None


# --- what is prepared


def test_documented_counts(tmp_path):
    tree = chime4_tree.full_tree(tmp_path / "tree")
    data = prepare(tree, tmp_path / "data", "--channels", "5")
    sets = {name: DataDir.read(data / name) for name in SETS}
    assert {name: len(sets[name].ids) for name in COUNTS} == {
        "tr05_simu": 7138, "tr05_real": 1600, "dt05_simu": 1640, "dt05_real": 1640,
        "et05_simu": 1320, "et05_real": 1320,
    }  # fmt: skip
    assert len(sets["tr05_org"].ids) == 7138 and len(sets["dt05_multi"].ids) == 3280
    assert len(sets["tr05_multi"].ids) == 7138 + 1600 + 7138
    environments = {name: Counter(sets[name].tables["utt2env"].values()) for name in COUNTS}
    assert environments["tr05_simu"] == {"BUS": 1728, "CAF": 1794, "PED": 1765, "STR": 1851}
    assert environments["dt05_simu"] == dict.fromkeys(chime4_tree.ENVIRONMENTS, 410)
    assert environments["et05_real"] == dict.fromkeys(chime4_tree.ENVIRONMENTS, 330)
    assert len(set(sets["tr05_simu"].tables["utt2spk"].values())) == 83
    assert Counter(sets["tr05_simu"].categories.values()) == {"SIMU": 7138}
    assert Counter(sets["tr05_real"].categories.values()) == {"REAL": 1600}


def test_sets_and_ids(prepared):
    assert {path.name for path in prepared.iterdir()} == {*SETS, "references", "noise_tr05.scp"}
    sets = {name: DataDir.read(prepared / name) for name in SETS}
    assert sets["dt05_simu"].ids[0] == "F01_050C0100_BUS_SIMU"
    assert sets["et05_real"].ids[0] == "F05_050C0100_BUS_REAL"
    assert sets["tr05_real"].ids[0] == "F02_050C0100_BUS.CH1_REAL"
    assert sets["tr05_org"].ids[0] == "011_011C0100_ORG_CLEAN"
    for name in ("tr05_simu", "tr05_real"):
        assert {int(key[key.index(".CH") + 3]) for key in sets[name].ids} == FRONT
    for data in sets.values():
        for key in data.ids:
            assert data.tables["utt2spk"][key] == key[:3]
            assert data.categories[key] == key.rpartition("_")[2]
    parts = [*sets["tr05_simu"].ids, *sets["tr05_real"].ids, *sets["tr05_org"].ids]
    assert sets["tr05_multi"].ids == sorted(parts)
    assert sets["dt05_multi"].ids == sorted(sets["dt05_simu"].ids + sets["dt05_real"].ids)


def test_files_are_those_of_the_ids(prepared):
    wav = read_table(prepared / "tr05_simu" / "wav.scp")
    assert all(key.replace("_SIMU", ".wav") == Path(path).name for key, path in wav.items())
    wav = read_table(prepared / "et05_simu" / "wav.scp")["F05_050C0100_PED_SIMU"]
    assert wav.endswith("16kHz/isolated_1ch_track/et05_ped_simu/F05_050C0100_PED.wav")


def test_transcripts_are_normalised(prepared):
    texts = read_table(prepared / "tr05_multi" / "text")
    assert texts["011_011C0100_BUS.CH5_SIMU"] == "THE FIRM SAID NO ,COMMA"
    assert texts["011_011C0100_ORG_CLEAN"] == "THE FIRM SAID NO ,COMMA"
    assert texts["F02_050C0100_BUS.CH6_REAL"] == "SHE ASKED FOR MORE"


def test_noise_list_has_every_background_at_each_microphone(prepared):
    noises = read_table(prepared / "noise_tr05.scp")
    assert len(noises) == 4 * 5
    assert noises["BGD_150203_010_STR.CH6"].endswith("/backgrounds/BGD_150203_010_STR.CH6.wav")
    assert all(Path(path).is_file() for path in noises.values())


def test_one_microphone_and_no_clean_speech(tiny, tmp_path):
    data = prepare(tiny, tmp_path, "--channels", "4", "--clean", "false")
    train = DataDir.read(data / "tr05_multi")
    assert len(train.ids) == 12 + 4 and all(".CH4_" in key for key in train.ids)
    assert len(read_table(data / "noise_tr05.scp")) == 4


def test_number_of_processes_does_not_matter(tiny, prepared, tmp_path):
    prepare(tiny, tmp_path / "data", "--nj", "2")
    theirs = sorted((prepared / "references").rglob("*.wav"))
    assert len(theirs) == 12 * 5 + 8
    for path in theirs:
        ours = tmp_path / "data" / path.relative_to(prepared)
        assert ours.read_bytes() == path.read_bytes()


# --- references


def test_references_are_the_speech_of_the_simulation(tiny, prepared):
    for name, count in (("tr05_simu", 60), ("dt05_simu", 4), ("et05_simu", 4)):
        quality = qualities(tiny, prepared, name)
        assert len(quality) == count and min(quality) > 55, name
        level = [
            np.linalg.norm(read_audio(path)[0]) / np.linalg.norm(tiny.truth[key])
            for key, path in references(prepared, name).items()
        ]
        np.testing.assert_allclose(level, 1, atol=1e-3)


def edit(tree, set_name, change):
    path = tree.root / "CHiME4" / "data" / "annotations" / f"{set_name}.json"
    entries = json.loads(path.read_text())
    for entry in entries:
        change(entry)
    path.write_text(json.dumps(entries))


def test_wrong_noise_is_noticed_and_the_dry_speech_filtered(changed, tmp_path, caplog):
    def other_place(entry):
        for key in ("noise_start", "noise_end"):
            entry[key] += 0.5

    edit(changed, "tr05_simu", other_place)
    with caplog.at_level(logging.INFO):
        data = prepare(changed, tmp_path / "data", "--channels", "5")
    log = "tr05_simu: 0 references by subtracting the noise, 12 by filtering the dry speech"
    assert log in caplog.text
    quality = qualities(changed, data, "tr05_simu")
    noisy = [
        si_sdr(changed.truth[key], read_audio(path)[0])
        for key, path in read_table(data / "tr05_simu" / "wav.scp").items()
    ]
    assert np.mean(quality) > np.mean(noisy) + 15 and min(quality) > 15


def test_without_embedded_recordings_the_booth_is_filtered(changed, tmp_path, caplog):
    shutil.rmtree(changed.audio / "embedded")
    with caplog.at_level(logging.INFO):
        data = prepare(changed, tmp_path / "data")
    assert "dt05_simu: 0 references by subtracting the noise, 4 by filtering" in caplog.text
    assert min(qualities(changed, data, "dt05_simu")) > 15


def test_without_the_list_in_chime4_diff_the_booth_is_filtered(changed, tmp_path, caplog):
    shutil.rmtree(changed.root / "CHiME4_diff")
    chime4 = str(changed.root / "CHiME4")
    with caplog.at_level(logging.INFO):
        prepare_chime4.main(["--chime4", chime4, "--data", str(tmp_path / "data"), "--nj", "1"])
    assert "et05_simu_1ch_track.list not found: set CHIME4_DIFF" in caplog.text
    assert "et05_simu: 0 references by subtracting" in caplog.text
    assert "dt05_simu: 4 references by subtracting" in caplog.text


def test_without_booth_and_embedded_there_is_no_reference(changed, tmp_path, caplog):
    for folder in ("embedded", "isolated/dt05_bth"):
        shutil.rmtree(changed.audio / folder)
    data = prepare(changed, tmp_path / "data")
    assert "dt05_simu: 4 of 4 utterances get no reference and become REAL" in caplog.text
    assert set(DataDir.read(data / "dt05_simu").categories.values()) == {"REAL"}
    assert not (data / "dt05_simu" / "spk1.scp").exists()
    assert set(DataDir.read(data / "et05_simu").categories.values()) == {"SIMU"}


def test_real_speech_and_noise_come_back(shared_data, tmp_path):
    """A digit in real noise, at 16 kHz, on a microphone whose filter moves."""
    import soxr

    digits = [soundfile.read(shared_data / "fsdd" / f"{d}_theo_0.wav")[0] for d in range(6)]
    close = soxr.resample(np.concatenate(digits), 8000, 16000)
    noise = soxr.resample(soundfile.read(shared_data / "nonspeech" / "n1.wav")[0], 20000, 16000)
    noise = np.resize(noise, len(close))
    drift = np.linspace(0.3, 0.6, len(close))
    image = drift * np.convolve(close, [0, 0, 1, 0.4])[: len(close)]
    noise *= np.linalg.norm(image) / np.linalg.norm(noise) / 10 ** (15 / 20)
    fitted = filter_image(close, image + noise)
    assert si_sdr(image, fitted) > si_sdr(image, image + noise) + 3


# --- WSJ0


def wsj0(tree, where, header=None):
    """Move the clean speech into sphere files in the folders of the LDC's disks."""
    for path in sorted((tree.audio / "isolated" / "tr05_org").iterdir()):
        speaker, prompt, _ = path.stem.lower().split("_")
        target = where / "11-1.1" / "wsj0" / "si_tr_s" / speaker / f"{prompt}.wv1"
        target.parent.mkdir(parents=True, exist_ok=True)
        samples, fs = soundfile.read(path)
        soundfile.write(target, samples, fs, format="NIST", subtype="PCM_16")
        if header:
            target.write_bytes(target.read_bytes().replace(*header))
    shutil.rmtree(tree.audio / "isolated" / "tr05_org")


def test_sphere_files_take_the_place_of_tr05_org(changed, tiny, tmp_path):
    wsj0(changed, tmp_path / "wsj")
    data = prepare(changed, tmp_path / "data", "--wsj0", str(tmp_path / "wsj"))
    path = read_table(data / "tr05_org" / "wav.scp")["012_012C0100_ORG_CLEAN"]
    assert path.endswith("/11-1.1/wsj0/si_tr_s/012/012c0100.wv1")
    original, _ = read_audio(tiny.audio / "isolated" / "tr05_org" / "012_012C0100_ORG.wav")
    np.testing.assert_array_equal(read_audio(path)[0], original)


def test_compressed_sphere_files_are_refused(changed, tmp_path):
    shorten = (b"-s3 pcm\n", b"-s26 pcm,embedded-shorten-v1.1\n")
    wsj0(changed, changed.root / "CHiME4" / "data" / "WSJ0", shorten)
    refused(changed, tmp_path, "12 of 12 sphere files are compressed with Shorten.*sph2pipe")


def test_clean_speech_that_is_nowhere(changed, tmp_path):
    shutil.rmtree(changed.audio / "isolated" / "tr05_org")
    message = r"12 of 12 clean recordings of WSJ0 are missing \(011C0100.*name WSJ0 \(LDC93S6A\)"
    refused(changed, tmp_path, message)


def test_training_transcripts_are_also_found_by_prompt(changed, prepared, tmp_path):
    texts = read_table(prepared / "tr05_simu" / "text")
    folder = changed.root / "CHiME4" / "data" / "transcriptions"
    lines = (folder / "tr05_simu.dot_all").read_text().splitlines()
    (folder / "tr05_simu.dot_all").unlink()
    words = [line.rpartition(" (") for line in lines]

    # 1. tr05_org.dot_all
    org = [f"{w} ({key.rpartition('_')[0]}_ORG)\n" for w, _, key in words]
    (folder / "tr05_org.dot_all").write_text("".join(org))
    data = prepare(changed, tmp_path / "1")
    assert read_table(data / "tr05_simu" / "text") == texts

    # 2. the dot files of WSJ0
    (folder / "tr05_org.dot_all").unlink()
    dots = changed.root / "CHiME4" / "data" / "WSJ0" / "wsj0" / "transcrp" / "dots" / "011.dot"
    dots.parent.mkdir(parents=True)
    dots.write_text("".join(f"{w} ({key.split('_')[1].lower()})\n" for w, _, key in words))
    data = prepare(changed, tmp_path / "2")
    assert read_table(data / "tr05_simu" / "text") == texts

    # 3. nowhere
    dots.unlink()
    message = "tr05_simu: 12 of 12 utterances have no transcript.*tr05_org.dot_all; .dot files"
    refused(changed, tmp_path, message)


# --- bad input


def refused(tree, tmp_path, message, *options):
    with pytest.raises(UserError, match=message):
        prepare(tree, tmp_path / "refused", *options)
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    "root, message",
    [
        ("", "CHIME4 is not set: name the folder of CHiME-4 in db.sh"),
        ("/nowhere", "CHIME4=/nowhere: /nowhere/data/annotations does not exist: unpack that part"),
    ],
)
def test_wrong_root(root, message):
    with pytest.raises(UserError, match=message):
        Corpus(root)


def test_wrong_places_of_the_other_folders(tiny, tmp_path):
    refused(tiny, tmp_path, "WSJ0=/no: no such folder: correct it", "--wsj0", "/no")
    refused(tiny, tmp_path, "CHIME4_DIFF=/no: no such folder", "--chime4_diff", "/no")


@pytest.mark.parametrize("channels", [("2",), ("5", "5"), ("0",)])
def test_channels_that_cannot_be_chosen(tiny, tmp_path, channels):
    message = r"--channels \[.*\]: choose from \(1, 3, 4, 5, 6\), each once"
    refused(tiny, tmp_path, message, "--channels", *channels)


@pytest.mark.parametrize(
    "folder, message",
    [
        ("isolated/tr05_caf_simu", r"tr05_simu: 15 of 60 files are missing .*_CAF\.CH1\.wav"),
        ("isolated_1ch_track/et05_str_real", r"et05_real: 1 of 4 files are missing .*_STR\.wav"),
        ("backgrounds", "backgrounds: 20 of 20 files are missing"),
    ],
)
def test_partly_unpacked(changed, tmp_path, folder, message):
    shutil.rmtree(changed.audio / folder)
    refused(changed, tmp_path, message)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"dt05_simu\.json: cannot be read \(No such file or directory\): unpack that part"),
        ("[{", r"dt05_simu\.json: not JSON"),
        ("{}", r"dt05_simu\.json: is not a list of utterances"),
        ('[{"speaker": "F01"}]', r"dt05_simu\.json: entry 1: not a CHiME-4 annotation"),
    ],
)
def test_bad_annotations(changed, tmp_path, content, message):
    path = changed.root / "CHiME4" / "data" / "annotations" / "dt05_simu.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    refused(changed, tmp_path, message)


def test_utterance_that_comes_twice(changed, tmp_path):
    edit(changed, "tr05_real", lambda entry: entry.update(environment="BUS", speaker="F02"))
    refused(
        changed, tmp_path, r"tr05_real\.json: 1 utterance\(s\) occur twice \(F02_050C0100_BUS\)"
    )


def test_transcripts_in_another_encoding(changed, tmp_path):
    path = changed.root / "CHiME4" / "data" / "transcriptions" / "dt05_real.dot_all"
    path.write_bytes(path.read_bytes() + b"caf\xe9 (F01_X_BUS)\n")
    refused(changed, tmp_path, r"dt05_real\.dot_all: not UTF-8 text \(byte 0xe9 in line \d+\),")


def test_missing_transcripts(changed, tmp_path):
    (changed.root / "CHiME4" / "data" / "transcriptions" / "et05_real.dot_all").unlink()
    refused(changed, tmp_path, "et05_real: 4 of 4 utterances have no transcript.*et05_real.dot_all")


def test_list_of_the_track_with_another_content(changed, tmp_path):
    path = changed.root / "CHiME4" / "data" / "annotations" / "dt05_simu_1ch_track.list"
    path.write_text("dt05_bus_simu/F01_050C0100_BUS.CH1.wav\nnothing\n")
    refused(changed, tmp_path, r"dt05_simu_1ch_track\.list:2: names no file <name>\.CH<n>\.wav")


def test_truncated_file(changed, tmp_path):
    path = changed.audio / "isolated" / "tr05_bus_simu" / "012_012C0100_BUS.CH4.wav"
    path.write_bytes(path.read_bytes()[:-1000])
    message = r"tr05_simu: 1 of 60 files cannot be used \(.*_BUS\.CH4\.wav: audio file is truncated"
    refused(changed, tmp_path, message)


def test_wrong_rate(changed, tmp_path):
    path = changed.audio / "isolated_1ch_track" / "dt05_bus_real" / "F01_050C0100_BUS.wav"
    soundfile.write(path, np.zeros(99), 8000)
    refused(changed, tmp_path, r"dt05_real: 1 of 4 files cannot be used .*8000 Hz instead of 16000")


def test_earlier_data_do_not_look_whole_after_a_failure(changed, tmp_path):
    data = prepare(changed, tmp_path / "data", "--channels", "5")
    path = changed.audio / "isolated" / "dt05_bth" / "F01_050C0100_BTH.CH0.wav"
    shutil.rmtree(changed.audio / "embedded")
    path.write_bytes(b"not audio")
    names_in.cache_clear()
    with pytest.raises(UserError, match="not a readable audio file"):
        prepare(changed, tmp_path / "data", "--channels", "5")
    assert not list(data.glob("*/wav.scp"))


def test_stage_1_reads_the_variables(tiny, tmp_path):
    shutil.copytree(RECIPE / "local", tmp_path / "local")
    shutil.copy(RECIPE / "db.sh", tmp_path)
    bin_dir, root = Path(sys.executable).parent, RECIPE.parents[2]
    (tmp_path / "path.sh").write_text(f'export PATH="{bin_dir}:$PATH" PYTHONPATH="{root}"\n')
    variables = {"CHIME4": tiny.root / "CHiME4", "CHIME4_DIFF": tiny.root / "CHiME4_diff"}

    def data_sh(**environment):
        return subprocess.run(
            ["local/data.sh", "--nj", "1", "--channels", "5"],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )

    done = data_sh(**{name: str(path) for name, path in variables.items()})
    assert done.returncode == 0, done.stderr
    assert len(DataDir.read(tmp_path / "data" / "tr05_multi").ids) == 12 + 4 + 12
    path = references(tmp_path / "data", "tr05_simu")["011_011C0100_BUS.CH5_SIMU"]
    assert path == "data/references/tr05_simu/011_011C0100_BUS.CH5_SIMU.wav"
    failed = data_sh(CHIME4="")
    assert failed.returncode == 1
    assert failed.stderr.strip() == "error: CHIME4 is not set: name the folder of CHiME-4 in db.sh"


def test_every_option_has_help():
    assert all(action.help for action in prepare_chime4.get_parser()._actions)
