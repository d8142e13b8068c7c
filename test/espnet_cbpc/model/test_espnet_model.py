# SPDX-License-Identifier: Apache-2.0
"""The data path of the joint model."""

import copy

import pytest
import torch

from espnet_cbpc.loss.ranks import Ranks
from espnet_cbpc.model import espnet_model
from espnet_cbpc.model.espnet_model import shuffled
from espnet_cbpc.model.training_batch import TrainingBatch
from espnet_cbpc.utils.cli import UserError

NO_DROPOUT = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0}


def grads(model, part):
    return {n: p.grad for n, p in getattr(model, part).named_parameters() if p.grad is not None}


def rows(batch, index):
    """The batch of some utterances of ``batch``, cut to their longest."""
    keep = {k: v[index] if torch.is_tensor(v) else [v[i] for i in index] for k, v in batch.items()}
    longest = int(keep["speech_lengths"].max())
    for name in ("speech", "speech_ref1"):
        keep[name] = keep[name][:, :longest]
    return keep


def value(x):
    return float(torch.as_tensor(x).reshape(-1)[0])


def test_loss_is_the_weighted_sum_of_its_parts(tiny_model, tiny_batch):
    criterions = [{"name": "cbpc", "weight": 0.5}, {"name": "infonce", "weight": 2.0}]
    model = tiny_model(contrastive_criterions=criterions, joint_conf={"alpha": 0.2}).eval()
    loss, stats, weight = model(**tiny_batch())
    expected = (
        0.8 * stats["loss_asr"]
        + 0.2 * stats["loss_enh"]
        + 0.5 * stats["loss_cbpc"]
        + 2.0 * stats["loss_infonce"]
    )
    torch.testing.assert_close(loss, expected)
    assert value(weight) == 3 and value(stats["num_simu"]) == 3
    assert value(stats["cbpc_anchors"]) == 2 * value(stats["infonce_anchors"]) > 0


def test_every_criterion_of_the_task_takes_part(tiny_model, tiny_batch):
    names = ["cbpc", "infonce", "feature_matching", "token_cross_entropy"]
    model = tiny_model(contrastive_criterions=[{"name": n} for n in names]).train()
    loss, stats, _ = model(**tiny_batch())
    loss.backward()
    assert all(value(stats[f"loss_{name}"]) > 0 for name in names)
    assert 0 <= value(stats["token_cross_entropy_accuracy"]) <= 1


def test_losses_are_averaged_over_the_layers_they_look_at(tiny_model, tiny_batch):
    def losses(loss_layers):
        joint_conf = {"loss_layers": loss_layers}
        _, stats, _ = tiny_model(joint_conf=joint_conf).eval()(**tiny_batch())
        return [value(stats["loss_cbpc"]), value(stats["loss_infonce"])]

    output, block, both = losses(None), losses([1]), losses([1, None])
    assert output == losses([None]) and output != block
    assert both == pytest.approx([(a + b) / 2 for a, b in zip(output, block)])


def test_frames_of_another_layer_are_centred_on_the_clean_frames_of_the_batch(
    tiny_model, tiny_batch
):
    model = tiny_model(joint_conf={"loss_layers": [1]}).eval()
    batch = tiny_batch()
    made = TrainingBatch.of(batch["speech"], batch["speech_lengths"], batch, channel=0)
    _, _, encoded = model.recognition_loss(batch["speech"], made)
    target = model.teacher(
        model.s2t_model, batch["speech_ref1"], batch["speech_lengths"], model.tapped
    )
    labels = model.tokenizer(target.frames[None], target.lengths)
    h, c, _ = model.comparable(1, encoded, target, labels, Ranks(3, torch.device("cpu")))
    assert c[labels >= 0].mean(0).abs().max() < 1e-5
    torch.testing.assert_close(h - c, encoded.frames[1] - target.frames[1])


@pytest.mark.parametrize(
    "joint_conf, needed",
    [({}, False), ({"within_cluster_norm": 0.1}, True), ({"loss_layers": [1, None]}, True)],
)
def test_clean_speech_is_encoded_where_more_than_its_labels_is_needed(
    tiny_model, joint_conf, needed
):
    criterions = [{"name": "cbpc", "conf": {"pairs": "enhanced"}}]
    model = tiny_model(contrastive_criterions=criterions, joint_conf=joint_conf)
    assert model.needs_clean_frames == needed


