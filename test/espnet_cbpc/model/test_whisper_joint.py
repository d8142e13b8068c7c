# SPDX-License-Identifier: Apache-2.0
"""Whisper behind the SE model: frozen or trained, tapped, labelled, decoded, resampled to."""

import pytest
import torch
import yaml
from whisper_models import random_whisper

from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.model_zoo import load_asr
from espnet_cbpc.model_zoo.exporting import left_out
from espnet_cbpc.model_zoo.locate import find
from espnet_cbpc.tasks.collected_lengths import check_collected
from espnet_cbpc.tokenizer.features import encoder_features
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml

pytest.importorskip("whisper", reason="openai-whisper is not installed")
WORDS = ["Zwei drei.", "Eins", "Vier, fünf, sechs!"]


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """Files of a random German Whisper as an ESPnet model."""
    folder = tmp_path_factory.mktemp("whisper")
    random_whisper(folder / "random.pt", n_vocab=51865)
    return find(f"whisper:{folder / 'random.pt'}:de", "asr", folder)


@pytest.fixture
def whisper_args(brought, task, tiny_config):
    """Function: arguments of a joint model with Whisper, training options as keywords."""

    def make(**changes):
        enh = {k[4:]: v for k, v in tiny_config.items() if k.startswith("enh_")}
        training = {"tokenizer_conf": {"n_clusters": 4, "feature_dim": 16}, **changes}
        args = task.get_parser().parse_args(["--output_dir", "unused"])
        options = joint_config(training, read_yaml(brought.config), enh, layer=1, fs=8000)
        vars(args).update(options)
        return args

    return make


@pytest.fixture
def joint(task, whisper_args):
    """Function: a joint model with Whisper's weights and a random tokenizer."""

    def make(brought, **joint_conf):
        torch.manual_seed(0)
        model = task.build_model(whisper_args(joint_conf=joint_conf))
        model.s2t_model.load_state_dict(torch.load(brought.checkpoint))
        model.tokenizer.centroids.normal_()
        return model.train()

    return make


@pytest.fixture
def batch(task, whisper_args, tiny_batch):
    """A batch with transcripts as the task's preprocessor makes them."""
    preprocess = task.build_preprocess_fn(whisper_args(), train=True)
    made = [torch.from_numpy(preprocess("u", {"text_spk1": words})["text_spk1"]) for words in WORDS]
    text = torch.nn.utils.rnn.pad_sequence(made, batch_first=True, padding_value=-1)
    lengths = torch.tensor([len(ids) for ids in made])
    return {**tiny_batch(), "text_spk1": text, "text_spk1_lengths": lengths}


def gradients(model):
    parts = {"enh": model.enh_model, "asr": model.s2t_model}
    return {k: sum(p.grad is not None for p in part.parameters()) for k, part in parts.items()}


def test_frozen_whisper_teaches_the_se_model_without_transcripts(joint, brought, batch):
    model = joint(brought, update="enh", alpha=1.0, loss_layers=[1, 2, None])
    assert (model.enh_fs, model.asr_fs, model.layer) == (8000, 16000, 1)
    before = {k: v.clone() for k, v in model.s2t_model.state_dict().items()}
    loss, stats, _ = model(**batch)
    loss.backward()
    assert stats["loss_cbpc"] > 0 and stats["loss_infonce"] > 0
    assert stats["cbpc_anchors"] <= 3 * 2 * 25  # 0.5 s at 50 frames a second, of two views
    found = gradients(model)
    assert found["enh"] > 0 and found["asr"] == 0
    assert all(torch.equal(v, before[k]) for k, v in model.s2t_model.state_dict().items())


def test_whisper_is_trained_with_transcripts(joint, brought, batch):
    model = joint(brought, update="joint", alpha=0.5)
    loss, stats, _ = model(**batch)
    loss.backward()
    assert torch.isfinite(stats["loss_asr"]) and gradients(model)["asr"] > 0


