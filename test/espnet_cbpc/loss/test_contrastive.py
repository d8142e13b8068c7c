# SPDX-License-Identifier: Apache-2.0
"""The losses on embeddings against naive loops over the formulas of their docstrings."""

import math

import pytest
import torch
import torch.nn.functional as F

from espnet_cbpc.loss import streaming
from espnet_cbpc.loss.cbpc import CBPCLoss
from espnet_cbpc.loss.feature_matching import FeatureMatchingLoss
from espnet_cbpc.loss.infonce import InfoNCELoss
from espnet_cbpc.loss.token_cross_entropy import TokenCrossEntropyLoss

TAU = 0.2


def random_batch(seed=0, b=3, t=7, d=5, k=3, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    enhanced = torch.randn(b, t, d, generator=g, dtype=dtype)
    clean = torch.randn(b, t, d, generator=g, dtype=dtype)
    labels = torch.randint(-1, k, (b, t), generator=g)
    lengths = torch.tensor([t, t - 3, t - 1][:b])
    return enhanced, clean, labels, lengths


def frames(enhanced, clean, labels, lengths):
    """The valid frames one by one: (unit vector enhanced, unit vector clean, label, utterance)."""
    return [
        (F.normalize(enhanced[b, t], dim=0), F.normalize(clean[b, t], dim=0), int(labels[b, t]), b)
        for b in range(len(lengths))
        for t in range(int(lengths[b]))
        if labels[b, t] >= 0
    ]


def naive_cbpc(batch, pairs):
    valid = frames(*batch)
    if pairs != "cross":
        anchors = [(a, q) for a, _, q, _ in valid]
        anchors += [(c, q) for _, c, q, _ in valid] if pairs == "all" else []
        candidates = anchors
    else:
        anchors = [(a, q) for a, _, q, _ in valid]
        candidates = [(c, q) for _, c, q, _ in valid]
    losses = []
    for i, (z, q) in enumerate(anchors):
        others = [j for j in range(len(candidates)) if pairs == "cross" or j != i]
        positives = [j for j in others if candidates[j][1] == q]
        if not positives:
            continue
        denominator = sum(math.e ** (z @ candidates[j][0] / TAU) for j in others)
        terms = [torch.log(math.e ** (z @ candidates[p][0] / TAU) / denominator) for p in positives]
        losses.append(-sum(terms) / len(positives))
    return sum(losses) / len(losses), len(losses)


def naive_infonce(batch, exclude_same_label):
    valid = frames(*batch)
    losses = []
    for i, (a, c, q, _) in enumerate(valid):
        keep = [
            j for j in range(len(valid)) if j == i or not (exclude_same_label and valid[j][2] == q)
        ]
        denominator = sum(math.e ** (a @ valid[j][1] / TAU) for j in keep)
        losses.append(-torch.log(math.e ** (a @ c / TAU) / denominator))
    return sum(losses) / len(losses), len(losses)


def naive_matching(batch, distance):
    enhanced, clean, labels, lengths = batch
    losses = []
    for b in range(len(lengths)):
        for t in range(int(lengths[b])):
            a, c = enhanced[b, t], clean[b, t]
            if labels[b, t] < 0:
                continue
            if distance == "mse":
                losses.append(sum((x - y) ** 2 for x, y in zip(a, c)) / len(a))
            else:
                losses.append(1 - a @ c / (a @ a * (c @ c)).sqrt())
    return sum(losses) / len(losses), len(losses)


def centroids(size, dtype):
    return torch.randn(3, size, generator=torch.Generator().manual_seed(9), dtype=dtype)


def token_cross_entropy(enhanced, clean, labels, lengths):
    dtype = torch.float64 if enhanced.dtype == torch.float64 else torch.float32
    return TokenCrossEntropyLoss(TAU)(
        enhanced, clean, labels, lengths, centroids(enhanced.shape[2], dtype)
    )


def naive_token_cross_entropy(batch):
    means = F.normalize(centroids(batch[0].shape[2], batch[0].dtype), dim=1)
    losses = []
    for a, _, q, _ in frames(*batch):
        exps = [math.e ** (a @ m / TAU) for m in means]
        losses.append(-torch.log(exps[q] / sum(exps)))
    return sum(losses) / len(losses), len(losses)


CASES = [
    (CBPCLoss(TAU, "all"), lambda b: naive_cbpc(b, "all")),
    (CBPCLoss(TAU, "cross"), lambda b: naive_cbpc(b, "cross")),
    (CBPCLoss(TAU, "enhanced"), lambda b: naive_cbpc(b, "enhanced")),
    (InfoNCELoss(TAU), lambda b: naive_infonce(b, False)),
    (InfoNCELoss(TAU, exclude_same_label=True), lambda b: naive_infonce(b, True)),
    (FeatureMatchingLoss("cosine"), lambda b: naive_matching(b, "cosine")),
    (FeatureMatchingLoss("mse"), lambda b: naive_matching(b, "mse")),
    (token_cross_entropy, naive_token_cross_entropy),
]
IDS = ["cbpc-all", "cbpc-cross", "cbpc-enhanced", "infonce", "infonce-exclude"]
IDS += ["matching-cosine", "matching-mse", "token-cross-entropy"]


@pytest.mark.parametrize("criterion, naive", CASES, ids=IDS)
@pytest.mark.parametrize("block, tile", [(1, 1), (30, 5), (10**6, 10**3)])
@pytest.mark.parametrize("bounded", [True, False])
def test_value_and_gradient_are_those_of_naive_loops(
    criterion, naive, block, tile, bounded, monkeypatch
):
    monkeypatch.setattr(streaming, "BLOCK_ELEMENTS", block)
    monkeypatch.setattr(streaming, "CPU_TILE", tile)
    monkeypatch.setattr(streaming, "KEPT_ELEMENTS", 3 * block)  # none, some, all tiles
    if not bounded:
        monkeypatch.setattr(streaming, "is_bounded", lambda *_: False)
    batch = random_batch()
    for x in batch[:2]:
        x.requires_grad_(True)
    loss, stats = criterion(*batch)
    expected, anchors = naive(batch)
    torch.testing.assert_close(loss, expected)
    assert stats["anchors"] == anchors
    got = torch.autograd.grad(3 * loss, batch[:2], allow_unused=True)
    want = torch.autograd.grad(3 * expected, batch[:2], allow_unused=True)
    assert want[0].abs().max() > 1e-3
    for g, w in zip(got, want):
        w = torch.zeros_like(batch[0]) if w is None else w
        torch.testing.assert_close(torch.zeros_like(w) if g is None else g, w)


ALL = [c for c, _ in CASES] + [InfoNCELoss(TAU, "utterance", num_negatives=4)]
ALL_IDS = IDS + ["infonce-utterance"]


@pytest.mark.parametrize("criterion", ALL, ids=ALL_IDS)
def test_gradcheck(criterion):
    enhanced, clean, labels, lengths = random_batch(seed=1, b=2, t=5, d=3)

    def value(e, c):
        torch.manual_seed(0)  # the same negatives each time
        return criterion(e, c, labels, lengths)[0]

    assert torch.autograd.gradcheck(value, (enhanced.requires_grad_(), clean.requires_grad_()))


@pytest.mark.parametrize("criterion", ALL, ids=ALL_IDS)
def test_padding_and_ignored_frames_have_no_influence(criterion):
    enhanced, clean, labels, lengths = random_batch(seed=2)
    torch.manual_seed(0)
    loss, _ = criterion(enhanced, clean, labels, lengths)
    for x in (enhanced, clean):
        for b, n in enumerate(lengths):
            x[b, n:] = torch.nan
        x[labels < 0] = torch.nan
    torch.manual_seed(0)
    again, _ = criterion(enhanced, clean, labels, lengths)
    assert loss == again


@pytest.mark.parametrize("criterion", ALL, ids=ALL_IDS)
@pytest.mark.parametrize("what", ["all ignored", "all padding"])
def test_no_frame_gives_zero_with_a_gradient_path(criterion, what):
    enhanced, clean, labels, lengths = random_batch()
    enhanced.requires_grad_()
    if what == "all ignored":
        labels = torch.full_like(labels, -1)
    else:
        lengths = torch.zeros_like(lengths)
    loss, stats = criterion(enhanced, clean, labels, lengths)
    loss.backward()
    assert loss == 0 and stats["anchors"] == 0
    assert torch.equal(enhanced.grad, torch.zeros_like(enhanced))


def test_anchors_without_positive_do_not_count():
    enhanced, clean, _, lengths = random_batch(b=1, t=3)
    labels = torch.tensor([[0, 1, 2]])
    # all: a frame's own clean counterpart is a positive, so each frame counts, twice
    assert CBPCLoss(TAU, "all")(enhanced, clean, labels, lengths)[1]["anchors"] == 6
    # one frame only, cross: its counterpart is the only candidate, and the loss is log 1
    loss, stats = CBPCLoss(TAU, "cross")(enhanced, clean, labels, torch.tensor([1]))
    assert loss.abs() < 1e-12 and stats["anchors"] == 1 and stats["positives"] == 1


@pytest.mark.parametrize("criterion", ALL, ids=ALL_IDS)
@pytest.mark.parametrize("case", ["one cluster", "one utterance", "one frame", "zero vectors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_edge_cases_stay_finite(criterion, case, dtype):
    enhanced, clean, labels, lengths = random_batch(dtype=torch.float32)
    enhanced, clean = enhanced.to(dtype), clean.to(dtype)
    if case == "one cluster":
        labels = torch.zeros_like(labels)
    elif case == "one utterance":
        enhanced, clean, labels, lengths = enhanced[:1], clean[:1], labels[:1], lengths[:1]
    elif case == "one frame":
        labels, lengths = torch.zeros_like(labels), torch.tensor([1, 0, 0])
    else:
        enhanced, clean = torch.zeros_like(enhanced), torch.zeros_like(clean)
    enhanced.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = criterion(enhanced, clean, labels, lengths)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(enhanced.grad).all()
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("criterion", ALL, ids=ALL_IDS)
def test_low_precision_is_near_double(criterion):
    batch = random_batch(seed=3, t=20)
    torch.manual_seed(0)
    exact, _ = criterion(*batch)
    torch.manual_seed(0)
    half, _ = criterion(batch[0].bfloat16(), batch[1].bfloat16(), *batch[2:])
    torch.testing.assert_close(half.double(), exact, rtol=0.03, atol=0.03)


@pytest.mark.parametrize("temperature", [1e-3, 0.012, 0.015])
def test_low_temperatures_are_finite_and_exact(temperature):
    batch = random_batch(seed=4)
    single = [x.float() if x.is_floating_point() else x for x in batch]
    single[0].requires_grad_()
    for make in (InfoNCELoss, CBPCLoss):
        loss, _ = make(temperature)(*single)
        expected, _ = make(temperature)(*batch)
        torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-2)
        assert torch.isfinite(torch.autograd.grad(loss, single[0])[0]).all()


def dense(enhanced, clean, labels, pairs):
    """The formulas as whole matrices: (N, D), (N, D), (N,); pairs None: infoNCE."""
    a, c = F.normalize(enhanced, dim=1), F.normalize(clean, dim=1)
    if pairs is None:
        return F.cross_entropy(a @ c.T / TAU, torch.arange(len(a)))
    if pairs == "all":
        a = c = torch.cat([a, c])
        labels = labels.repeat(2)
    sim = a @ c.T / TAU
    positive = labels[:, None] == labels[None, :]
    if pairs == "all":
        sim = sim.masked_fill(torch.eye(len(a), dtype=torch.bool), -torch.inf)
        positive.fill_diagonal_(False)
    log_p = torch.where(positive, sim.log_softmax(1), 0.0).sum(1)
    count = positive.sum(1)
    return -(log_p / count.clamp(min=1))[count > 0].mean()


@pytest.mark.parametrize("n", [500, 2048])
@pytest.mark.parametrize("pairs", ["all", "cross", None])
@pytest.mark.parametrize("clusters", [3, 400])
def test_single_precision_equals_the_dense_formula_in_double(n, pairs, clusters):
    g = torch.Generator().manual_seed(n)
    centres = torch.randn(clusters, 64, generator=g)
    labels = torch.randint(0, clusters, (n,), generator=g)
    clean = centres[labels] + torch.randn(n, 64, generator=g)
    enhanced = (clean + torch.randn(n, 64, generator=g)).requires_grad_()
    criterion = InfoNCELoss(TAU) if pairs is None else CBPCLoss(TAU, pairs)
    loss, _ = criterion(enhanced[None], clean[None], labels[None] * 7, torch.tensor([n]))
    (grad,) = torch.autograd.grad(loss, enhanced)
    exact = dense(enhanced.double(), clean.double(), labels, pairs)
    (exact_grad,) = torch.autograd.grad(exact, enhanced)
    assert abs(loss.item() - exact.item()) <= 1e-6 * exact.item()
    assert (grad - exact_grad).norm() <= 1e-6 * exact_grad.norm()


def test_clusters_that_agree_lose_less_than_shuffled_ones():
    g = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 16, generator=g)
    labels = torch.randint(0, 4, (2, 50), generator=g)
    clean = centres[labels] + 0.3 * torch.randn(2, 50, 16, generator=g)
    enhanced = clean + 0.3 * torch.randn(2, 50, 16, generator=g)
    lengths = torch.tensor([50, 50])
    shuffled = labels.flatten()[torch.randperm(100, generator=g)].view(2, 50)
    for pairs in ("all", "cross"):
        criterion = CBPCLoss(pairs=pairs)
        right, stats = criterion(enhanced, clean, labels, lengths)
        assert right + 2 < criterion(enhanced, clean, shuffled, lengths)[0]
        assert stats["sim_pos"] > 0.7 and abs(stats["sim_neg"]) < 0.3


@pytest.mark.parametrize("pairs", ["all", "cross"])
def test_without_negatives_their_similarity_is_undefined(pairs):
    g = torch.Generator().manual_seed(0)
    enhanced, clean = torch.randn(2, 2, 50, 16, generator=g)
    labels, lengths = torch.zeros(2, 50, dtype=torch.long), torch.tensor([50, 50])
    loss, stats = CBPCLoss(pairs=pairs)(enhanced, clean, labels, lengths)
    assert math.isnan(stats["sim_neg"]) and math.isfinite(stats["sim_pos"]) and loss.isfinite()


def test_utterance_negatives_come_from_the_same_utterance_and_never_the_anchor():
    # Utterance 0 has all its clean frames along axis 0, utterance 1 along axis 1.
    clean = torch.zeros(2, 4, 2)
    clean[0, :, 0] = clean[1, :, 1] = 1.0
    labels, lengths = torch.zeros(2, 4, dtype=torch.long), torch.tensor([4, 1])
    criterion = InfoNCELoss(1.0, "utterance", num_negatives=3)
    loss, _ = criterion(clean, clean, labels, lengths)
    # four anchors with 1 + 3 equal similarities; the single frame of utterance 1 has no negative
    assert loss == pytest.approx(4 * math.log(4) / 5)
    loss, _ = InfoNCELoss(1.0, "utterance", 3, exclude_same_label=True)(
        clean, clean, labels, lengths
    )
    assert loss == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CBPCLoss(temperature=0.0), "temperature must be positive, but is 0.0"),
        (lambda: CBPCLoss(pairs="some"), "pairs must be one of .*, but is 'some'"),
        (lambda: InfoNCELoss(negatives="x"), "negatives must be 'batch' or 'utterance'"),
        (lambda: InfoNCELoss(num_negatives=0), "num_negatives must be at least 1, but is 0"),
        (lambda: FeatureMatchingLoss("l3"), "distance must be one of .*, but is 'l3'"),
        (lambda: TokenCrossEntropyLoss()(*random_batch()), "needs the tokenizer's centroids"),
    ],
)
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_shapes_that_do_not_agree_are_refused():
    enhanced, clean, labels, lengths = random_batch()
    with pytest.raises(ValueError, match=r"are \(3, 7, 5\) and \(3, 6, 5\)"):
        CBPCLoss()(enhanced, clean[:, :6], labels, lengths)
    with pytest.raises(ValueError, match=r"labels must be \(B, T\) and lengths \(B,\)"):
        CBPCLoss()(enhanced, clean, labels[:, :6], lengths)