def test_within_cluster_norm_follows_in_training_alone(tiny_model, tiny_batch):
    model = tiny_model(joint_conf={"within_cluster_norm": 0.1})
    norm = model.within_cluster_norm
    model.eval()(**tiny_batch())
    assert torch.equal(norm.transform, torch.eye(len(norm.transform)))
    model.train()(**tiny_batch())
    first = norm.transform.clone()
    assert not torch.equal(first, torch.eye(len(first)))
    model.eval()(**tiny_batch())
    assert torch.equal(norm.transform, first)


def test_token_cross_entropy_knows_the_centroids_of_one_layer(tiny_model):
    with pytest.raises(UserError, match="token_cross_entropy looks at the tokenizer's layer"):
        tiny_model(
            contrastive_criterions=[{"name": "token_cross_entropy"}],
            joint_conf={"loss_layers": [1, None]},
        )


def test_shuffled_labels_keep_their_frames_and_counts(tiny_model, tiny_batch):
    labels = torch.tensor([[0, 1, 2, 3, -1], [4, 5, -1, -1, -1]])
    torch.manual_seed(0)
    mixed = shuffled(labels)
    assert torch.equal(mixed < 0, labels < 0) and not torch.equal(mixed, labels)
    assert sorted(mixed[mixed >= 0].tolist()) == [0, 1, 2, 3, 4, 5]


def test_shuffling_is_an_option(tiny_model, tiny_batch, monkeypatch):
    monkeypatch.setattr(espnet_model, "shuffled", lambda labels: torch.full_like(labels, -1))
    for shuffle in (False, True):
        model = tiny_model(joint_conf={"shuffle_labels": shuffle}).eval()
        _, stats, _ = model(**tiny_batch())
        assert (value(stats["cbpc_anchors"]) == 0) == shuffle


def test_every_utterance_of_a_mixed_batch_contributes_what_it_has_references_for(
    tiny_model, tiny_batch
):
    model = tiny_model(contrastive_criterions=[{"name": "infonce"}]).eval()
    batch = tiny_batch((0, 1, 2, 0))
    _, stats, _ = model(**batch)
    assert [value(stats[f"num_{c}"]) for c in ("simu", "real", "clean")] == [2, 1, 1]

    # SE loss: the two SIMU utterances; here that of each alone, cut to the common length
    _, simu, _ = model(**rows(batch, [0, 3]))
    assert value(stats["loss_enh"]) == pytest.approx(value(simu["loss_enh"]), abs=1e-4)
    # contrastive: SIMU and CLEAN; the REAL one has no clean frames
    _, with_clean, _ = model(**rows(batch, [0, 2, 3]))
    for key in ("infonce_anchors", "loss_infonce", "infonce_sim_pos"):
        assert value(stats[key]) == pytest.approx(value(with_clean[key]), abs=1e-4)
    # ASR: all four
    single = [value(model(**rows(batch, [i]))[1]["loss_asr"]) for i in range(4)]
    assert value(stats["loss_asr"]) == pytest.approx(sum(single) / 4, rel=0.02)


def test_reference_of_a_real_utterance_is_never_used(tiny_model, tiny_batch):
    model = tiny_model().eval()
    batch = tiny_batch((1, 0))
    loss, _, _ = model(**batch)
    batch["speech_ref1"][0] = torch.nan
    again, _, _ = model(**batch)
    assert torch.equal(loss, again)


def test_real_recordings_need_no_references(tiny_model, tiny_batch):
    model, batch = tiny_model(), tiny_batch((1, 1))
    loss, _, _ = model.eval()(**batch)
    del batch["speech_ref1"], batch["speech_ref1_lengths"]
    assert torch.equal(loss, model(**batch)[0])


@pytest.mark.parametrize("category, has_enh, has_contrast", [(0, 1, 1), (1, 0, 0), (2, 0, 1)])
def test_batch_of_one_category(tiny_model, tiny_batch, category, has_enh, has_contrast):
    model = tiny_model().train()
    loss, stats, _ = model(**tiny_batch((category, category)))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(stats["loss_enh"]).all() == bool(has_enh)
    assert torch.isfinite(stats["loss_cbpc"]).all() == bool(has_contrast)
    assert torch.isfinite(stats["loss_asr"]).all()
    assert all(torch.isfinite(g).all() for g in grads(model, "enh_model").values())


