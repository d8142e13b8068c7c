#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Time of a joint training step (forward, backward, optimiser) against stock ESPnet's joint task.

Both have the same SE model (Conv-TasNet), ASR model (conformer of 12 x 256, CTC and attention) and
batch of random audio; ours adds CBPC and infoNCE with a frozen teacher.
"""

import argparse
import time
from statistics import median

import torch
from common import machine, table, use_huge_pages, wait

TOKENS = ["<blank>", "<unk>", *(f"t{i}" for i in range(497)), "<sos/eos>"]
CBPC_CROSS = {"name": "cbpc", "conf": {"pairs": "cross"}}
CBPC_ALL = {"name": "cbpc", "conf": {"pairs": "all"}}
CBPC_ENHANCED = {"name": "cbpc", "conf": {"pairs": "enhanced"}}
INFONCE = {"name": "infonce"}
# name: criterions, and whether the labels come with the data
SYSTEMS = {
    "CBPC (cross) + infoNCE": ([CBPC_CROSS, INFONCE], False),
    "CBPC (all) + infoNCE": ([CBPC_ALL, INFONCE], False),
    "CBPC (enhanced), dumped labels": ([CBPC_ENHANCED], True),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each utterance")
    parser.add_argument("--stride", type=int, default=20, help="of Conv-TasNet's encoder")
    parser.add_argument("--hidden", type=int, default=128, help="channels of Conv-TasNet's blocks")
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--repeats", type=int, default=3)
    return parser


def options(args: argparse.Namespace) -> dict:
    """Return the options of both tasks."""
    dropout = {"dropout_rate": 0.1, "attention_heads": 4, "linear_units": 1024}
    return {
        "token_list": TOKENS,
        "token_type": "word",
        "text_name": ["text_spk1"],
        "frontend": "default",
        "frontend_conf": {"fs": 16000, "n_fft": 512, "hop_length": 160},
        "normalize": "utterance_mvn",
        "asr_encoder": "conformer",
        "asr_encoder_conf": {
            "output_size": 256,
            "num_blocks": 12,
            "input_layer": "conv2d",
            "macaron_style": True,
            "use_cnn_module": True,
            "cnn_module_kernel": 15,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
            **dropout,
        },
        "asr_decoder": "transformer",
        "asr_decoder_conf": {"num_blocks": 6, **dropout},
        "asr_model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
        "enh_encoder": "conv",
        "enh_encoder_conf": {"channel": 256, "kernel_size": 2 * args.stride, "stride": args.stride},
        "enh_decoder": "conv",
        "enh_decoder_conf": {"channel": 256, "kernel_size": 2 * args.stride, "stride": args.stride},
        "enh_separator": "tcn",
        "enh_separator_conf": {
            "num_spk": 1,
            "layer": 8,
            "stack": 2,
            "bottleneck_dim": 128,
            "hidden_dim": args.hidden,
        },
        "enh_criterions": [
            {"name": "si_snr", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {}}
        ],
    }


def build(task, args: argparse.Namespace, **more):
    """Return a model in training mode."""
    task_args = task.get_parser().parse_args(["--output_dir", "unused"])
    for key, value in {**options(args), **more}.items():
        setattr(task_args, key, value)
    torch.manual_seed(0)
    return task.build_model(task_args).to(args.device).train()


def build_ours(task, args: argparse.Namespace, criterions):
    """Return a joint model with random clusters."""
    conf = {"n_clusters": args.clusters, "feature_dim": 256}
    model = build(task, args, contrastive_criterions=criterions, tokenizer_conf=conf)
    model.tokenizer.centroids.normal_()
    return model


def make_batch(args: argparse.Namespace) -> dict:
    """Return a batch of noise, with ten tokens a second at most."""
    generator = torch.Generator().manual_seed(0)
    b, n = args.utterances, int(args.seconds * 16000)
    clean, noise = 0.1 * torch.randn(2, b, n, generator=generator)
    length = int(3 * args.seconds)
    batch = {
        "speech": clean + noise,
        "speech_lengths": torch.full((b,), n),
        "speech_ref1": clean,
        "speech_ref1_lengths": torch.full((b,), n),
        "text_spk1": torch.randint(2, 499, (b, length), generator=generator),
        "text_spk1_lengths": torch.full((b,), length),
    }
    return {k: v.to(args.device) for k, v in batch.items()}


def dumped_labels(model, batch) -> dict:
    """Return the labels of the batch's clean speech, as a data loader would."""
    model.prepare_teacher()
    clean = model.teacher(model.s2t_model, batch["speech_ref1"], batch["speech_lengths"])
    labels = model.tokenizer(clean.frames[None], clean.lengths)
    return {"labels": labels, "labels_lengths": clean.lengths}


def stepper(model, batch, args: argparse.Namespace):
    """Return a function that trains the model by one step."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = [f"utt{i}" for i in range(args.utterances)]

    def step():
        with torch.autocast(args.device, torch.bfloat16, enabled=args.amp):
            loss = model(**batch, utt_id=ids)[0]
        loss.sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main(cmd=None) -> None:
    """Print the table."""
    args = get_parser().parse_args(cmd)
    use_huge_pages()
    from espnet2.tasks.enh_s2t import EnhS2TTask  # slow to import

    from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask

    batch = make_batch(args)
    steps = {"stock ESPnet (enh_s2t)": stepper(build(EnhS2TTask, args), batch, args)}
    for name, (criterions, dumped) in SYSTEMS.items():
        model = build_ours(EnhASRCBPCTask, args, criterions)
        labels = dumped_labels(model, batch) if dumped else {}
        steps[name] = stepper(model, {**batch, **labels}, args)

    # Round by round, so that what slows the machine for a while slows them all.
    times = {name: [] for name in steps}
    for i in range(args.repeats + 1):
        for name, step in steps.items():
            wait(args.device)
            start = time.perf_counter()
            step()
            wait(args.device)
            if i:
                times[name].append(time.perf_counter() - start)
    print(
        f"{machine(args.device)}; {args.utterances} utterances of {args.seconds} s"
        f"{', bfloat16 autocast' if args.amp else ''}; median of {args.repeats} steps\n"
    )
    stock, *_ = (median(t) for t in times.values())
    rows = [[n, f"{median(t):.3f}", f"{median(t) / stock:.3f}"] for n, t in times.items()]
    print(table(("system", "seconds a step", "times stock"), rows))


if __name__ == "__main__":
    main()
