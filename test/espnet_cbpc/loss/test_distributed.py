# SPDX-License-Identifier: Apache-2.0
"""The contrastive losses over several processes equal those of one process with all frames."""

import subprocess
import sys
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from espnet_cbpc.loss import streaming
from espnet_cbpc.loss.cbpc import CBPCLoss
from espnet_cbpc.loss.feature_matching import FeatureMatchingLoss
from espnet_cbpc.loss.infonce import InfoNCELoss
from espnet_cbpc.loss.token_cross_entropy import TokenCrossEntropyLoss

TAU = 0.2
CRITERIONS = {
    "cbpc-all": lambda: CBPCLoss(TAU, "all"),
    "cbpc-cross": lambda: CBPCLoss(TAU, "cross"),
    "cbpc-enhanced": lambda: CBPCLoss(TAU, "enhanced"),
    "infonce": lambda: InfoNCELoss(TAU),
    "infonce-exclude": lambda: InfoNCELoss(TAU, exclude_same_label=True),
    "cbpc-all-safe": lambda: CBPCLoss(0.01, "all"),
    "infonce-safe": lambda: InfoNCELoss(0.01),
    "matching-cosine": FeatureMatchingLoss,
    "matching-mse": lambda: FeatureMatchingLoss("mse"),
    "token-cross-entropy": lambda: partial(
        TokenCrossEntropyLoss(TAU), centroids=torch.eye(5, dtype=torch.float64)
    ),
}
# Utterances of each process: of 2 and of 3 processes, one of them with none that counts.
PARTS = {2: ([0, 1, 2], [3, 4]), 3: ([0], [1, 2, 3], [4])}


def batch():
    g = torch.Generator().manual_seed(0)
    enhanced, clean = torch.randn(2, 5, 9, 6, generator=g, dtype=torch.float64)
    labels = torch.randint(-1, 4, (5, 9), generator=g)
    return enhanced, clean, labels, torch.tensor([9, 4, 7, 8, 0])


class Head(torch.nn.Module):
    """Trainable parts on both sides of the loss, as a joint model has them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.encoder = torch.nn.Linear(6, 6).double()
        self.projection = torch.nn.Linear(6, 5).double()

    def forward(self, enhanced, clean):
        return self.projection(torch.tanh(self.encoder(enhanced))), self.projection(clean)


def gradients(model, criterion, enhanced, clean, labels, lengths):
    loss, stats = criterion(*model(enhanced, clean), labels, lengths)
    loss.backward()
    return {
        "loss": loss.detach(),
        "anchors": stats["anchors"],
        **{k.replace("module.", ""): p.grad for k, p in model.named_parameters()},
    }


def worker(size, folder, rank):
    parts = PARTS[size]
    dist.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=size)
    streaming.CPU_TILE, streaming.BLOCK_ELEMENTS = 4, 60
    own = [x[parts[rank]] for x in batch()]
    results = {}
    for name, make in CRITERIONS.items():
        results[name] = gradients(DistributedDataParallel(Head()), make(), *own)
    alone = CBPCLoss(TAU).eval()  # by itself in evaluation, where not all may take part
    if rank == 0:
        results["eval"] = alone(*Head()(*own[:2]), *own[2:])[0].detach()
    torch.save(results, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 3])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    parts = PARTS[request.param]
    command = [sys.executable, __file__, str(len(parts)), str(folder)]
    processes = [subprocess.Popen([*command, str(rank)]) for rank in range(len(parts))]
    assert [p.wait(120) for p in processes] == [0] * len(parts)
    return [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(len(parts))]


@pytest.mark.parametrize("name", CRITERIONS)
def test_gradients_and_loss_are_those_of_one_process(results, name):
    expected = gradients(Head(), CRITERIONS[name](), *batch())
    assert sum(r[name]["anchors"] for r in results) == expected.pop("anchors")
    for result in results:
        for key, value in expected.items():
            torch.testing.assert_close(result[name][key], value)
    assert expected["encoder.weight"].abs().max() > 1e-4


def test_evaluation_stays_within_the_process(results):
    own = [x[PARTS[len(results)][0]] for x in batch()]
    expected, _ = CBPCLoss(TAU)(*Head()(*own[:2]), *own[2:])
    torch.testing.assert_close(results[0]["eval"], expected.detach())


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