def test_share_of_the_batch_weighs_a_loss(tiny_model, tiny_batch):
    model = tiny_model(contrastive_criterions=[{"name": "infonce"}], joint_conf={"alpha": 0.3})
    loss, stats, _ = model.eval()(**tiny_batch((0, 1, 1, 2)))
    expected = 0.7 * stats["loss_asr"] + 0.3 * stats["loss_enh"] / 4 + stats["loss_infonce"] / 2
    torch.testing.assert_close(loss, expected)


def test_category_by_suffix_of_each_id_where_the_file_is_not_read(tiny_model, tiny_batch):
    model = tiny_model().eval()
    batch = tiny_batch((0, 1, 2))
    loss, stats, _ = model(**batch)
    del batch["utt2category"], batch["utt2category_lengths"]
    batch["utt_id"] = ["a_SIMU", "b_REAL", "c_CLEAN"]
    again, same, _ = model(**batch)
    assert torch.equal(loss, again) and value(same["num_real"]) == 1


def test_padding_has_no_influence_on_the_contrastive_losses(tiny_model, tiny_batch):
    model = tiny_model(contrastive_criterions=[{"name": "cbpc"}, {"name": "infonce"}]).eval()
    batch = rows(tiny_batch((0, 0)), [1])
    _, stats, _ = model(**batch)
    for name in ("speech", "speech_ref1"):
        batch[name] = torch.nn.functional.pad(batch[name], (0, 3000), value=0.5)
    _, padded, _ = model(**batch)
    for key in ("loss_cbpc", "loss_infonce", "loss_asr", "loss_enh"):
        assert value(stats[key]) == value(padded[key])


def test_encoder_runs_once_on_enhanced_and_once_on_clean_speech(tiny_model, tiny_batch):
    model = tiny_model()
    calls = []
    model.s2t_model.encoder.register_forward_hook(lambda *_: calls.append("student"))
    model.teacher.copy.encoder.register_forward_hook(lambda *_: calls.append("teacher"))
    model(**tiny_batch())
    assert sorted(calls) == ["student", "teacher"]


def labels_as_dumped(model, batch):
    """Labels of the clean speech, cut to their lengths, as 32-bit integers padded with -1."""
    model.prepare_teacher()
    target = model.teacher(model.s2t_model, batch["speech_ref1"], batch["speech_lengths"])
    c, lengths = target.frames[None], target.lengths
    return model.tokenizer(c, lengths).int()[:, : lengths.max()], lengths


def test_dumped_labels_give_the_losses_of_labels_made_on_the_way(tiny_model, tiny_batch):
    model, batch = tiny_model().train(), tiny_batch((0, 1, 0))
    labels, lengths = labels_as_dumped(model, batch)
    model.eval()
    _, expected, _ = model(**batch)
    _, stats, _ = model(**batch, labels=labels, labels_lengths=lengths)
    assert "cbpc_sim_pos" in expected and "infonce_anchors" in expected
    for key in (k for k, figure in expected.items() if figure is not None):
        wanted = pytest.approx(value(expected[key]), rel=1e-5, nan_ok=True)  # all of one label
        assert value(stats[key]) == wanted, key
    alternating = torch.where(labels >= 0, torch.arange(labels.shape[1]) % 2, labels)
    _, other, _ = model(**batch, labels=alternating, labels_lengths=lengths)
    assert value(other["loss_cbpc"]) != value(expected["loss_cbpc"])


def test_dumped_labels_and_no_clean_embeddings_need_no_clean_pass(tiny_model, tiny_batch):
    criterions = [{"name": "cbpc", "conf": {"pairs": "enhanced"}}]
    model, batch = tiny_model(contrastive_criterions=criterions).train(), tiny_batch()
    labels, lengths = labels_as_dumped(model, batch)
    _, expected, _ = model.eval()(**batch)
    calls = []
    model.teacher.copy.encoder.register_forward_hook(lambda *_: calls.append("teacher"))
    _, stats, _ = model(**batch, labels=labels, labels_lengths=lengths)
    assert calls == []
    assert value(stats["loss_cbpc"]) == pytest.approx(value(expected["loss_cbpc"]), rel=1e-5)


