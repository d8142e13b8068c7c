# SPDX-License-Identifier: Apache-2.0
"""OWSM and OWSM-CTC, built by ESPnet's S2T tasks, give the text of ESPnet's own S2T inference."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from owsm_models import CTC_TOKENS, FS, TIMES, WORDS, random_owsm, random_owsm_ctc
from whisper_models import noise

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.long_form import cut_to_windows
from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.model_zoo import load_asr
from espnet_cbpc.model_zoo.exporting import left_out
from espnet_cbpc.model_zoo.importing import import_model
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml


@pytest.fixture(scope="module")
def owsm(tmp_path_factory):
    """An experiment folder of a random OWSM."""
    return random_owsm(tmp_path_factory.mktemp("owsm") / "exp")


@pytest.fixture(scope="module")
def owsm_ctc(tmp_path_factory):
    """An experiment folder of a random OWSM-CTC."""
    return random_owsm_ctc(tmp_path_factory.mktemp("owsm_ctc") / "exp")


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


@pytest.mark.slow
def test_fifty_utterances_of_speech_have_the_text_of_stock_inference(owsm, shared_data, tmp_path):
    options = {"beam_size": 1, "ctc_weight": 0.0, "maxlenratio": 0.1}
    files = sorted((shared_data / "kathleen" / "data").glob("*.flac"))[:50]
    waves = [torch.from_numpy(read_audio(file, FS)[0]) for file in files]
    speech2text = EnhSpeech2Text.from_pretrained(asr_model=str(owsm), cachedir=tmp_path, **options)
    texts = []
    for start in range(0, len(waves), 10):
        some = waves[start : start + 10]
        padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        texts += [found.text for found in speech2text.batch(padded, [len(w) for w in some])]
    assert texts == [found[3] for found in stock(owsm, [w.numpy() for w in waves], **options)]
    assert len(set(texts)) > 10


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
            UserError, match="OWSM must be frozen and trained without transcripts: give --as"
        ):
            joint_config(training, asr, enh, asr_update=update, use_transcripts=transcripts)
    args = task.get_parser().parse_args(["--output_dir", "unused"])
    options = joint_config(training, asr, enh, fs=8000, asr_update=False, use_transcripts=False)
    vars(args).update(options)
    assert left_out(options)[0] == ("enh_asr", "asr")  # of an export for stock ESPnet
    model = task.build_model(args).train()
    model.s2t_model.load_state_dict(torch.load(tmp_path / "asr" / "model.pth"))
    model.tokenizer.centroids.normal_()
    loss, stats, _ = model(**tiny_batch())
    loss.backward()
    assert stats["loss_cbpc"] > 0
    assert any(p.grad is not None for p in model.enh_model.parameters())
    assert all(p.grad is None for p in model.s2t_model.parameters())


@pytest.mark.parametrize("search", [{"ctc_greedy": True}, {"beam_size": 3, "ctc_weight": 1.0}])
def test_text_of_owsm_ctc_is_that_of_stock_inference(search, owsm_ctc, tmp_path):
    if search.get("ctc_greedy"):
        expected = stock_best_path(owsm_ctc, noise(3.0, 1.0, 2.0))
    else:
        expected = stock_ctc_search(owsm_ctc, noise(3.0, 1.0, 2.0), **search)
    speech2text = EnhSpeech2Text.from_pretrained(
        asr_model=str(owsm_ctc), cachedir=tmp_path, **search
    )
    assert len(set(expected)) == 3
    assert [speech2text(samples)[0] for samples in noise(3.0, 1.0, 2.0)] == expected
    rows = torch.from_numpy(np.stack(noise(2.0, 2.0)))
    alone = [speech2text(row)[0] for row in rows]
    assert [r.text for r in speech2text.batch(rows, [32000, 32000])] == alone


def stock_best_path(folder, speech):
    """The best path by stock ESPnet's model, without special tokens."""
    from espnet2.tasks.s2t_ctc import S2TTask

    model, args = S2TTask.build_model_from_file(folder / "config.yaml", folder / "model.pth", "cpu")
    model.eval()
    texts = []
    for samples in speech:
        prompt = torch.tensor([[CTC_TOKENS.index("<na>")]]), torch.tensor([1])
        prefix = (
            torch.tensor([[CTC_TOKENS.index("<eng>"), CTC_TOKENS.index("<asr>")]]),
            torch.tensor([2]),
        )
        lengths = torch.tensor([len(samples)])
        encoded = model.encode(torch.from_numpy(samples)[None], lengths, *prompt, *prefix)[0]
        encoded = encoded[0] if isinstance(encoded, tuple) else encoded
        path = torch.unique_consecutive(model.ctc.argmax(encoded)[0]).tolist()
        texts.append(" ".join(CTC_TOKENS[i] for i in path if CTC_TOKENS[i] in WORDS))
    return texts


def stock_ctc_search(folder, speech, **options):
    from espnet2.bin.s2t_inference_ctc import Speech2Text

    options.pop("ctc_weight")
    files = folder / "config.yaml", folder / "model.pth"
    speech2text = Speech2Text(*files, lang_sym="<eng>", **options)
    return [speech2text(samples, text_prev=np.array([2]))[0][3] for samples in speech]


def test_owsm_ctc_is_proven_and_used_frozen(owsm_ctc, tmp_path):
    expected = torch.load(owsm_ctc / "model.pth")
    import_model("asr", owsm_ctc, tmp_path / "asr")
    model, args = load_asr(tmp_path / "asr")
    found = model.state_dict()
    assert len(found) == len(expected)
    renamed = [k for k in expected if k not in found]
    assert {k.split(".")[0] for k in renamed} == {
        *("prompt_encoder", "embed", "embed_proj", "prompt_proj")
    }
    for name, tensor in expected.items():
        assert torch.equal(found.get(name, found.get(f"encoder.prompt.{name}")), tensor)
    with pytest.raises(UserError, match="OWSM must be frozen and trained without transcripts"):
        joint_config({}, vars(args), {}, asr_update=False)


def test_other_s2t_models_are_refused(owsm, tmp_path):
    config = {**read_yaml(owsm / "config.yaml"), "decoder": "rnn"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(owsm / "valid.acc.ave.pth", tmp_path / "model.pth")
    with pytest.raises(
        UserError, match="config.yaml: an S2T model with the decoder rnn: the supported S2T"
    ):
        load_asr(tmp_path)
