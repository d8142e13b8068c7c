# SPDX-License-Identifier: Apache-2.0
"""The noisy sentences: what is drawn, what is written, and what is refused."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "arctic_noisy" / "enh_asr_cbpc1"
sys.path.insert(0, str(RECIPE / "local"))

import arctic_corpora
import prepare_arctic_noisy
from arctic_protocol import Draw, Speech
from speech_copies import without_pauses

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.mixing.snr import speech_active
from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.noisy_mixture import (
    audio_files,
    read_manifest,
    rebuild,
)
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.utils.cli import UserError

KNOWN = {"test_clean", "test_seen", "test_unseen"}
NEW = {"test_newspk_clean", "test_newspk_seen", "test_newspk_unseen"}
MIXED = {"dev", "dev_clean", "dev_noisy", "dev_newspk", *KNOWN, *NEW}
SMALL = ["--num_dev", "5", "--num_test", "4", "--nj", "1"]
KATHLEEN, ORDERS = "dataset-voice-kathleen-c51cb97", "speech-to-intent-benchmark-47b1ca6"
SENTENCES = (RECIPE / "local" / "ljspeech_sentences.txt").read_text().split()
VARIABLES = ("KATHLEEN", "ORDERS", "LJSPEECH", "NONSPEECH")
RNG = np.random.default_rng(1)


def wav(samples, rate):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


def voice(seconds, rate, channels=1):
    tone = np.sin(np.arange(round(seconds * rate)) * 2000 * RNG.uniform(0.5, 1) / rate)
    level = RNG.uniform(0.05, 0.9)
    return np.stack([level * tone] * channels, 1) if channels > 1 else level * tone


def order():
    """Return speech between pauses of 0.5 s, which are not quite silent."""
    pause = RNG.normal(0, 1e-5, 8000)
    return np.concatenate([pause, voice(0.3, 16000), pause])


def name_of_order(number):
    return uuid.UUID(int=number)


def write_corpora(root):
    """Write the corpora in the layout of the originals, with short generated sounds."""

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    data = root / KATHLEEN / "data"
    for part, count in (("a", 593), ("b", 539)):
        for n in range(1, count + 1):
            stem = f"arctic_{part}{n:04d}_{1592700000 + n}"
            write(data / f"{stem}.wav", wav(voice(0.12, 48000, 2), 48000))
            write(data / f"{stem}.txt", f"Sentence {part} {n}.\n".encode())
    for take in (999, 1592800000):  # an earlier and a later one, of which the later counts
        write(data / f"arctic_b0151_{take}.wav", wav(np.full((9600, 2), take % 7 / 10), 48000))
        write(data / f"arctic_b0151_{take}.txt", f"Take {take}.".encode())
    for number in range(619):
        write(
            root / ORDERS / "data/speech/clean" / f"{name_of_order(number)}.wav",
            wav(order(), 16000),
        )
    for name in [*SENTENCES, "LJ050-0001"]:
        write(root / "LJSpeech-1.1/wavs" / f"{name}.wav", wav(voice(0.2, 22050), 22050))
    lines = [f"{name}|No. {i}|Number {i}\n" for i, name in enumerate([*SENTENCES, "LJ050-0001"])]
    write(root / "LJSpeech-1.1" / "metadata.csv", "".join(lines).encode())
    for name in nonspeech.NAMES:
        noise = RNG.normal(0, 0.1, RNG.integers(3000, 9000)).clip(-1, 1)
        write(root / "Nonspeech" / name, wav(noise, 20000))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Folder of each corpus by its variable."""
    root = tmp_path_factory.mktemp("corpora")
    write_corpora(root)
    folders = (root / KATHLEEN, root / ORDERS, root / "LJSpeech-1.1", root / "Nonspeech")
    return dict(zip(VARIABLES, folders))


def options(corpora, data, *more):
    words = [w for name, path in corpora.items() for w in (f"--{name.lower()}", str(path))]
    return [*words, "--data", str(data), *SMALL, *more]