def test_dumped_labels_of_another_frame_rate_are_refused(tiny_model, tiny_batch):
    model, batch = tiny_model(), tiny_batch((0, 1, 0))
    labels, lengths = labels_as_dumped(model, batch)
    # A frame or two more or less come from padding; of real recordings, nothing is looked at.
    model(**batch, labels=labels[:, :-1], labels_lengths=lengths - torch.tensor([1, 9, 0]))
    model = tiny_model()
    with pytest.raises(
        UserError, match="labels of 2 of 3 utterances have another number of frames"
    ):
        model(**batch, labels=labels[:, :3], labels_lengths=torch.tensor([3, 3, 3]))


@pytest.mark.parametrize("update, learns", [("joint", "both"), ("enh", "enh"), ("asr", "asr")])
def test_only_what_is_updated_gets_a_gradient(tiny_model, tiny_batch, update, learns):
    model = tiny_model(joint_conf={"update": update}).train()
    model(**tiny_batch())[0].backward()
    assert bool(grads(model, "enh_model")) == (learns in ("both", "enh"))
    assert bool(grads(model, "s2t_model")) == (learns in ("both", "asr"))
    assert not grads(model, "teacher")
    frozen = {"joint": [], "enh": ["s2t_model"], "asr": ["enh_model"]}[update]
    for part in ("enh_model", "s2t_model"):
        assert getattr(model, part).training == (part not in frozen)


def test_frozen_part_is_in_evaluation_mode_before_anyone_sets_the_mode(tiny_model):
    model = tiny_model(joint_conf={"update": "enh"})
    assert all(m.training for m in model.enh_model.modules())
    assert not any(m.training for m in model.s2t_model.modules())


def test_frozen_asr_model_still_lets_the_gradient_through_to_the_se_model(tiny_model, tiny_batch):
    conf = {"update": "enh", "alpha": 1.0}
    model = tiny_model(joint_conf=conf, model_conf={"calc_enh_loss": False}).train()
    batch = {k: v for k, v in tiny_batch().items() if not k.startswith("text")}
    model(**batch)[0].backward()  # no SE loss, no transcripts: the contrastive losses alone
    assert max(g.abs().max() for g in grads(model, "enh_model").values()) > 0


@pytest.mark.parametrize("kind", ["frozen", "ema", "student"])
def test_teacher_after_optimiser_steps(tiny_model, tiny_batch, kind):
    model = tiny_model(joint_conf={"teacher": kind, "ema_decay": 0.9}).train()
    start = copy.deepcopy(model.s2t_model.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    key = "encoder.encoders.0.feed_forward.w_1.weight"
    students = [start[key]]
    for _ in range(2):
        optimizer.zero_grad()
        model(**tiny_batch())[0].backward()
        optimizer.step()
        students.append(model.s2t_model.state_dict()[key].clone())
    assert (students[2] - students[0]).abs().max() > 0
    if kind == "student":
        assert model.teacher.copy is None
    elif kind == "frozen":
        for name, tensor in model.teacher.copy.state_dict().items():
            assert torch.equal(tensor, start[name]), name
    else:  # follows at the start of the second step
        expected = 0.9 * students[0] + 0.1 * students[1]
        torch.testing.assert_close(model.teacher.copy.state_dict()[key], expected)
    assert not any(p.requires_grad for p in model.teacher.parameters())


def test_teacher_copies_what_init_param_loaded_not_what_build_model_drew(tiny_model, tiny_batch):
    model = tiny_model()
    with torch.no_grad():
        for p in model.s2t_model.parameters():
            p.normal_(std=0.1)
    model.train()(**tiny_batch())
    for name, tensor in model.teacher.copy.named_parameters():
        assert torch.equal(tensor, dict(model.s2t_model.named_parameters())[name]), name


def test_teacher_of_a_resumed_training_is_the_one_of_the_checkpoint(tiny_model, tiny_batch):
    model = tiny_model().train()
    model(**tiny_batch())
    state = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        for p in model.s2t_model.parameters():
            p.add_(1.0)
    resumed = tiny_model()
    resumed.load_state_dict(state)
    resumed.train()(**tiny_batch())
    for name, tensor in resumed.teacher.copy.state_dict().items():
        assert torch.equal(tensor, state[f"teacher.copy.{name}"]), name


def test_teacher_holds_no_decoder(tiny_model):
    names = {n.split(".")[0] for n, _ in tiny_model().teacher.copy.named_parameters()}
    assert names == {"encoder", "ctc"}


def test_teacher_stays_in_evaluation_mode(tiny_model):
    model = tiny_model().train()
    assert not any(m.training for m in model.teacher.modules())


def test_warmup_raises_the_contrastive_weights_linearly(tiny_model, tiny_batch):
    conf = {"warmup_steps": 4, "alpha": 0.5}
    model = tiny_model(contrastive_criterions=[{"name": "infonce"}], joint_conf=conf).train()
    seen = []
    for _ in range(6):
        loss, stats, _ = model(**tiny_batch())
        rest = 0.5 * stats["loss_asr"] + 0.5 * stats["loss_enh"]
        seen.append(value((loss - rest) / stats["loss_infonce"]))
    assert seen == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0], abs=1e-4)


