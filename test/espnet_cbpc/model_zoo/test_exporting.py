# SPDX-License-Identifier: Apache-2.0
"""What is exported computes the same in stock ESPnet, and what cannot be exported is refused."""

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet_cbpc.bin import export as export_command
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.model_zoo.exporting import export
from espnet_cbpc.model_zoo.model_card import ModelCard
from espnet_cbpc.scoring.report.markdown import read_scores
from espnet_cbpc.utils.cli import UserError

# Run where this package is not installed, beside the archives: what the model card says to run.
STOCK = """
import importlib.util, json, re, sys
assert importlib.util.find_spec("espnet_cbpc") is None, "the plugin is here"
import numpy as np
from espnet_model_zoo.downloader import ModelDownloader
ModelDownloader.__init__.__defaults__ = ("cache",)  # not into the packages of this machine
noisy, fs, texts = np.load("speech.npy"), 8000, []
enhance, joint, alone = (
    next(code for code in re.findall("```python\\n(.*?)```", open("README.md").read(), re.DOTALL)
         if mark in code)
    for mark in ("SeparateSpeech", '"enh_asr.zip"', '"asr.zip"')
)
speech = noisy
exec(enhance)
exec(joint)
texts.append(text)
speech = enhanced[0] if enhanced.ndim == 2 else enhanced  # what the joint model's ASR model hears
exec(alone)
texts.append(text)
np.save("enhanced.npy", speech)
json.dump(texts, open("texts.json", "w"))
"""


DECODINGS = {
    "best path": "ctc_greedy: true\n",
    "search": "beam_size: 4\nctc_weight: 0.3\npenalty: 0.2\nmaxlenratio: 0.5\n",
}


@pytest.mark.parametrize("decoding", DECODINGS)
def test_archives_compute_the_same_without_this_package(
    tmp_path, stock_python, decoding, joint_experiment
):
    """The model card's code gives what the scores in it are made of."""
    joint_experiment(tmp_path / "exp")
    speech = 0.1 * np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    card = compare_with_stock(tmp_path, stock_python, DECODINGS[decoding], speech)
    assert "`speech` is an array of samples, `fs` their rate" in card


BEAMFORMER = {"num_spk": 1, "loss_type": "spectrum", "blayers": 1, "bunits": 8, "bprojs": 8}
BEAMFORMER.update(wlayers=1, wunits=8, wprojs=8, taps=2, delay=2, ref_channel=2)
IFASNET = {"fasnet_type": "ifasnet", "num_spk": 1, "enc_dim": 8, "feature_dim": 8, "hidden_dim": 8}
IFASNET.update(layer=1, segment_size=8, win_len=16, context_len=16, sr=8000)
ARRAYS = {
    "MVDR": ("wpe_beamformer", {**BEAMFORMER, "beamformer_type": "mvdr_souden"}),
    "WPD": ("wpe_beamformer", {**BEAMFORMER, "beamformer_type": "wpd_souden"}),
    "WPE and MVDR": ("wpe_beamformer", {**BEAMFORMER, "use_wpe": True}),
    "iFaSNet": ("fasnet", IFASNET),
}


@pytest.mark.parametrize("front_end", ARRAYS)
def test_archives_of_six_channels_do_so_too(tmp_path, stock_python, front_end, joint_experiment):
    separator, conf = ARRAYS[front_end]
    waveform = {"enh_encoder": "same", "enh_encoder_conf": {}, "enh_decoder": "same"}
    joint_experiment(
        tmp_path / "exp",
        enh_separator=separator,
        enh_separator_conf=conf,
        **({**waveform, "enh_decoder_conf": {}} if separator == "fasnet" else {}),
    )
    rng = np.random.default_rng(0)
    source, noise = rng.standard_normal(8005), rng.standard_normal((8000, 6))
    speech = np.stack([source[5 - c : 8005 - c] for c in range(6)], axis=1) + 0.3 * noise
    decoding, speech = DECODINGS["search"], (0.1 * speech).astype(np.float32)
    card = compare_with_stock(tmp_path, stock_python, decoding, speech)
    reference = conf.get("ref_channel", 0)
    assert f"SE model of any number of channels, the reference channel {reference} (from 0" in card


