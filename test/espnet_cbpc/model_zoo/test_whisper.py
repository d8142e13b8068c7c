# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of Whisper becomes an ESPnet ASR model, proven whole; what is none is refused."""

import base64
import gzip
import sys

import pytest
import torch
from whisper_models import random_whisper

from espnet_cbpc.bin import import_model
from espnet_cbpc.model_zoo import load_asr
from espnet_cbpc.model_zoo.locate import locate
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import file_digest, read_yaml

whisper = pytest.importorskip("whisper", reason="openai-whisper is not installed")


@pytest.fixture
def english(tmp_path):
    return tmp_path / "small.pt"


@pytest.fixture
def multilingual(tmp_path):
    path = tmp_path / "multi.pt"
    random_whisper(path, n_vocab=51866)  # as large-v3
    return path


def as_espnet(model):
    return {f"{k[:7]}.{k[:7]}s.{k[8:]}": v for k, v in model.state_dict().items()}


@pytest.mark.parametrize("form", ["{}", "whisper:{}", "whisper:{}:en", "whisper:{}:English"])
def test_every_parameter_is_the_checkpoints(form, english, tmp_path):
    expected = as_espnet(random_whisper(english))
    model, args = load_asr(form.format(english), cachedir=tmp_path / "cache")
    found = model.state_dict()
    assert found.keys() == expected.keys() and not model.training
    assert all(torch.equal(found[k], v) for k, v in expected.items())
    assert args.token_list[model.eos] == "<|endoftext|>" and model.ctc is None


def test_encoder_hears_what_whisper_hears(english, tmp_path):
    expected = random_whisper(english)
    model, _ = load_asr(english, cachedir=tmp_path)
    model.encoder.do_pad_trim = True
    speech = torch.randn(2, 32000) * 0.1
    speech[1, 20000:] = 0
    frames, lengths = model.encode(speech, torch.tensor([32000, 20000]))
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(speech))
    each = [whisper.log_mel_spectrogram(whisper.pad_or_trim(row)) for row in speech]
    torch.testing.assert_close(frames, expected.encoder(torch.stack(each)))
    assert mel.shape[-1] // 2 == frames.shape[1] == 1500 and lengths.tolist() == [100, 63]


def test_transcripts_begin_with_language_and_task(multilingual, tmp_path):
    from espnet_cbpc.tasks.asr import ASRTask

    _, args = load_asr(f"whisper:{multilingual}:german:translate", cachedir=tmp_path)
    args.use_preprocessor, args.preprocessor_conf = True, {}
    preprocess = ASRTask.build_preprocess_fn(args, train=False)
    ids = preprocess("u", {"text": "Grüß Gott"})["text"].tolist()
    tokenizer = whisper.tokenizer.get_tokenizer(
        True, num_languages=100, language="de", task="translate"
    )
    prompt = list(tokenizer.sot_sequence_including_notimestamps)
    assert ids == prompt[1:] + tokenizer.encode(" Grüß Gott")
    assert args.token_list[prompt[0]] == "<|startoftranscript|>"
    assert args.token_list.index("<|yue|>") + 1 == args.token_list.index("<|translate|>")
    tokens = preprocess.token_id_converter.ids2tokens(ids)
    assert preprocess.tokenizer.tokens2text(tokens) == "Grüß Gott"


def test_brought_folder_stands_alone(english, tmp_path):
    expected = as_espnet(random_whisper(english))
    out = tmp_path / "exp" / "asr"
    options = ["--kind", "asr", "--cachedir", str(tmp_path / "cache"), "--outdir", str(out)]
    import_model.main([*options, "--model", str(english)])
    english.unlink()
    assert {p.name for p in out.iterdir()} == {"config.yaml", "model.pth", "decode.yaml"}
    assert read_yaml(out / "decode.yaml")["beam_size"] == 1
    found = load_asr(out)[0].state_dict()
    assert all(torch.equal(found[k], v) for k, v in expected.items())


def test_a_name_takes_the_copy_that_is_there(english, tmp_path, monkeypatch):
    random_whisper(english)
    address = f"http://localhost:9/{file_digest(english)}/small.en.pt"
    monkeypatch.setitem(whisper._MODELS, "small.en", address)
    heads = base64.b85encode(gzip.compress(bytes([0, 0, 1, 1])))  # 2 layers of 2
    monkeypatch.setitem(whisper._ALIGNMENT_HEADS, "small.en", heads)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = tmp_path / "whisper" / "small.en.pt"
    copy.parent.mkdir()
    english.rename(copy)
    files = locate("whisper:small.en", "asr", tmp_path / "cache")
    assert files.checkpoint.parent.name == "whisper-small.en"
    copy.unlink()
    assert locate("whisper:small.en", "asr", tmp_path / "cache") == files
    with pytest.raises(UserError, match="small.en: openai-whisper cannot fetch it .*give its path"):
        locate("whisper:small.en", "asr", tmp_path / "elsewhere")


def refused(model, tmp_path, match):
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match=match):
        load_asr(str(model), cachedir=cache)
    assert [p.name for p in cache.glob("*") if p.name != ".lock"] == []


def test_names_that_do_not_exist(tmp_path):
    refused(
        "whisper:huge",
        tmp_path,
        "whisper:huge: no such file or Whisper model; the models are .*tiny.en",
    )
    refused("whisper:tiny:de:sing", tmp_path, "unknown task 'sing': use transcribe or translate")
    refused("whisper:a:b:c:d", tmp_path, "must be whisper:NAME")
    refused("whisper:", tmp_path, "must be whisper:NAME")


def test_files_that_are_no_checkpoint(english, tmp_path):
    english.write_bytes(b"no checkpoint")
    refused(english, tmp_path, "small.pt: not a checkpoint of openai-whisper")
    torch.save({"weight": torch.zeros(2)}, english)
    refused(english, tmp_path, "small.pt: not a checkpoint of openai-whisper")
    random_whisper(english, n_vocab=100)
    refused(english, tmp_path, "has 100 tokens, but Whisper models have one of 51864")
    random_whisper(english)
    content = torch.load(english)
    content["model_state_dict"].pop("decoder.ln.weight")
    torch.save(content, english)
    refused(english, tmp_path, r"1 missing \(decoder.ln.weight\): fetch the checkpoint again")


@pytest.mark.parametrize("prompt", ["de", "en:translate"])
def test_languages_that_an_english_model_lacks(prompt, english, tmp_path):
    random_whisper(english)
    refused(f"whisper:{english}:{prompt}", tmp_path, "the model is English-only")


def test_languages_that_do_not_exist(multilingual, tmp_path):
    refused(
        f"whisper:{multilingual}:klingon", tmp_path, "unknown language 'klingon': there are af, am"
    )


def test_without_openai_whisper(english, tmp_path, monkeypatch):
    random_whisper(english)
    for name in [name for name in sys.modules if name.split(".")[0] == "whisper"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "whisper", None)
    refused(english, tmp_path, r"Whisper needs whisper, .*pip install 'espnet-cbpc\[whisper\]'")


def test_what_is_longer_than_the_window_is_refused(english, tmp_path):
    random_whisper(english)
    model, _ = load_asr(english, cachedir=tmp_path)
    with pytest.raises(UserError, match="an utterance of 31.0 s, but Whisper takes 30 s"):
        model.encode(torch.zeros(1, 31 * 16000), torch.tensor([31 * 16000]))