@pytest.fixture(scope="module")
def prepared(corpora, tmp_path_factory):
    """The folder that a small run has written."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    prepare_arctic_noisy.main(options(corpora, data))
    return data


def recordings(speaker, count):
    ids = [f"{speaker}-{n:04d}" for n in range(1, count + 1)]
    return [Recording(key, f"{key}.wav", speaker, "WORDS") for key in ids]


def draw(seed=0, num_dev=60, num_test=150, num_newspk=71):
    speech = Speech(
        recordings("a", 593), recordings("b", 539), recordings("order", 619), recordings("lj", 71)
    )
    lengths = {name: 20001 + 977 * place for place, name in enumerate(nonspeech.NAMES)}
    return Draw(lengths, 16000, seed).sets(speech, num_dev, num_test, num_newspk)


@pytest.fixture(scope="module")
def drawn():
    return draw()


def files(mixtures):
    return {file for mixture in mixtures for file in mixture.recordings}


def test_one_seed_gives_one_draw_and_another_seed_another(drawn):
    assert draw() == drawn
    other = draw(seed=1)
    assert other.train != drawn.train
    assert all(other.mixed[name] != drawn.mixed[name] for name in MIXED - {"test_newspk_clean"})


def test_training_set_does_not_depend_on_the_sizes_of_the_others(drawn):
    other = draw(num_dev=3, num_test=4)
    assert other.train == drawn.train
    assert files(other.mixed["dev_newspk"]) == files(drawn.mixed["dev_newspk"])


def test_recordings_of_each_set(drawn):
    assert set(drawn.mixed) == MIXED
    found = {name: files(mixtures) for name, mixtures in drawn.mixed.items()}
    assert found["dev"] == found["dev_clean"] == found["dev_noisy"] and len(found["dev"]) == 60
    assert found["dev"] <= {r.file for r in recordings("b", 150)}
    assert all(found[name] == found["test_clean"] for name in KNOWN)
    known = {r.file for r in recordings("b", 539)[150:]}
    assert len(found["test_clean"]) == 150 and found["test_clean"] <= known
    assert all(found[name] == {r.file for r in recordings("lj", 71)} for name in NEW)
    held_out, train = found["dev_newspk"], {r.file for r in drawn.train}
    assert len(held_out) == 40 and not held_out & train
    assert train | held_out == {r.file for r in (*recordings("a", 593), *recordings("order", 619))}


def test_noises_of_each_set(drawn):
    for name, mixtures in drawn.mixed.items():
        noises = {m.noise for m in mixtures} - {None}
        if name.endswith("clean"):
            assert not noises
        elif name.endswith("unseen"):
            assert noises <= set(nonspeech.NAMES[70:])
        else:
            assert noises <= set(nonspeech.NAMES[:70])
    assert {m.noise for m in drawn.mixed["test_unseen"]} == set(nonspeech.NAMES[70:])
    for mixture in drawn.mixed["test_seen"]:
        length = 20001 + 977 * nonspeech.NAMES.index(mixture.noise)
        assert mixture.segment == (length * 60 // 100, length)
        assert 0 <= mixture.offset < (length - length * 60 // 100) * 16000 / 20000


def test_snrs(drawn):
    for name in ("test_seen", "test_unseen", "test_newspk_seen", "dev_noisy", "dev_newspk"):
        found = {}
        for m in drawn.mixed[name]:
            found.setdefault(m.recordings, []).append((m.snr, m.noise, m.offset))
        for mixtures in found.values():  # one noise at all ratios
            assert sorted(snr for snr, _, _ in mixtures) == [-5, 0, 5, 10]
            assert (
                len({place for _, *place in map(list, mixtures) for place in [tuple(place)]}) == 1
            )
    snrs = [m.snr for m in drawn.mixed["dev"]]
    assert -8 <= min(snrs) < -4 and 11 < max(snrs) <= 15


def test_ids(drawn):
    for mixtures in drawn.mixed.values():
        ids = [mixture.id for mixture in mixtures]
        assert ids == sorted(set(ids))
        assert all(mixture.id.startswith(f"{mixture.speaker}-") for mixture in mixtures)


def test_mixtures_are_rebuilt_bit_for_bit(prepared, corpora):
    for name in MIXED:
        for mixture in read_manifest(prepared / "manifests" / f"{name}.jsonl"):
            signals = rebuild(mixture, prepared / "audio" / "speech", corpora["NONSPEECH"])
            for kind, path in audio_files(mixture, prepared / "audio" / name).items():
                written, fs = soundfile.read(path, dtype="int16")
                assert fs == 16000
                assert np.array_equal(getattr(signals, kind) * 32768, written)


def test_what_is_written(prepared):
    names = MIXED | {"train"}
    assert {p.name for p in prepared.iterdir()} == names | {"audio", "manifests", "noise_train.scp"}
    for name in MIXED:
        data = DataDir.read(prepared / name, require_text=False)
        mixtures = read_manifest(prepared / "manifests" / f"{name}.jsonl")
        assert data.ids == [m.id for m in mixtures]
        assert ("text" in data.tables) == (name != "dev_newspk")
    assert set(read_table(prepared / "test_seen" / "utt2snr").values()) == {*"-5 0 5 10".split()}
    assert len(DataDir.read(prepared / "test_newspk_unseen").ids) == 4 * 71


def test_training_set_is_clean_speech_without_text(prepared):
    train = DataDir.read(prepared / "train", require_text=False)
    assert "text" not in train.tables and set(train.categories.values()) == {"CLEAN"}
    assert Counter(key.partition("-")[0] for key in train.ids) == {"kathleen": 593, "order": 579}
    assert train.tables["wav.scp"] == train.tables["spk1.scp"]
    assert {soundfile.info(path).samplerate for path in train.tables["wav.scp"].values()} == {16000}


def test_training_noise_is_the_first_part_of_the_seen_files(prepared, corpora):
    noises = read_table(prepared / "noise_train.scp")
    assert set(noises) == {f"n{number}" for number in range(1, 71)}
    for name, path in noises.items():
        original = soundfile.info(corpora["NONSPEECH"] / f"{name}.wav").frames
        assert abs(soundfile.info(path).frames - original * 60 // 100 * 0.8) <= 1


def test_speech_keeps_its_level_and_its_last_take(prepared, corpora):
    texts = read_table(prepared / "dev_clean" / "text")
    paths = read_table(prepared / "dev_clean" / "wav.scp")
    for key, path in paths.items():
        number = key.split("-")[1]
        (original,) = (corpora["KATHLEEN"] / "data").glob(f"arctic_{number}_*.wav")
        ours, theirs = soundfile.read(path)[0], soundfile.read(original)[0]
        middle = [x[len(x) // 4 : -len(x) // 4] for x in (ours, theirs)]
        assert np.abs(middle[0]).max() == pytest.approx(np.abs(middle[1]).max(), rel=0.02)
        assert texts[key] == f"Sentence b {int(number[1:])}."
    take = arctic_corpora.read_kathleen(corpora["KATHLEEN"] / "data")["b0151"]
    assert take.path.name == "arctic_b0151_1592800000.wav"
    assert take.recording.text == "Take 1592800000."


def test_text_of_the_new_speaker_is_spelt_out(prepared):
    texts = read_table(prepared / "test_newspk_clean" / "text")
    assert set(texts.values()) == {f"Number {i}" for i in range(71)}


def test_pauses_at_the_ends_are_cut(prepared):
    for path in read_table(prepared / "dev_newspk" / "spk1.scp").values():
        samples, fs = soundfile.read(path)
        assert 0.45 * fs < len(samples) < 0.6 * fs  # of 1.3 s
        assert speech_active(samples, fs).sum() > 0.25 * fs
    cut = without_pauses(np.r_[np.zeros(800), np.ones(1600), np.zeros(800)].astype("f"), 16000)
    assert len(cut) == 800 + 1600 + 800  # pauses of less than 0.1 s stay


def test_local_copy_will_do(shared_data, tmp_path):
    folders = {name: shared_data / name.lower() for name in VARIABLES}
    prepare_arctic_noisy.main(options(folders, tmp_path))
    for name in ("dev_noisy", "test_newspk_clean"):
        for mixture in read_manifest(tmp_path / "manifests" / f"{name}.jsonl")[:8]:
            signals = rebuild(mixture, tmp_path / "audio" / "speech", folders["NONSPEECH"])
            kind = "noisy" if mixture.noise else "clean"
            path = audio_files(mixture, tmp_path / "audio" / name)[kind]
            written, _ = soundfile.read(path, dtype="int16")
            assert np.array_equal(signals.noisy * 32768, written)


@pytest.fixture
def recipe(tmp_path):
    """A copy of the recipe with a path.sh that leads to this Python."""
    shutil.copytree(RECIPE / "local", tmp_path / "local")
    bin_dir, root = Path(sys.executable).parent, RECIPE.parents[2]
    (tmp_path / "path.sh").write_text(f'export PATH="{bin_dir}:$PATH" PYTHONPATH="{root}"\n')
    (tmp_path / "db.sh").write_text("")
    return tmp_path


def data_sh(recipe, *args, **environment):
    return subprocess.run(
        ["local/data.sh", *SMALL, *args],
        cwd=recipe,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
    )


def pack(corpora, folder):
    """Write archives as those of the originals; returns their names by variable."""
    roots = {**corpora, "LJSPEECH": corpora["LJSPEECH"]}
    names = {"KATHLEEN": "c51.zip", "ORDERS": "47b.zip", "NONSPEECH": "Nonspeech.zip"}
    for variable, name in names.items():
        with zipfile.ZipFile(folder / name, "w") as f:
            for path in sorted(roots[variable].rglob("*")):
                f.write(path, path.relative_to(roots[variable].parent))
    with tarfile.open(folder / "LJSpeech-1.1.tar.bz2", "w:bz2") as f:
        f.add(roots["LJSPEECH"], "LJSpeech-1.1")
    return {**names, "LJSPEECH": "LJSpeech-1.1.tar.bz2"}


def test_stage_downloads_the_originals(recipe, corpora, prepared, serving_files, tmp_path_factory):
    archives = tmp_path_factory.mktemp("archives")
    names = pack(corpora, archives)
    with serving_files(archives) as base:
        result = data_sh(recipe, **{f"{v}_URL": f"{base}/{name}" for v, name in names.items()})
    assert result.returncode == 0, result.stderr
    downloads = {path.name for path in (recipe / "downloads").iterdir()}
    assert downloads == {"kathleen", "orders", "ljspeech", "nonspeech"}
    for name in MIXED:
        ours = recipe / "data" / "manifests" / f"{name}.jsonl"
        assert ours.read_bytes() == (prepared / "manifests" / ours.name).read_bytes()
    first = (
        DataDir.read(recipe / "data" / "train", require_text=False).tables["wav.scp"].popitem()[1]
    )
    assert (recipe / first).is_file()


def test_stage_stops_where_the_download_fails(recipe, corpora, serving_files):
    with serving_files(recipe) as base:
        result = data_sh(recipe, KATHLEEN=str(corpora["KATHLEEN"]), ORDERS_URL=f"{base}/gone.zip")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: cannot download {base}/gone.zip (HTTP 404 ")
    assert last.endswith("or set ORDERS=<folder> in db.sh if you have a copy")
    assert not (recipe / "data").exists()


def changed(corpora, tmp_path, path, content):
    """Return the corpora with one file changed, or removed where content is None."""
    variable, _, inside = path.partition("/")
    folder = tmp_path / "changed"
    shutil.copytree(corpora[variable], folder)
    (folder / inside).unlink()
    if content is not None:
        (folder / inside).write_bytes(content)
    return {**corpora, variable: folder}


def refused(corpora, tmp_path, message, *more):
    with pytest.raises(UserError, match=message):
        prepare_arctic_noisy.main(options(corpora, tmp_path / "data", *more))
    assert not list(tmp_path.glob("data/*/wav.scp")) and not list(tmp_path.glob("data/audio/*"))


@pytest.mark.parametrize("variable", VARIABLES)
def test_folder_that_is_not_there(corpora, tmp_path, variable):
    message = f"{variable}=.*/no: no such folder: correct {variable} in"
    refused({**corpora, variable: tmp_path / "no"}, tmp_path, message)


@pytest.mark.parametrize("variable", VARIABLES)
def test_folder_of_something_else(corpora, tmp_path, variable):
    (tmp_path / "else").mkdir()
    message = rf"else: no \S+ is here, nor in \S+/: correct {variable}"
    refused({**corpora, variable: tmp_path / "else"}, tmp_path, message)


ORDER = f"ORDERS/data/speech/clean/{name_of_order(7)}.wav"
A7, B9 = "KATHLEEN/data/arctic_a0007_1592700007", "KATHLEEN/data/arctic_b0200_1592700200"


@pytest.mark.parametrize(
    "path, content, message",
    [
        (f"{A7}.wav", None, r"1 of 1132 files are missing \(arctic_a0007_\*\.wav\): complete"),
        (f"{B9}.txt", None, r"1 of 1132 files are missing \(arctic_b0200_1592700200\.txt\)"),
        (f"{B9}.txt", b" \n", r"1 of 1132 files are missing \(arctic_b0200_1592700200\.txt\)"),
        (f"{B9}.txt", b"\xff\xfe\xff", "b0200.*not UTF-8"),
        (ORDER, None, "618 recordings instead of 619: restore"),
        ("LJSPEECH/wavs/LJ001-0001.wav", None, r"1 of 71 files are missing \(LJ001-0001\)"),
        ("LJSPEECH/metadata.csv", b"LJ001-0001|one\n", r"1 line\(s\) are not name\|text\|words"),
        ("LJSPEECH/metadata.csv", b"LJ001-0001|1|one\n", "70 of 71 files are missing"),
        ("NONSPEECH/n5.wav", None, r"1 of 100 files are missing \(n5\.wav\)"),
        ("NONSPEECH/n5.wav", wav(np.ones(99), 16000), "16000 Hz instead of 20000 Hz"),
        (
            f"{A7}.wav",
            wav(voice(0.2, 8000), 8000),
            r"1 of \d+ recording\(s\): 8000 Hz is less than",
        ),
        (f"{A7}.wav", wav(np.zeros(9000), 48000), r"1 of \d+ recording\(s\): audio is silent"),
        (f"{A7}.wav", wav(np.ones(9000), 48000)[:-900], "audio file is truncated"),
        (f"{A7}.wav", b"version https://git-lfs", "not a readable audio file"),
        (f"{A7}.wav", wav(np.zeros(0), 48000), "audio file has no samples"),
    ],
)
def test_bad_file(corpora, tmp_path, path, content, message):
    refused(changed(corpora, tmp_path, path, content), tmp_path, message)


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--num_test", "0", "--num_test 0: must be from 1 to 389"),
        ("--num_test", "390", "--num_test 390: must be from 1 to 389"),
        ("--num_dev", "0", "--num_dev 0: must be from 1 to 150"),
        ("--num_dev", "151", "--num_dev 151: must be from 1 to 150"),
        ("--fs", "7999", "--fs 7999: must be at least 8000"),
        ("--nj", "0", "--nj 0: must be at least 1"),
        ("--seed", "-1", "--seed -1: must be at least 0"),
    ],
)
def test_option_out_of_range(corpora, tmp_path, option, value, message):
    refused(corpora, tmp_path, f"^{message}$", option, value)


def test_every_option_has_help():
    actions = prepare_arctic_noisy.get_parser()._actions
    assert all(action.help for action in actions)