def test_block_of_the_encoder_and_projection(tiny_model, tiny_batch):
    last, first = tiny_model().eval(), tiny_model(joint_conf={"layer": 1}).eval()
    a, b = last(**tiny_batch())[1], first(**tiny_batch())[1]
    assert value(a["loss_asr"]) == value(b["loss_asr"])
    assert value(a["loss_cbpc"]) != value(b["loss_cbpc"])
    model = tiny_model(joint_conf={"projection_dim": 8}).train()
    model(**tiny_batch())[0].backward()
    assert model.projection.weight.grad.abs().max() > 0


def test_centering_removes_the_common_part_of_the_embeddings(tiny_model, tiny_batch):
    centred, plain = tiny_model().eval(), tiny_model(joint_conf={"center": False}).eval()
    with torch.no_grad():
        for model in (centred, plain):
            model.tokenizer.centroids.add_(100.0)
    a, b = centred(**tiny_batch())[1], plain(**tiny_batch())[1]
    assert value(a["cbpc_sim_pos"]) > 0.99 > value(b["cbpc_sim_pos"])


def test_conventional_joint_training_has_no_teacher_and_no_clean_pass(tiny_model, tiny_batch):
    model = tiny_model(contrastive_criterions=[], joint_conf={"alpha": 0.5})
    loss, stats, _ = model.eval()(**tiny_batch())
    assert model.teacher is None and model.tokenizer is None
    torch.testing.assert_close(loss, 0.5 * stats["loss_asr"] + 0.5 * stats["loss_enh"])


def test_tokenizer_that_is_not_fitted_is_an_error(task, tiny_args, tiny_batch):
    model = task.build_model(tiny_args())
    with pytest.raises(UserError, match="tokenizer is not fitted: give --tokenizer_init FILE"):
        model(**tiny_batch())


def test_missing_references_and_transcripts_are_named(tiny_model, tiny_batch):
    model = tiny_model()
    batch = tiny_batch()
    no_reference = {k: v for k, v in batch.items() if not k.startswith("speech_ref1")}
    with pytest.raises(UserError, match="simulated speech but no speech_ref1: add spk1.scp"):
        model(**no_reference)
    no_text = {k: v for k, v in batch.items() if not k.startswith("text")}
    with pytest.raises(UserError, match="no text_spk1: give transcripts, or set .*alpha to 1"):
        model(**no_text)


def test_half_precision_autocast_gives_a_finite_loss(tiny_model, tiny_batch):
    model = tiny_model().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss, stats, _ = model(**tiny_batch())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in grads(model, "enh_model").values())


def test_a_frozen_asr_model_in_bfloat16_changes_the_loss_a_little_and_the_se_loss_not_at_all(
    tiny_model, tiny_batch
):
    conf = {"update": "enh", "alpha": 1.0, "self_distillation": {"posteriors": "ctc"}}
    found = {}
    for dtype in (None, "bfloat16"):
        model = tiny_model(joint_conf={**conf, "frozen_asr_dtype": dtype})
        loss, stats, _ = model(**tiny_batch())
        loss.backward()
        found[dtype] = stats
        assert loss.dtype == torch.float32
        assert all(torch.isfinite(g).all() for g in grads(model, "enh_model").values())
    full, half = found[None], found["bfloat16"]
    assert half["loss_enh"] == full["loss_enh"]
    assert half["loss_sd"] != full["loss_sd"]
    for name in ("loss_sd", "loss_cbpc", "loss_infonce"):
        assert half[name] == pytest.approx(full[name], rel=0.05, abs=1e-3)


