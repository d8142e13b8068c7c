"""OWSM, built by ESPnet's S2T task, gives the text of ESPnet's own S2T inference."""

import shutil
import subprocess
import sys

import pytest
import tiny_models as tiny
import torch
import yaml
from whisper_models import noise

from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.long_form import cut_to_windows
from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.model_zoo import load_asr
from espnet_cbpc.model_zoo.importing import import_model
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml

FS = 16000
TIMES = [f"<{0.02 * i:.2f}>" for i in range(1501)]
WORDS = [f"w{i}" for i in range(40)]
TOKENS = ["<blank>", "<unk>", "<na>", "<nospeech>", "<eng>", "<deu>", "<asr>", "<notimestamps>"]
TOKENS += [*TIMES, *WORDS, "<sos>", "<eos>", "<sop>"]
OWSM = {
    "token_list": TOKENS,
    "token_type": "word",
    "frontend_conf": {"fs": FS, "n_fft": 400, "hop_length": 160, "n_mels": 16},
    "normalize": "utterance_mvn",
    "encoder": "e_branchformer",
    "encoder_conf": {**tiny.ENCODERS["e_branchformer"], "input_layer": "conv2d8"},
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 2},
    "model_conf": {"ctc_weight": 0.3},
    "preprocessor": "s2t",
    "preprocessor_conf": {
        **{"text_prev_name": "text_prev", "text_ctc_name": "text_ctc", "fs": FS},
        **{"na_symbol": "<na>", "speech_length": 30, "speech_resolution": 0.02},
        **{"notime_symbol": "<notimestamps>", "first_time_symbol": TIMES[0]},
        **{"last_time_symbol": TIMES[-1]},
    },
}


@pytest.fixture(scope="module")
def owsm(tmp_path_factory):
    """An experiment folder of a random OWSM."""
    from espnet2.tasks.s2t import S2TTask

    folder = tmp_path_factory.mktemp("owsm") / "exp"
    folder.mkdir()
    tiny.save_model(folder, "config", S2TTask, OWSM)
    (folder / "config.pth").rename(folder / "valid.acc.ave.pth")
    return folder


def stock(owsm, speech, **options):
    from espnet2.bin.s2t_inference import Speech2Text

    speech2text = Speech2Text(owsm / "config.yaml", owsm / "valid.acc.ave.pth", **options)
    return [speech2text(samples)[0] for samples in speech]


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
def test_text_is_that_of_stock_s2t_inference(ctc_weight, owsm, tmp_path):
    options = {"beam_size": 3, "ctc_weight": ctc_weight, "maxlenratio": 0.1}
    speech = noise(3.0, 1.0, 2.0)
    expected = stock(owsm, speech, **options)
    assert len({found[3] for found in expected}) > 1 and all(found[3] for found in expected)
    speech2text = EnhSpeech2Text.from_pretrained(asr_model=str(owsm), cachedir=tmp_path, **options)
    rows = [torch.from_numpy(samples) for samples in speech]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    found = speech2text.batch(padded, [len(row) for row in rows])
    assert [r.text for r in found] == [found[3] for found in expected]
    for result, (*_, hypothesis) in zip(found, expected):
        assert result.nbest[0].score == pytest.approx(float(hypothesis.score), abs=1e-4)
    assert not set(found[0].nbest[0].tokens) & {*TIMES, "<eng>", "<asr>", "<sos>"}


def test_long_recordings_are_recognised_in_windows(owsm, tmp_path):
    options = {"beam_size": 1, "ctc_weight": 0.0, "maxlenratio": 0.02}
    speech2text = EnhSpeech2Text.from_pretrained(asr_model=str(owsm), cachedir=tmp_path, **options)
    (long,) = noise(40.0)
    pieces = cut_to_windows(long, FS, 30.0)
    assert len(pieces) == 2 and sum(map(len, pieces)) == len(long)
    assert speech2text(long)[0] == " ".join(found[3] for found in stock(owsm, pieces, **options))


def test_weights_are_proven_whatever_names_the_model(owsm, tmp_path):
    expected = torch.load(owsm / "valid.acc.ave.pth")
    archive = tmp_path / "owsm.zip"
    command = [sys.executable, "-m", "espnet2.bin.pack", "s2t", "--outpath", str(archive)]
    command += ["--s2t_train_config", "config.yaml", "--s2t_model_file", "valid.acc.ave.pth"]
    subprocess.run(command, cwd=owsm, check=True, capture_output=True)
    for model in (owsm, archive):
        found = load_asr(model, tmp_path / "cache")[0].state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[k], v) for k, v in expected.items())
    import_model("asr", archive, tmp_path / "asr", tmp_path / "cache")
    assert load_asr(tmp_path / "asr")[0].decoder.prompt == ["<eng>", "<asr>", "<notimestamps>"]
    expected.pop("decoder.after_norm.weight")
    shutil.copy(owsm / "config.yaml", tmp_path)
    torch.save(expected, tmp_path / "broken.pth")
    with pytest.raises(UserError, match=r"1 missing \(decoder.after_norm.weight\)"):
        load_asr(tmp_path / "broken.pth")


def test_owsm_is_used_frozen_behind_the_se_model(owsm, tmp_path, task, tiny_config, tiny_batch):
    import_model("asr", owsm, tmp_path / "asr")
    asr = read_yaml(tmp_path / "asr" / "config.yaml")
    enh = {k[4:]: v for k, v in tiny_config.items() if k.startswith("enh_")}
    training = {"tokenizer_conf": {"n_clusters": 4, "feature_dim": 16}}
    for update, transcripts in ((True, False), (False, True)):
        with pytest.raises(
            UserError, match="OWSM is used frozen and without transcripts: give --as"
        ):
            joint_config(training, asr, enh, asr_update=update, use_transcripts=transcripts)
    args = task.get_parser().parse_args(["--output_dir", "unused"])
    options = joint_config(training, asr, enh, fs=8000, asr_update=False, use_transcripts=False)
    vars(args).update(options)
    model = task.build_model(args).train()
    model.s2t_model.load_state_dict(torch.load(tmp_path / "asr" / "model.pth"))
    model.tokenizer.centroids.normal_()
    loss, stats, _ = model(**tiny_batch())
    loss.backward()
    assert stats["loss_cbpc"] > 0
    assert any(p.grad is not None for p in model.enh_model.parameters())
    assert all(p.grad is None for p in model.s2t_model.parameters())


def test_owsm_ctc_is_refused(owsm, tmp_path):
    config = read_yaml(owsm / "config.yaml")
    config.update(preprocessor="s2t_ctc", promptencoder="transformer")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(owsm / "valid.acc.ave.pth", tmp_path / "model.pth")
    with pytest.raises(UserError, match="config.yaml: of S2T models those with a Transformer dec"):
        load_asr(tmp_path)