def test_an_array_in_front_of_whisper(task, whisper_args, brought, batch):
    """One that its frozen frames teach, and one that is trained with it."""
    conf = {"num_spk": 1, "ref_channel": 1, "blayers": 1, "bunits": 8, "bprojs": 8}
    front_end = {"enh_separator": "wpe_beamformer", "enh_separator_conf": conf}
    noise = 0.01 * torch.randn(*batch["speech"].shape, 3)
    array = {**batch, "speech": batch["speech"][..., None] + noise}
    for joint_conf in ({"update": "enh", "alpha": 1.0}, {"update": "joint", "alpha": 0.5}):
        model = task.build_model(whisper_args(joint_conf=joint_conf, **front_end))
        model.s2t_model.load_state_dict(torch.load(brought.checkpoint))
        model.tokenizer.centroids.normal_()
        loss, _, _ = model.train()(**array)
        loss.backward()
        found = gradients(model)
        assert found["enh"] > 0 and (found["asr"] > 0) == (joint_conf["update"] == "joint")


def test_asr_loss_is_whispers_own(joint, brought, batch):
    """The prompt, the tokens after it and the end are what Whisper was trained on."""
    import whisper

    model = joint(brought, update="joint", alpha=0.5).eval()
    speech, lengths = batch["speech_ref1"][:1].repeat(1, 3), torch.tensor([12000])
    _, stats, _ = model.s2t_model(
        speech, lengths, batch["text_spk1"][:1], batch["text_spk1_lengths"][:1]
    )
    tokenizer = whisper.tokenizer.get_tokenizer(True, language="de", task="transcribe")
    prompt = list(tokenizer.sot_sequence_including_notimestamps)
    ids = [*prompt, *tokenizer.encode(f" {WORDS[0]}"), tokenizer.eot]
    frames = model.s2t_model.encode(speech, lengths)[0]
    logits = model.s2t_model.decoder.decoders(torch.tensor([ids[:-1]]), frames)
    expected = torch.nn.functional.cross_entropy(logits[0], torch.tensor(ids[1:]), reduction="sum")
    torch.testing.assert_close(stats["loss_att"][0], expected.detach())


def test_statistics_need_no_features(joint, brought, batch):
    found = joint(brought).collect_feats(**batch)
    assert found["feats_lengths"].tolist() == [2 * n for n in batch["speech_lengths"].tolist()]


def test_longer_speech_is_told_when_statistics_are_collected(joint, brought, tmp_path):
    model = joint(brought)
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "speech_shape").write_text("a 240000\nb 800\n")
    check_collected(tmp_path, "text_spk1", model)
    (tmp_path / "valid" / "speech_shape").write_text("a 240001\nb 800\n")
    with pytest.raises(UserError, match=r"valid/speech_shape: 1 of 2 .*, 240000 samples .*\(a\)"):
        check_collected(tmp_path, "text_spk1", model)


def test_tokenizer_sees_the_frames_of_speech(brought, tmp_path):
    import soundfile

    model, _ = load_asr(brought)
    wavs = {}
    for i, n in enumerate((16000, 12000)):
        wavs[f"u{i}"] = str(tmp_path / f"u{i}.wav")
        soundfile.write(wavs[f"u{i}"], (torch.randn(n) * 0.1).numpy(), 16000)
    for layer in (None, 1, 2):
        found = {u: frames.shape for u, frames in encoder_features(model, wavs, 16000, layer)}
        assert found == {"u0": (50, 16), "u1": (38, 16)}


def test_joint_checkpoint_decodes_as_its_parts(joint, brought, whisper_args, tmp_path):
    model = joint(brought, update="enh", alpha=1.0).eval()
    args = whisper_args(joint_conf={"update": "enh", "alpha": 1.0})
    (tmp_path / "joint.yaml").write_text(yaml.safe_dump(vars(args)), encoding="utf-8")
    torch.save(model.state_dict(), tmp_path / "joint.pth")
    files = {
        "enh_asr_train_config": tmp_path / "joint.yaml",
        "enh_asr_model_file": tmp_path / "joint.pth",
    }
    whole = EnhSpeech2Text(**files, beam_size=1, fs=8000)
    asr = EnhSpeech2Text(
        asr_train_config=brought.config, asr_model_file=brought.checkpoint, fs=8000, beam_size=1
    )
    assert left_out(vars(args))[0] == ("enh_asr", "asr")  # of an export for stock ESPnet
    noisy = torch.randn(1, 12000) * 0.1
    found = whole.decode(noisy[0])
    assert found.enhanced.shape == (12000,) and found.text
    assert asr(found.enhanced)[0] == found.text
