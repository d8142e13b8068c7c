#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the contrastive losses, forward and backward, against dense ones.

Peers: pytorch-metric-learning's SupConLoss and NTXentLoss (pip install -e '.[benchmark]'), dense
cross-entropy, and the floor: the four N x N x D matrix products that a loss which recomputes its
similarities needs, in blocks, and nothing else.
"""

import argparse
import json

import torch
import torch.nn.functional as F
from common import MIB, in_own_process, machine, peak_bytes, seconds, table

from espnet_cbpc.loss.cbpc import CBPCLoss
from espnet_cbpc.loss.infonce import InfoNCELoss

TEMPERATURE = 0.1
FLOOR = "four products"
# N counts the embeddings of one side of the matrix; with pairs="all" half of them are clean.
OURS = {
    "CBPC all": lambda: CBPCLoss(TEMPERATURE, "all"),
    "CBPC cross": lambda: CBPCLoss(TEMPERATURE, "cross"),
    "infoNCE": lambda: InfoNCELoss(TEMPERATURE),
}
DENSE = ("SupConLoss", "NTXentLoss", "dense cross-entropy")
NTXENT_UP_TO = 512  # it holds all positive pairs times all negative ones


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 4096, 8192, 32768])
    parser.add_argument("--dense_up_to", type=int, default=8192, help="largest N of the peers")
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory_of", nargs=2, metavar=("NAME", "N"), help=argparse.SUPPRESS)
    return parser


def step(name: str, n: int, args: argparse.Namespace):
    """Return a function that does what ``name`` says once, on N embeddings."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, args.dim, generator=generator).to(args.device)
    labels = torch.randint(0, args.clusters, (n,), generator=generator).to(args.device)
    if name == FLOOR:
        return lambda: four_products(x, y)
    if name in OURS:
        return ours(OURS[name](), name, x, y, labels)
    return dense(name, x, y, labels)


def ours(criterion, name, x, y, labels):
    """Return a training step of one of our losses."""
    if name == "CBPC all":
        half = len(x) // 2
        x, y, labels = x[:half], x[half:], labels[:half]
    enhanced, clean = x[None].requires_grad_(), y[None]
    if name == "CBPC all":
        clean.requires_grad_()  # as the peer's, whose embeddings all have a gradient
    lengths = torch.tensor([enhanced.shape[1]], device=x.device)

    def run():
        enhanced.grad = clean.grad = None
        criterion(enhanced, clean, labels[None], lengths)[0].backward()

    return run


def dense(name, x, y, labels):
    """Return a training step of a loss that holds the matrix."""
    x.requires_grad_()
    if name == "dense cross-entropy":
        target = torch.arange(len(x), device=x.device)

        def loss():
            a, c = F.normalize(x, dim=1), F.normalize(y, dim=1)
            return F.cross_entropy(a @ c.T / TEMPERATURE, target)

    else:
        from pytorch_metric_learning import losses

        criterion = getattr(losses, name)(temperature=TEMPERATURE)
        if name == "NTXentLoss":  # the same time in two views: infoNCE, both ways round
            half = len(x) // 2
            labels = torch.arange(half, device=x.device).repeat(2)

        def loss():
            return criterion(x, labels)

    def run():
        x.grad = None
        loss().backward()

    return run


def four_products(x, y, rows: int = 512) -> None:
    """Similarities forward and backward, and the gradients of both sides."""
    for i in range(0, len(x), rows):
        similarities = x[i : i + rows] @ y.T
        torch.mm(x[i : i + rows], y.T, out=similarities)
        similarities @ y
        similarities.T @ x[i : i + rows]


def memory(name: str, n: int, args: argparse.Namespace) -> int:
    """Return the extra peak memory of one step in bytes, measured in a process of its own."""
    options = ["--memory_of", name, str(n), "--device", args.device, "--dim", str(args.dim)]
    options += ["--clusters", str(args.clusters)]
    # glibc else keeps some freed blocks for later, now these, now those
    return in_own_process(__file__, *options, MALLOC_MMAP_THRESHOLD_="1048576")["bytes"]


def main(cmd=None) -> None:
    """Print the tables."""
    args = get_parser().parse_args(cmd)
    if args.memory_of:
        name, n = args.memory_of
        step(name, 64, args)()  # what is made once in a process does not count
        print(json.dumps({"bytes": peak_bytes(step(name, int(n), args), args.device)}))
        return
    print(f"{machine(args.device)}; D = {args.dim}, {args.clusters} clusters\n")
    print("Milliseconds, forward and backward (times the four products); extra peak memory\n")
    rows = []
    for n in args.sizes:
        floor = seconds(step(FLOOR, n, args), args.device, args.repeats)
        row = [n, f"{1000 * floor:.0f}"]
        for name in (*OURS, *DENSE):
            largest = NTXENT_UP_TO if name == "NTXentLoss" else args.dense_up_to
            if name in DENSE and n > largest:
                row.append("")
                continue
            time = seconds(step(name, n, args), args.device, args.repeats)
            mib = memory(name, n, args) / MIB
            row.append(f"{1000 * time:.0f} ({time / floor:.2f}), {mib:.0f} MiB")
        rows.append(row)
    print(table(("N", FLOOR, *OURS, *DENSE), rows))
    n = args.sizes[-1]
    print(f"\nExtra peak memory that is not linear in N, from N = {n // 2} and {n}:\n")
    fixed = [2 * memory(name, n // 2, args) - memory(name, n, args) for name in OURS]
    print(table(("", *OURS), [["MiB", *(f"{b / MIB:.0f}" for b in fixed)]]))


if __name__ == "__main__":
    main()