def compare_with_stock(tmp_path, stock_python, decoding, speech):
    """Export tmp_path/exp, compare its results with those of stock ESPnet, and return the card."""
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    (tmp_path / "decode.yaml").write_text(decoding)
    options = ["--expdir", str(tmp_path / "exp"), "--decode_config", str(tmp_path / "decode.yaml")]
    export_command.main([*options, "--outdir", str(tmp_path / "out")])
    out = tmp_path / "out"
    np.save(out / "speech.npy", speech)
    done = subprocess.run(
        [stock_python, "-c", STOCK],
        capture_output=True,
        text=True,
        cwd=out,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    packed = str(out / "enh_asr.zip")
    text, enhanced = EnhSpeech2Text.from_pretrained(packed, cachedir=tmp_path / "cache")(speech)
    assert json.loads((out / "texts.json").read_text()) == [text, text] and text
    np.testing.assert_allclose(np.load(out / "enhanced.npy"), enhanced, atol=1e-5)
    return (out / "README.md").read_text(encoding="utf-8")


def test_archives_hold_all_that_the_models_need_and_nothing_of_this_machine(
    tmp_path, joint_experiment
):
    model = joint_experiment(tmp_path / "exp")
    export_command.main(["--expdir", str(tmp_path / "exp"), "--outdir", str(tmp_path / "out")])
    for name, _part in (("enh_asr", model), ("asr", model.s2t_model), ("enh", model.enh_model)):
        with zipfile.ZipFile(tmp_path / "out" / f"{name}.zip") as archive:
            files = set(archive.namelist())
            config = yaml.safe_load(archive.read("config.yaml"))
        extra = (
            set() if name == "enh" else {"data/bpe.model", "data/feats_stats.npz", "decode.yaml"}
        )
        assert files == {"meta.yaml", "config.yaml", "model.pth", "README.md"} | extra
        if extra:
            assert config["bpemodel"] == "data/bpe.model"
            assert config["normalize_conf"]["stats_file"] == "data/feats_stats.npz"


@pytest.mark.parametrize(
    "changes, reason",
    [
        (
            {"asr_decoder": "transducer", "asr_decoder_conf": {}, "joint_net_conf": {}},
            "stock ESPnet's joint task does not build transducers",
        ),
        ({"joint_conf": {"enh_fs": 16000, "asr_fs": 8000}}, "stock ESPnet does not resample"),
    ],
)
def test_what_stock_espnet_cannot_run_as_one_is_exported_in_parts(
    tmp_path, caplog, changes, reason, joint_experiment
):
    joint_experiment(tmp_path / "exp", **changes)
    exp = tmp_path / "exp"
    card = ModelCard({}, DecodingConfig())
    archives = export(exp / "config.yaml", exp / "valid.loss_asr.ave.pth", tmp_path / "out", card)
    assert [a.name for a in archives] == ["asr.zip", "enh.zip"]
    assert not (tmp_path / "out" / "enh_asr.zip").exists()
    assert "enh_asr.zip not made: " in caplog.text and reason in caplog.text


RESULTS = Path(__file__).parents[3] / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "results.json"
JOINT = "Joint, CBPC and infoNCE (joint_cbpc_infonce)"  # the last of the systems


def unseen():
    """Return how the table of a model's scores begins its row of unseen noise."""
    total = json.loads(RESULTS.read_text(encoding="utf-8"))["wer"][JOINT]["test_unseen"]["total"]
    low, high = (100 * end for end in total["interval"])
    return (
        f"| test_unseen | {total['sentences']} | {100 * total['rate']:.1f} [{low:.1f}, {high:.1f}]"
    )


def test_model_card_says_what_how_and_how_good(tmp_path, joint_experiment):
    joint_experiment(tmp_path / "exp")
    options = ["--data", "ten words", "--license", "cc-by-4.0", "--system", JOINT]
    export_command.main(
        ["--expdir", str(tmp_path / "exp"), "--outdir", str(tmp_path / "out"), *options]
        + ["--results", str(RESULTS)]
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, meta, body = card.split("---\n", 2)
    assert yaml.safe_load(meta)["license"] == "cc-by-4.0"
    assert "espnet" in yaml.safe_load(meta)["tags"]
    assert "Trained with espnet-cbpc on: ten words. Licence of the models: cc-by-4.0." in body
    assert unseen() in body and "Clean ASR" not in body
    for archive in ("enh_asr.zip", "enh.zip", "asr.zip"):
        assert f'from_pretrained("{archive}"' in body
    assert "doi       = {10.21437/Interspeech.2018-1456}" in body and "s24082573" in body
    assert str(tmp_path) not in card  # nothing of this machine


def test_scores_of_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="results.json: cannot be read as JSON"):
        read_scores(tmp_path / "results.json", None)
    with pytest.raises(UserError, match=r"no system joint_cbpc_infonce in it; it has Clean ASR, "):
        read_scores(RESULTS, "joint_cbpc_infonce")  # a tag is not the name
    assert read_scores(RESULTS, None) == read_scores(RESULTS, JOINT)
    assert unseen() in read_scores(RESULTS, JOINT)


def test_what_is_no_joint_experiment_is_refused(tmp_path):
    config = tmp_path / "config.yaml"
    model, out, card = tmp_path / "model.pth", tmp_path / "out", ModelCard({}, DecodingConfig())
    with pytest.raises(UserError, match="config.yaml: no such file: train the joint model first"):
        export(config, model, out, card)
    config.write_text(yaml.safe_dump({"bpemodel": str(tmp_path / "gone.model")}))
    with pytest.raises(UserError, match="model.pth: no such checkpoint: train the model first"):
        export(config, model, out, card)
    model.write_bytes(b"junk")
    with pytest.raises(UserError, match="model.pth: not a readable file of model parameters"):
        export(config, model, out, card)
    torch.save({"encoder.weight": torch.zeros(1)}, model)
    with pytest.raises(UserError, match="holds no enh_model.*: not a joint model"):
        export(config, model, out, card)
    torch.save({"enh_model.w": torch.zeros(1), "s2t_model.w": torch.zeros(1)}, model)
    with pytest.raises(UserError, match="1 file.s. that the configuration names do not exist"):
        export(config, model, out, card)
    assert not out.exists()
