# SPDX-License-Identifier: Apache-2.0
"""Mixing in the data loader: what is mixed; draws follow from seed, epoch and utterance."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_cbpc.utils.cli import UserError

FS = 8000
SAMPLES = 4000
CATEGORIES = ["SIMU", "REAL", "CLEAN", "SIMU", "CLEAN", "CLEAN", "REAL", "SIMU"]
DATA = {
    "speech": ("wav.scp", "sound"),
    "speech_ref1": ("spk1.scp", "sound"),
    "text_spk1": ("text", "text"),
    "utt2category": ("utt2category", "text"),
}


@pytest.fixture
def data(tmp_path):
    """A dump directory with all categories, noises and a room; ``dump`` within ``tmp_path``."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "dump"
    folder.mkdir()
    tables = {name: [] for name in ("wav.scp", "spk1.scp", "text", "utt2category", "shape")}
    for i, category in enumerate(CATEGORIES):
        clean = 0.05 * rng.standard_normal(SAMPLES)
        noisy = clean + (0.05 * rng.standard_normal(SAMPLES) if category == "SIMU" else 0.0)
        for name, signal in (("wav.scp", noisy), ("spk1.scp", clean)):
            path = folder / f"{name}.{i}.wav"
            soundfile.write(path, signal, FS, "FLOAT")
            tables[name].append(f"utt{i} {path}")
        tables["text"].append(f"utt{i} one two")
        tables["utt2category"].append(f"utt{i} {category}")
        tables["shape"].append(f"utt{i} {SAMPLES}")
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    soundfile.write(folder / "noise.wav", 0.1 * rng.standard_normal(3 * FS), FS, "FLOAT")
    (folder / "noise.scp").write_text(f"n {folder}/noise.wav\n")
    soundfile.write(folder / "rir.wav", np.r_[1.0, 0.1 * rng.standard_normal(800)], FS, "FLOAT")
    (folder / "rir.scp").write_text(f"r {folder}/rir.wav\n")
    return folder


def options(data, names=DATA, **mixing):
    """The options that matter here, for a namespace or a configuration file."""
    triples = [[str(data / DATA[name][0]), name, DATA[name][1]] for name in names]
    conf = {"noise_scp": str(data / "noise.scp"), "fs": FS, **mixing}
    return {
        "dynamic_mixing_conf": conf,
        "train_data_path_and_name_and_type": triples,
        "valid_data_path_and_name_and_type": triples,
        "train_shape_file": [str(data / "shape")],
        "valid_shape_file": [str(data / "shape")],
        "batch_type": "sorted",
        "batch_size": 2,
    }


@pytest.fixture
def epochs(task, tiny_args, data):
    """Function: what the loader gives in each of the given epochs, by utterance."""
    from espnet2.train.distributed_utils import DistributedOption

    def load(numbers, mode="train", mixing=None, distributed=False, **changes):
        args = tiny_args(**{**options(data, **(mixing or {})), **changes})
        option = DistributedOption(distributed=distributed)
        factory = task.build_iter_factory(args, option, mode)
        return [
            {
                utt: {k: v[i] for k, v in batch.items()}
                for utts, batch in factory.build_iter(number)
                for i, utt in enumerate(utts)
            }
            for number in numbers
        ]

    return load


def no_recordings(data):
    """Changes of the arguments by which all utterances are mixed."""
    names = ("speech", "speech_ref1", "text_spk1")
    return {
        "train_data_path_and_name_and_type": options(data, names)[
            "train_data_path_and_name_and_type"
        ]
    }


def same(a, b):
    return a.keys() == b.keys() and all(
        torch.equal(a[u][k], b[u][k]) for u in a for k in ("speech", "speech_ref1", "utt2category")
    )


def test_simulated_and_clean_utterances_are_mixed_and_real_ones_left_alone(epochs):
    mixed, plain = epochs([1])[0], epochs([1], dynamic_mixing_conf={})[0]
    for i, category in enumerate(CATEGORIES):
        got, given = mixed[f"utt{i}"], plain[f"utt{i}"]
        assert torch.equal(got["text_spk1"], given["text_spk1"])
        assert torch.equal(got["speech_ref1"], given["speech_ref1"])
        if category == "REAL":
            assert torch.equal(got["speech"], given["speech"]) and int(got["utt2category"]) == 1
        else:
            assert int(got["utt2category"]) == 0
            noise = got["speech"] - got["speech_ref1"]
            assert noise.std() > 1e-3 and not torch.equal(got["speech"], given["speech"])


