# SPDX-License-Identifier: Apache-2.0
"""Weights of either release: mapped on every way in and out, and proven to be loaded."""

import copy

import pytest
import torch
from espnet2.tasks.asr import ASRTask

from espnet_cbpc.compat.initial_parameters import load_init_param
from espnet_cbpc.compat.parameter_names import named_as, named_for_all_releases
from espnet_cbpc.compat.weights import load_weights
from espnet_cbpc.utils.cli import UserError

OLD, NEW = "encoder.embed.out.0.weight", "encoder.embed.out.weight"
SMALL = {"output_size": 8, "attention_heads": 2, "num_blocks": 1}
ENCODERS = {
    "conformer": {**SMALL, "linear_units": 8, "pos_enc_layer_type": "scaled_abs_pos"},
    "e_branchformer": {**SMALL, "linear_units": 8, "cgmlp_linear_units": 8},
    "transformer": {**SMALL, "linear_units": 8, "input_layer": "conv2d6"},
    "contextual_block_conformer": {**SMALL, "linear_units": 8, "block_size": 8, "hop_size": 4},
}
ENCODERS["conformer"].update(selfattention_layer_type="selfattn")


def asr_model(encoder="conformer", seed=0):
    args = ASRTask.get_parser().parse_args(["--output_dir", "unused"])
    vars(args).update(
        token_list=["<blank>", "<unk>", "a", "<sos/eos>"],
        frontend_conf={"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 20},
        normalize=None,
        encoder=encoder,
        encoder_conf=dict(ENCODERS[encoder]),
        decoder="transformer",
        decoder_conf={"attention_heads": 2, "linear_units": 8, "num_blocks": 1},
    )
    torch.manual_seed(seed)
    return ASRTask.build_model(args).eval()


def renamed(weights, release):
    """Return weights as ``release`` names them, whichever is installed."""
    old, new = ("embed.out.0.", "embed.out.1."), ("embed.out.", "embed.pos_enc.")
    result = {}
    for name, weight in weights.items():
        for a, b in zip(old, new):  # first to the new names, whichever they are
            name = name.replace(a, b)
        for a, b in zip(new, old) if release == "202511" else ():
            name = name.replace(a, b)
        result[name] = weight
    return result


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("release", ["202511", "202611"])
def test_names_of_either_release_are_loaded(release):
    trained, fresh = asr_model(), asr_model(seed=1)
    weights = renamed(trained.state_dict(), release)
    assert (OLD in weights, NEW in weights) == (release == "202511", release == "202611")
    assert not same(trained, fresh)
    load_weights(fresh, weights, "model.pth")
    assert same(trained, fresh)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_goes_out_has_the_names_that_every_release_reads(encoder):
    model = asr_model(encoder)
    weights = named_for_all_releases(model)
    own = model.state_dict()
    assert list(named_as(own, weights)) and named_as(own, weights).keys() == own.keys()
    if encoder == "contextual_block_conformer":  # its layer never had another name
        assert NEW in weights and OLD not in weights
    else:
        assert OLD in weights and NEW not in weights
    if encoder == "conformer":  # a positional encoding that learns
        assert "encoder.embed.out.1.alpha" in weights


@pytest.mark.parametrize("release", ["202511", "202611"])
@pytest.mark.parametrize("option, target", [("{}", ""), ("{}::asr", "asr"), ("{}:asr:asr", "asr")])
def test_init_param_sets_everything(tmp_path, release, option, target):
    trained, fresh = asr_model(), asr_model(seed=1)
    weights = renamed(trained.state_dict(), release)
    if ":asr:" in option:
        weights = {f"asr.{k}": w for k, w in weights.items()}
    torch.save(weights, tmp_path / "m.pth")
    whole = torch.nn.ModuleDict({"asr": fresh}) if target else fresh
    load_init_param(option.format(tmp_path / "m.pth"), whole)
    assert same(trained, fresh)


def test_init_param_that_would_leave_something_random_is_an_error(tmp_path, caplog):
    trained, fresh = asr_model(), asr_model(seed=1)
    before = copy.deepcopy(fresh)
    weights = trained.state_dict()
    weights.pop("decoder.output_layer.bias")
    weights["ctc.ctc_lo.bias"] = torch.zeros(3)
    path = tmp_path / "m.pth"
    torch.save(weights, path)
    with pytest.raises(UserError) as error:
        load_init_param(str(path), fresh)
    assert "1 missing (decoder.output_layer.bias)" in str(error.value)
    assert "1 with a different shape (ctc.ctc_lo.bias: (3,) instead of (4,))" in str(error.value)
    assert "FILE:SOURCE:TARGET:EXCLUDED" in str(error.value) and same(fresh, before)
    load_init_param(str(path), fresh, ignore_init_mismatch=True)
    assert "2 are kept (ctc.ctc_lo.bias, decoder.output_layer.bias)" in caplog.text
    assert torch.equal(fresh.ctc.ctc_lo.bias, before.ctc.ctc_lo.bias)
    assert torch.equal(fresh.ctc.ctc_lo.weight, trained.ctc.ctc_lo.weight)
    load_init_param(f"{path}:::decoder,ctc", asr_model(seed=2))  # named, so meant
    with pytest.raises(UserError, match="the model has no part nothing"):
        load_init_param(f"{path}::nothing", fresh)
    with pytest.raises(UserError, match="gone.pth: no such checkpoint"):
        load_init_param(str(tmp_path / "gone.pth"), fresh)


def test_a_joint_model_starts_from_a_stock_one(tmp_path, tiny_model):
    stock, joint = tiny_model(contrastive_criterions=[]), tiny_model()
    torch.save(stock.state_dict(), tmp_path / "m.pth")
    for parameter in joint.parameters():
        torch.nn.init.zeros_(parameter)
    centroids = joint.tokenizer.centroids.clone()
    load_init_param(str(tmp_path / "m.pth"), joint)
    assert same(joint.s2t_model, stock.s2t_model) and same(joint.enh_model, stock.enh_model)
    assert torch.equal(joint.tokenizer.centroids, centroids)
    del joint.s2t_model.ctc.ctc_lo.bias
    torch.save(
        {k: w for k, w in stock.state_dict().items() if "after_norm" not in k}, tmp_path / "m.pth"
    )
    with pytest.raises(UserError, match="missing .*after_norm"):
        load_init_param(str(tmp_path / "m.pth"), tiny_model())


def test_our_trainings_use_it(monkeypatch):
    from espnet2.tasks import abs_task

    from espnet_cbpc.compat import initial_parameters

    monkeypatch.setattr(abs_task, "load_pretrained_model", None)
    initial_parameters.install()
    assert abs_task.load_pretrained_model is load_init_param