def test_the_asr_model_hears_some_noisy_speech_and_the_se_loss_does_not(tiny_model, tiny_batch):
    found, heard = {}, {}
    for share in (0.0, 0.5):
        model = tiny_model(joint_conf={"update": "enh", "observation_adding": share}).eval()
        recognise = model.recognition_loss
        model.recognition_loss = lambda speech, batch: (
            heard.update({share: (speech, batch.heard)}) or recognise(speech, batch)
        )
        found[share] = model(**tiny_batch())[1]
    (enhanced, noisy), (mixed, _) = heard[0.0], heard[0.5]
    torch.testing.assert_close(mixed, (enhanced + noisy) / 2)
    assert found[0.5]["loss_enh"] == found[0.0]["loss_enh"]
    assert found[0.5]["loss_asr"] != found[0.0]["loss_asr"]


@pytest.mark.parametrize(
    "changes, error, message",
    [
        (
            {"joint_conf": {"layer": 3}},
            UserError,
            "asks for layer 3, but ConformerEncoder has 2 blocks",
        ),
        ({"joint_conf": {"alpha": 1.5}}, ValueError, r"alpha must be in \[0, 1\], but is 1.5"),
        ({"joint_conf": {"observation_adding": 1}}, ValueError, r"must be in \[0, 1\), but is 1"),
        (
            {"joint_conf": {"update": "enh", "frozen_asr_dtype": "int8"}},
            ValueError,
            "frozen_asr_dtype must be bfloat16, float16 or null, but is 'int8'",
        ),
        (
            {"joint_conf": {"frozen_asr_dtype": "bfloat16"}},
            UserError,
            "frozen ASR model: set update",
        ),
        ({"joint_conf": {"update": "all"}}, ValueError, "update must be one of .* but is 'all'"),
        ({"joint_conf": {"teacher": "x"}}, ValueError, "teacher must be one of .* but is 'x'"),
        ({"joint_conf": {"alhpa": 1}}, UserError, "joint_conf has an unknown key 'alhpa'"),
        ({"joint_conf": {"tokenizer": 1}}, UserError, "joint_conf has an unknown key 'tokenizer'"),
        (
            {"contrastive_criterions": [{"name": "x"}]},
            UserError,
            "unknown criterion 'x'; there are",
        ),
        ({"contrastive_criterions": [{"nam": "x"}]}, UserError, "must have a name"),
        ({"tokenizer": None}, UserError, "contrastive criterions need a tokenizer"),
        (
            {"tokenizer_conf": {"feature_dim": 8}},
            UserError,
            "frames of 8 dimensions, but the ASR encoder makes 16",
        ),
    ],
)
def test_bad_options_are_named(tiny_model, tiny_batch, changes, error, message):
    with pytest.raises(error, match=message):
        tiny_model(**changes)(**tiny_batch())


def test_positions_are_taken_out_of_all_layers_where_the_tokenizer_does(tiny_model, tiny_batch):
    conf = {"loss_layers": [1, None]}
    sizes = {"n_clusters": 6, "feature_dim": 16, "positions": 50}
    plain = tiny_model(joint_conf=conf)
    assert not plain.position_means and plain.tokenizer.positions is None
    sizes["feature_dim"] = plain.tokenizer.feature_dim
    model = tiny_model(joint_conf=conf, tokenizer_conf=sizes)
    assert list(model.position_means) == ["1"]
    batch = tiny_batch()
    model.eval()(**batch)
    assert not model.position_means["1"].counts.any()  # only training follows
    model.train()(**batch)
    counts = model.position_means["1"].counts
    assert counts[0] == 3 and counts.sum() > 0
    made = TrainingBatch.of(batch["speech"], batch["speech_lengths"], batch, channel=0)
    model.eval()
    _, _, encoded = model.recognition_loss(batch["speech"], made)
    target = model.encode_clean(made)
    labels = model.tokenizer(target.frames[None], target.lengths)
    h, c, _ = model.comparable(1, encoded, target, labels, Ranks(3, torch.device("cpu")))
    gone = model.position_means["1"].deviations[: h.shape[1]]
    without = encoded.frames[1] - gone
    torch.testing.assert_close(h - c, without - (target.frames[1] - gone))
    own, _, _ = model.comparable(None, encoded, target, labels, Ranks(3, torch.device("cpu")))
    torch.testing.assert_close(
        own, model.tokenizer.positions(encoded.frames[None]) - model.tokenizer.mean
    )