def test_clean_draws_are_clean_and_given_draws_as_given(epochs):
    plain = epochs([1], dynamic_mixing_conf={})[0]
    assert same(epochs([1], mixing={"given_prob": 1.0})[0], plain)
    clean = epochs([1], mixing={"clean_prob": 1.0})[0]
    for i, category in enumerate(CATEGORIES):
        got = clean[f"utt{i}"]
        if category != "REAL":
            assert torch.equal(got["speech"], plain[f"utt{i}"]["speech_ref1"])
            assert int(got["utt2category"]) == 2


def test_draws_do_not_depend_on_workers_or_on_what_came_before(epochs):
    first, second = epochs([1, 2])
    for workers in (1, 2):
        again = epochs([1, 2], num_workers=workers)
        assert same(again[0], first) and same(again[1], second)
    assert same(epochs([2])[0], second)  # as after a resumption
    assert same(epochs([2], num_workers=2)[0], second)


def test_distributed_processes_share_the_draws_of_one(epochs, monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        shares += epochs([1], distributed=True)
    assert [len(share) for share in shares] == [4, 4]
    assert same({**shares[0], **shares[1]}, epochs([1])[0])


def test_draws_differ_between_epochs_utterances_and_seeds(epochs):
    first, second = epochs([1, 2], mixing={"snr_db": [0, 0]})
    (other,) = epochs([1], mixing={"snr_db": [0, 0]}, seed=1)
    noises = [
        (e[f"utt{i}"]["speech"] - e[f"utt{i}"]["speech_ref1"]).numpy()
        for e in (first, second, other)
        for i, category in enumerate(CATEGORIES)
        if category != "REAL"
    ]
    parts = {tuple(np.round(n[:20] / np.sqrt(np.mean(n**2)), 3)) for n in noises}
    assert len(parts) == len(noises) == 18


def test_validation_is_never_mixed(epochs):
    assert same(epochs([1], mode="valid")[0], epochs([1], mode="valid", dynamic_mixing_conf={})[0])


def test_lengths_stay_as_batches_were_sized_for(epochs, data):
    mixing = {"rir_scp": str(data / "rir.scp"), "rir_prob": 1.0, "num_noises": [1, 2]}
    for utterance in epochs([1], mixing=mixing)[0].values():
        assert int(utterance["speech_lengths"]) == int(utterance["speech_ref1_lengths"]) == SAMPLES


def test_without_utt2category_the_id_tells_what_is_real(epochs, data):
    for name in ("wav.scp", "spk1.scp", "text", "shape"):
        text = (data / name).read_text()
        (data / name).write_text(text.replace("utt1 ", "utt1_REAL "))
    names = ("speech", "speech_ref1", "text_spk1")
    (got,) = epochs([1], **options(data, names))
    assert {u: int(d["utt2category"]) for u, d in got.items()} == {
        f"utt{i}" + ("_REAL" if i == 1 else ""): int(i == 1) for i in range(8)
    }


@pytest.fixture
def array(data):
    """Options of mixing for three microphones, with noise of one channel in the same room."""
    rng = np.random.default_rng(3)
    for name in ("rir", "place"):
        rir = 0.1 * rng.standard_normal((800, 3))
        rir[20, :] = 1.0
        soundfile.write(data / f"array_{name}.wav", rir, FS, "FLOAT")
        (data / f"array_{name}.scp").write_text(f"room1-{name} {data}/array_{name}.wav\n")
    lists = {"rir_scp": "array_rir.scp", "noise_rir_scp": "array_place.scp"}
    return {"channels": [2, 0, 1], **{name: str(data / file) for name, file in lists.items()}}


def test_array_mixtures_follow_from_seed_epoch_and_utterance(epochs, array, data):
    for i, category in enumerate(CATEGORIES):  # recordings that are not mixed have three channels
        if category == "REAL":
            soundfile.write(data / f"wav.scp.{i}.wav", np.full((SAMPLES, 3), 0.1), FS, "FLOAT")
    first, second = epochs([1, 2], mixing=array)
    for workers in (0, 2):
        (again,) = epochs([2], mixing=array, num_workers=workers)
        assert same(again, second)
    assert not same(first, second)
    for utterance in first.values():
        assert utterance["speech"].shape == (SAMPLES, 3)
        assert utterance["speech_ref1"].shape == (SAMPLES,)


def test_an_array_mixture_of_training_is_rebuilt_from_its_line(epochs, array, data):
    from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
    from espnet_cbpc.data.mixing.array_mixing_config import parse_mixing_config
    from espnet_cbpc.data.mixing.array_mixture import ArrayMixture, render
    from espnet_cbpc.tasks.dynamic_mixing_task import mixing_rng

    (got,) = epochs([4], mixing={**array, "given_prob": 0.0}, seed=7, **no_recordings(data))
    conf = options(data, **array)["dynamic_mixing_conf"]
    mixer = ArrayMixer(parse_mixing_config(conf))
    for uid, utterance in got.items():
        line = mixer.draw(SAMPLES, mixing_rng(7, 4, uid)).line
        clean, _ = soundfile.read(data / f"spk1.scp.{uid[3:]}.wav", dtype="float32")
        mixed = render(ArrayMixture.parse(line), clean)
        assert np.array_equal(mixed.noisy, utterance["speech"].numpy())
        assert np.array_equal(mixed.reference, utterance["speech_ref1"].numpy())


def test_recordings_of_other_channels_than_the_mixtures_are_refused(epochs, array):
    with pytest.raises(UserError, match="utterance utt. has 1 channel.* mixing makes 3"):
        epochs([1], mixing=array)  # REAL ones are not mixed


@pytest.mark.parametrize(
    "mixing, changes, message",
    [
        ({"noise_scp": "gone.scp"}, {}, "gone.scp: cannot be read"),
        ({"snr": [0, 1]}, {}, "unknown option.* snr"),
        ({}, {"max_cache_size": 1e9}, "would keep the mixtures of the first epoch"),
    ],
)
def test_what_does_not_go_with_mixing_is_refused(epochs, mixing, changes, message):
    with pytest.raises(UserError, match=message):
        epochs([1], mixing=mixing, **changes)


def test_options_come_from_a_file_and_later_ones_win(task, tmp_path):
    (tmp_path / "mixing.yaml").write_text("noise_scp: a=b.scp\nsnr_db: [0, 5]\nrir_scp: null\n")

    def parse(*values):
        given = [word for value in values for word in ("--dynamic_mixing_conf", str(value))]
        args = task.get_parser().parse_args(["--output_dir", "unused", *given])
        return args.dynamic_mixing_conf

    expected = {"noise_scp": "a=b.scp", "snr_db": [1, 5], "rir_scp": None}
    assert parse(tmp_path / "mixing.yaml", "snr_db=[1, 5]") == expected
    assert parse() == {}
    with pytest.raises(UserError, match="gone.yaml: cannot be read as YAML"):
        parse(tmp_path / "gone.yaml")


def test_data_that_do_not_go_with_mixing_are_refused(epochs, data):
    labels = [str(data / "text"), "labels", "text_int"]
    noise = [str(data / "wav.scp"), "noise_ref1", "sound"]

    def with_data(*more, names=DATA, **mixing):
        changes = options(data, names, **mixing)
        changes["train_data_path_and_name_and_type"] += more
        return changes

    with pytest.raises(UserError, match="no speech_ref1: add spk1.scp"):
        epochs([1], **with_data(names=("speech", "text_spk1")))
    with pytest.raises(UserError, match="noise_ref1 would not fit it"):
        epochs([1], **with_data(noise))
    with pytest.raises(UserError, match="labels .* of the dry references, .* --dump_labels false"):
        epochs([1], **with_data(labels, rir_scp=str(data / "rir.scp")))


def weights_of_training(config, folder, *more):
    """Train in this process; return the weights of the last epoch."""
    from espnet_cbpc.bin.enh_asr_cbpc_train import main

    main(["--config", str(config), "--output_dir", str(folder), *more])
    return torch.load(folder / "checkpoint.pth", weights_only=False)["model"]


@pytest.fixture
def mixing_options(data):
    """As the recipe gives them: a file, and the rate."""
    conf = options(data, clean_prob=0.2, rir_scp=str(data / "rir.scp"))["dynamic_mixing_conf"]
    (data / "mixing.yaml").write_text(yaml.safe_dump({**conf, "fs": 16000}))
    file = str(data / "mixing.yaml")
    return ["--dynamic_mixing_conf", file, "--dynamic_mixing_conf", f"fs={FS}"]


@pytest.mark.slow
def test_trainings_with_any_number_of_workers_and_resumed_ones_are_the_same(
    data, tiny_config, mixing_options, tmp_path
):
    config = tmp_path / "config.yaml"
    training = {
        **tiny_config,
        **{k: v for k, v in options(data).items() if k != "dynamic_mixing_conf"},
        "contrastive_criterions": [],
        "joint_conf": {"alpha": 0.3},
        "optim": "sgd",
        "optim_conf": {"lr": 0.05},
        "max_epoch": 2,
        "num_att_plot": 0,
    }
    config.write_text(yaml.safe_dump(training))

    def train(name, *more):
        return weights_of_training(config, tmp_path / name, *mixing_options, *more)

    expected = train("none", "--num_workers", "0")
    saved = yaml.safe_load((tmp_path / "none" / "config.yaml").read_text())
    assert saved["dynamic_mixing_conf"]["fs"] == FS and saved["dynamic_mixing_conf"]["noise_scp"]
    train("resumed", "--num_workers", "1", "--max_epoch", "1")
    assert (tmp_path / "resumed" / "1epoch.pth").exists()
    for again in (
        train("two", "--num_workers", "2"),
        train("resumed", "--num_workers", "1", "--resume", "true"),
    ):
        assert all(torch.equal(v, expected[k]) for k, v in again.items())
    off = train("off", "--dynamic_mixing_conf", "{clean_prob: 0.0, given_prob: 1.0}")
    assert any(not torch.equal(v, off[k]) for k, v in expected.items())


@pytest.fixture
def enh_config(data, tmp_path):
    """Options of the tiny SE training on clean speech alone, as a clean-only directory has it."""
    stft = {"n_fft": 64, "hop_length": 32}
    separator = {"num_spk": 1, "layer": 2, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8}
    clean = str(data / "spk1.scp")
    triples = [[clean, "speech_mix", "sound"], [clean, "speech_ref1", "sound"]]
    config = {k: v for k, v in options(data).items() if k != "dynamic_mixing_conf"}
    config.update({f"{s}_data_path_and_name_and_type": triples for s in ("train", "valid")})
    for part, conf in {"encoder": stft, "decoder": stft}.items():
        config.update({part: "stft", f"{part}_conf": conf})
    config.update(separator="tcn", separator_conf=separator, max_epoch=1, num_workers=1)
    (tmp_path / "enh.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "enh.yaml"


def test_se_training_mixes_alike(enh_config, mixing_options, tmp_path):
    from espnet_cbpc.bin.enh_train import main

    losses = {}
    for name, mixing in {"on": mixing_options, "off": []}.items():
        main(["--config", str(enh_config), "--output_dir", str(tmp_path / name), *mixing])
        checkpoint = torch.load(tmp_path / name / "checkpoint.pth", weights_only=False)
        losses[name] = checkpoint["reporter"]["stats"][1]["train"]["loss"]
    # The input of the one is noisy, that of the other its own reference: negative SI-SNR in dB.
    assert losses["on"] > losses["off"] + 1


@pytest.mark.slow
def test_a_bad_noise_ends_the_training_with_one_message(enh_config, mixing_options, data, tmp_path):
    (data / "noise.wav").write_text("no audio")
    command = [sys.executable, "-m", "espnet_cbpc.bin.enh_train", "--config", str(enh_config)]
    command += ["--output_dir", str(tmp_path / "bad"), *mixing_options]
    done = subprocess.run(command, text=True, capture_output=True, timeout=300)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: dynamic mixing of utterance utt"), done.stderr[-2000:]
    assert last.endswith("noise.wav: not a readable audio file: replace it")
