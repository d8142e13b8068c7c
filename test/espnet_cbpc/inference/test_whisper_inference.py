# SPDX-License-Identifier: Apache-2.0
"""Whisper gives the text that openai-whisper gives, alone, in batches, and of long recordings."""

import numpy as np
import pytest
import soundfile
import soxr
import torch
from whisper_models import noise, random_whisper, write_tiny_en

from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.long_form import Cutter
from espnet_cbpc.inference.transcriber import Transcriber, text_of
from espnet_cbpc.utils.cli import UserError

whisper = pytest.importorskip("whisper", reason="openai-whisper is not installed")
FS = 16000


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A checkpoint of a random multilingual model, and the model."""
    path = tmp_path_factory.mktemp("whisper") / "random.pt"
    return path, random_whisper(path, n_vocab=51865)


@pytest.fixture(scope="module")
def tiny_en(tmp_path_factory):
    """The checkpoint of tiny.en."""
    path = tmp_path_factory.mktemp("whisper") / "tiny.en.pt"
    write_tiny_en(path)
    return path


@pytest.fixture(scope="module")
def sentences(shared_data):
    """Fifty sentences, (N,) samples at 16 kHz each."""
    paths = sorted((shared_data / "kathleen" / "data").glob("*.flac"))[:50]
    assert len(paths) == 50
    speech = []
    for path in paths:
        samples, fs = soundfile.read(path, dtype="float32")
        speech.append(soxr.resample(samples, fs, FS))
    return speech


def build(path, tmp_path, prompt="", **options):
    name = f"whisper:{path}{prompt}"
    return EnhSpeech2Text.from_pretrained(asr_model=name, cachedir=tmp_path, **options)


def in_one_batch(speech2text, speech):
    rows = [torch.from_numpy(samples) for samples in speech]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return speech2text.batch(padded, [len(row) for row in rows])


def whispers_own(model, speech, **options):
    mels = [whisper.log_mel_spectrogram(whisper.pad_or_trim(samples)) for samples in speech]
    options = whisper.DecodingOptions(without_timestamps=True, fp16=False, **options)
    return whisper.decode(model, torch.stack(mels), options)


@pytest.mark.slow
def test_text_of_fifty_sentences_is_whispers_own(tiny_en, sentences, tmp_path):
    model = whisper.load_model(str(tiny_en), "cpu")
    found = (whispers_own(model, [samples], language="en")[0] for samples in sentences)
    expected = [result.text for result in found]
    assert "shook hands." in expected[2]
    speech2text = build(tiny_en, tmp_path)
    batches = [sentences[i : i + 8] for i in range(0, 50, 8)]
    assert [r.text for b in batches for r in in_one_batch(speech2text, b)] == expected


@pytest.mark.slow
def test_long_recordings_are_recognised_whole(tiny_en, sentences, tmp_path):
    speech2text = build(tiny_en, tmp_path)
    long, short = np.concatenate(sentences[:20]), sentences[0]
    assert len(long) > 2 * speech2text.s2t_model.encoder.pad_samples
    found, alone = in_one_batch(speech2text, [long, short])
    assert found.text.startswith("author of the danger trail, Philip steals, etc.")
    assert found.text.endswith("Clubs and balls and cities grew to be only memories.")
    assert 150 < len(found.text.split()) < 190 and alone.text == speech2text(short)[0]
    soundfile.write(tmp_path / "long.wav", long, FS, "FLOAT")
    segments = Transcriber(speech2text, Cutter(FS))(tmp_path / "long.wav")
    assert text_of(segments) == found.text and len(segments) == 3


@pytest.mark.parametrize("language, task", [("en", "transcribe"), ("de", "translate")])
def test_prompt_beam_and_batch_are_whispers(language, task, random_model, tmp_path):
    path, model = random_model
    speech = noise(1.0, 3.0, 2.0)
    for beam in (1, 3):
        options = {"language": language, "task": task, "beam_size": beam if beam > 1 else None}
        expected = [whispers_own(model, [samples], **options)[0] for samples in speech]
        speech2text = build(path, tmp_path, f":{language}:{task}", beam_size=beam, nbest=beam)
        found = in_one_batch(speech2text, speech)
        assert [r.nbest[0].token_ids for r in found] == [r.tokens for r in expected]
        assert [r.text for r in found] == [r.text for r in expected]
        assert [len(r.nbest) for r in found] == [beam] * 3
        scores = [h.score / len(h.token_ids) for h in found[0].nbest]
        assert scores == sorted(scores, reverse=True)
        for one, alone in zip(speech, found):
            assert speech2text(one)[0] == alone.text


def test_greedy_is_what_the_checkpoint_asks_for(random_model, tmp_path):
    path, model = random_model
    (expected,) = whispers_own(model, noise(1.0), language="en")
    assert build(path, tmp_path)(noise(1.0)[0])[0] == expected.text


def test_speech_of_another_rate_is_resampled(random_model, tmp_path):
    path, model = random_model
    speech2text = build(path, tmp_path, fs=8000)
    assert (speech2text.fs, speech2text.asr_fs) == (8000, FS)
    samples = soxr.resample(noise(2.0)[0], FS, 8000)
    text, enhanced = speech2text(samples)
    assert text and enhanced is None


def test_a_language_model_has_no_part(random_model, tmp_path):
    import tiny_models as tiny
    from espnet2.tasks.lm import LMTask

    path, _ = random_model
    options = {"token_list": tiny.TOKENS, "lm_conf": {"unit": 2, "nlayers": 1}}
    tiny.save_model(tmp_path, "lm", LMTask, options)
    lm = {"lm_train_config": tmp_path / "lm.yaml", "lm_file": tmp_path / "lm.pth"}
    with pytest.raises(UserError, match="Whisper is decoded without a language model"):
        build(path, tmp_path, **lm)
