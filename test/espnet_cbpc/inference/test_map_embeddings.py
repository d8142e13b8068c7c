# SPDX-License-Identifier: Apache-2.0
"""Frames of tiny models, and the command that maps them."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.bin import map_embeddings
from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir
from espnet_cbpc.html_report.embedding_map import EmbeddingMap
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def waves():
    import tiny_models as tiny

    return [tiny.speech(n, seed=n) for n in (4000, 5200, 3000)]


def stock_frames(models, waves):
    """Encode by the ASR model itself, without what is tested."""
    import torch

    from espnet_cbpc.model_zoo.load import load_asr

    model = load_asr((models / "ctc.yaml", models / "ctc.pth"))[0]
    with torch.no_grad():
        encoded = [model.encode(torch.tensor(w)[None], torch.tensor([len(w)]))[0][0] for w in waves]
    return torch.cat(encoded).numpy()


def test_frames_are_those_of_what_the_recogniser_hears(models, waves):
    import tiny_models as tiny

    from espnet_cbpc.html_report.frame_embeddings import FrameEncoder
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    asr, enh = tiny.files(models, "asr", "ctc"), tiny.files(models, "enh", "enh")
    alone = np.concatenate(FrameEncoder(None, tiny.FS, "cpu", **asr).frames(waves))
    np.testing.assert_allclose(alone, stock_frames(models, waves), atol=1e-5)
    enhanced = [EnhSpeech2Text(**asr, **enh, fs=tiny.FS, **tiny.GREEDY)(w)[1] for w in waves]
    behind = np.concatenate(FrameEncoder(None, tiny.FS, "cpu", **asr, **enh).frames(waves))
    np.testing.assert_allclose(behind, stock_frames(models, enhanced), atol=1e-5)
    assert np.abs(behind - alone).max() > 0.01


@pytest.fixture
def command(models, waves, tmp_path):
    import tiny_models as tiny
    import torch

    from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer

    tables = {name: {} for name in ("wav.scp", "spk1.scp", "utt2spk", "text", "utt2category")}
    for i, wave in enumerate(waves):
        key = f"u{i}"
        for name, samples in (("wav.scp", wave), ("spk1.scp", wave / 2)):
            tables[name][key] = str(tmp_path / f"{key}.{name}.wav")
            soundfile.write(tables[name][key], samples, tiny.FS)
        tables["utt2category"][key] = "CLEAN" if i == 2 else "SIMU"
        tables["utt2spk"][key], tables["text"][key] = "s", "a"
    write_data_dir(tmp_path / "dev", tables)
    tokenizer = KMeansTokenizer(4, 16)
    torch.manual_seed(0)
    tokenizer.centroids.normal_()
    tokenizer.save(tmp_path / "tokenizer.safetensors")
    (tmp_path / "tokenizer.yaml").write_text("n_clusters: 4\n")
    named = {**tiny.files(models, "asr", "ctc"), **tiny.files(models, "enh", "enh")}
    joint = ",".join(tiny.files(models, "enh_asr", "joint").values())
    return [
        *(f"--{name}={path}" for name, path in named.items()),
        "--joint", f"a joint one={joint}", "--fs=8k",
        f"--tokenizer={tmp_path / 'tokenizer.safetensors'}",
        f"--config={tmp_path / 'tokenizer.yaml'}",
        f"--data_dir={tmp_path / 'dev'}", f"--output={tmp_path / 'map.npz'}",
    ]  # fmt: skip


def test_the_map_has_clean_noisy_enhanced_and_joint(command, models, waves, tmp_path, capsys):
    map_embeddings.main(command)
    found = EmbeddingMap.load(tmp_path / "map.npz")
    names = [map_embeddings.CLEAN, map_embeddings.NOISY, map_embeddings.ENHANCED, "a joint one"]
    assert found.names == names
    noisy = stock_frames(models, [soundfile.read(tmp_path / f"u{i}.wav.scp.wav", dtype="float32")[0]
                                  for i in (0, 1)])  # fmt: skip
    assert found.source == f"{len(noisy)} frames of 2 utterances of dev, the encoder's output"
    np.testing.assert_allclose(found.frames[1], noisy, atol=5e-3)  # stored as float16
    assert found.kept[0] == 1 and (found.kept <= 1).all()
    assert "a joint one: " in capsys.readouterr().out


def test_bad_input_is_told(command, tmp_path):
    with pytest.raises(UserError, match="--joint 'x': write it as NAME=CONFIG,CHECKPOINT"):
        map_embeddings.main([*command, "--joint", "x"])
    with pytest.raises(UserError, match="2 utterance.s. of category SIMU, 0 asked for"):
        map_embeddings.main([*command, "--num_utterances=0"])
    (tmp_path / "dev" / "utt2category").write_text("u0 REAL\nu1 CLEAN\nu2 CLEAN\n")
    with pytest.raises(UserError, match="dev: 0 utterance.s. of category SIMU"):
        map_embeddings.main(command)
    with pytest.raises(UserError, match="no such tokenizer file"):
        map_embeddings.main([*command, f"--tokenizer={tmp_path / 'none'}"])
