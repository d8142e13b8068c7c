# SPDX-License-Identifier: Apache-2.0
"""Every configuration is read by the command that it is for, and builds a model."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from espnet_cbpc.data.mixing.array_mixing_config import parse_mixing_config
from espnet_cbpc.model.joint_config import asr_config, joint_config
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.options import parse as parse_options
from espnet_cbpc.recipe.systems import joint_systems
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.files import read_yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [ROOT / "conf", *sorted(ROOT.glob("egs2/[!T]*/enh_asr_cbpc1/conf"))]
TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]


def configs(*patterns):
    paths = [p for folder in FOLDERS for pattern in patterns for p in folder.glob(pattern)]
    return sorted(p.relative_to(ROOT).as_posix() for p in paths)


JOINT = configs("train_enh_asr*.yaml", "train_enh_for_frozen_asr.yaml")
COMPARISONS = configs("comparison*.yaml", "tuning/*.yaml")
ASR = configs("train_asr.yaml", "train_asr_*branchformer.yaml", "train_asr_wavlm.yaml")
TRACKS = configs("track_*.yaml")
FURTHER_ASR = configs("train_asr_multicondition.yaml")
ARRAY_ENH = configs(
    *("train_enh_mvdr.yaml", "train_enh_wpd.yaml", "train_enh_wpe_mvdr.yaml"),
    "train_enh_tasnet_multichannel.yaml",
)
ENH = [*configs("train_enh.yaml"), *ARRAY_ENH]


def parse(task, path, **changes):
    """The arguments that the training command reads from a file; an unknown key is an error."""
    args = task.get_parser().parse_args(["--config", str(path), "--output_dir", "unused"])
    for key, value in changes.items():
        setattr(args, key, value)
    return args


def test_every_configuration_is_tested():
    found = {p.relative_to(ROOT).as_posix() for f in FOLDERS for p in f.rglob("*.yaml")}
    others = configs("decode*.yaml", "tokenizer*.yaml", "train_lm*.yaml", "dynamic_mixing*.yaml")
    assert found == {*JOINT, *COMPARISONS, *ASR, *FURTHER_ASR, *ENH, *TRACKS, *others}


@pytest.mark.parametrize("path", TRACKS)
def test_options_of_a_track(path, monkeypatch):
    monkeypatch.chdir((ROOT / path).parents[1])
    track = Path(path).stem.removeprefix("track_")
    sets = ["--train_set", "a", "--valid_set", "b", "--test_sets", "c"]
    options = parse_options([*sets, "--track", track])
    assert track in options.expdir or options.expdir == "exp"


@pytest.mark.parametrize("path", ASR)
def test_asr(path):
    from espnet2.tasks.asr import ASRTask

    args = parse(ASRTask, ROOT / path, token_list=TOKENS)
    if args.frontend == "s3prl":  # its weights are downloaded: the rest is built, on their size
        assert args.freeze_param == ["frontend.upstream"]
        args.frontend, args.input_size = None, args.preencoder_conf["input_size"]
    model = ASRTask.build_model(args)
    assert model.encoder.output_size() in (96, 256)


@pytest.mark.parametrize("path", ENH)
def test_enh(path):
    from espnet2.tasks.enh import EnhancementTask

    assert EnhancementTask.build_model(parse(EnhancementTask, ROOT / path)).num_spk == 1


@pytest.mark.parametrize("path", ARRAY_ENH)
def test_enh_of_several_channels(path):
    """It takes arrays of any number of channels, learns from all of them, and gives one."""
    from espnet_cbpc.tasks.enh import EnhTask

    args = parse(EnhTask, ROOT / path)
    for size in ("blayers", "wlayers", "layer"):  # small enough for a step in no time
        if size in args.separator_conf:
            args.separator_conf[size] = 1
    model = EnhTask.build_model(args).train()
    speech = 0.1 * torch.randn(1, 8000, 6, generator=torch.Generator().manual_seed(0))
    speech.requires_grad_()
    loss, _, _ = model(speech, torch.tensor([8000]), speech_ref1=0.1 * speech[..., 0].detach())
    loss.sum().backward()
    assert model.ref_channel == 0 and torch.isfinite(speech.grad).all()
    assert (speech.grad.abs().sum(dim=(0, 1)) > 0).all()
    assert model.eval().forward_enhance(speech[..., :2], torch.tensor([8000]))[0][0].dim() == 2


@pytest.mark.parametrize("path", FURTHER_ASR)
def test_further_training_of_an_asr_model(path):
    from espnet2.tasks.asr import ASRTask

    asr = read_yaml((ROOT / path).with_name("train_asr.yaml"))
    args = parse(ASRTask, ROOT / path)
    assert args.best_model_criterion == [["valid", "loss", "min"]]
    config = asr_config(read_yaml(ROOT / path), asr)
    assert config["encoder_conf"] == asr["encoder_conf"]


def build_joint(task, folder, user, joint, enh="train_enh.yaml"):
    """The joint model that a training configuration makes of the models of its folder, but small."""
    asr = folder / "train_asr.yaml"  # not where the ASR model is brought
    asr = asr if asr.exists() else ROOT / "conf" / "train_asr.yaml"
    parts = [read_yaml(path) for path in (asr, folder / enh)]
    parts[0].update(token_list=TOKENS, token_type="word", frontend="default")
    for part in parts:  # small enough to build in no time; the keys are what is tested
        for conf in ("encoder_conf", "decoder_conf"):
            if "num_blocks" in part.get(conf, {}):
                part[conf]["num_blocks"] = 1
    joint.write_text(yaml.safe_dump(joint_config(user, *parts)))
    size = parts[0]["encoder_conf"]["output_size"]
    return task.build_model(
        parse(task, joint, tokenizer_conf={"n_clusters": 4, "feature_dim": size})
    )


@pytest.mark.parametrize("path", JOINT)
def test_joint(task, path, tmp_path):
    user = read_yaml(ROOT / path)
    front_end = path.rpartition("_")[2]  # mvdr.yaml, wpd.yaml
    enh = f"train_enh_{front_end}" if front_end in ("mvdr.yaml", "wpd.yaml") else "train_enh.yaml"
    model = build_joint(task, (ROOT / path).parent, user, tmp_path / "joint.yaml", enh)
    assert len(model.criterions) == len(user["contrastive_criterions"])
    assert user["title"]


@pytest.mark.parametrize("path", COMPARISONS)
def test_comparison(task, path, tmp_path, monkeypatch):
    folder = ROOT / path.partition("conf/")[0]
    monkeypatch.chdir(folder)
    systems = joint_systems(RecipeOptions(comparison=str(ROOT / path)))
    assert len({system.title for system in systems}) == len(systems)
    for system in systems:
        model = build_joint(task, folder / "conf", system.config, tmp_path / "joint.yaml")
        assert len(model.criterions) == len(system.config["contrastive_criterions"])
        # a checkpoint is chosen by a loss that the training has
        (chosen,) = system.config["best_model_criterion"]
        assert chosen[1] == "loss" or system.config["joint_conf"].get("alpha", 0.5) < 1.0


@pytest.mark.parametrize("path", configs("tokenizer*.yaml"))
def test_tokenizer(path):
    layer, fit_conf = read_tokenizer_config(ROOT / path)
    assert layer is None or layer >= 1
    assert fit_conf["n_clusters"] > 1


@pytest.mark.parametrize("path", configs("decode*.yaml"))
def test_decoding(path):
    assert DecodingConfig.read(ROOT / path).beam_size >= 1


@pytest.mark.parametrize("path", configs("dynamic_mixing*.yaml"))
def test_dynamic_mixing(path):
    options = read_yaml(ROOT / path)
    config = parse_mixing_config({"fs": 16000, **options})
    assert config.noise_scp
    assert {"fs", *options} == {f.name for f in dataclasses.fields(config)}


@pytest.mark.parametrize("path", configs("train_lm*.yaml"))
def test_lm(path):
    from espnet2.tasks.lm import LMTask

    assert LMTask.build_model(parse(LMTask, ROOT / path, token_list=TOKENS)) is not None


@pytest.mark.parametrize("path", configs("train*.yaml"))
def test_one_average_a_training_run(path):
    """ESPnet before 202611 averages the second criterion, or the second number, wrongly."""
    config = read_yaml(ROOT / path)
    assert len(config["best_model_criterion"]) == 1
    assert isinstance(config["keep_nbest_models"], int)
