#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Time of one-pass inference against stock ESPnet's two commands, start-up included.

Stock ESPnet needs espnet2.bin.asr_inference (with the joint model) for the text and
espnet2.bin.enh_inference for the enhanced speech; espnet_cbpc.bin.enh_asr_inference makes both.
From ESPnet 202611 on the former can also look at a window of the CTC scores, its default, which is an
approximation, or search for several utterances at once, if it is given the ASR model alone and what the
latter has enhanced: both are measured too. All have the same model, utterances, search and number of
threads. Prints a Markdown table: seconds on the clock and of processors (which another load on the
machine changes less), each with its ratio to the first row; for how many utterances the texts are
those of the first row; and by how much the waveforms differ at most (stock ESPnet's have 16 bits and
are clipped to [-1, 1], as ours are here for the comparison).
Without --expdir the model is a random one as two configurations describe it (its parameters scaled
for varied texts), which seldom ends a text by itself: --maxlenratio bounds it.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from common import machine, processor_seconds, table

from espnet_cbpc.compat.releases import espnet_release, has_ctc_window
from espnet_cbpc.compat.weights import read_weights, select_weights
from espnet_cbpc.data.audio.audio_file import sampling_rate, write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_data_dir
from espnet_cbpc.model.joint_config import split_config
from espnet_cbpc.utils.files import read_yaml

CONF = Path(__file__).resolve().parents[2] / "conf"
# Of a random model whose configuration has CTC alone, which stock ESPnet searches by CTC weight 1 only.
DECODER = {
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 4, "linear_units": 256, "num_blocks": 3},
    "model_conf": {"ctc_weight": 0.3},
}
SEARCHES = {
    "CTC alone, beam 1": {"beam_size": 1, "ctc_weight": 1.0},
    "beam 10, CTC weight 0.3": {"beam_size": 10, "ctc_weight": 0.3},
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--expdir", help="a joint experiment: config.yaml and --model_file")
    parser.add_argument("--model_file", default="valid.loss_asr.ave.pth", help="its checkpoint")
    parser.add_argument("--asr_config", default=CONF / "train_asr.yaml", help="of a random model")
    parser.add_argument("--enh_config", default=CONF / "train_enh.yaml", help="of a random model")
    parser.add_argument("--fs", type=sampling_rate, default="16k", help="of a random model")
    parser.add_argument("--data_dir", help="formatted directory; default: --utterances of noise")
    parser.add_argument("--utterances", type=int, default=200, help="to decode at most")
    parser.add_argument("--seconds", type=float, nargs=2, default=(2.0, 6.0), help="from, to")
    parser.add_argument("--maxlenratio", type=float, default=0.2, help="tokens a frame at most")
    parser.add_argument("--search", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--nj", type=int, nargs="+", default=[1, 2], help="processes of ours")
    parser.add_argument("--num_threads", type=int, default=1, help="of every process")
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs")
    parser.add_argument("--seed", type=int, default=0, help="of model and data")
    return parser


def make_model(folder: Path, options: argparse.Namespace) -> list[str]:
    """Write the configuration and the parameters of a random joint model; return their paths."""
    from espnet2.tasks.enh_s2t import EnhS2TTask

    asr, enh = read_yaml(options.asr_config), read_yaml(options.enh_config)
    if asr.get("model_conf", {}).get("ctc_weight") == 1.0:
        asr.update(DECODER)
    args = EnhS2TTask.get_parser().parse_args(["--output_dir", str(folder)])
    tokens = ["<blank>", "<unk>", *(f"t{i}" for i in range(497)), "<sos/eos>"]
    vars(args).update(token_list=tokens, token_type="word", text_name=["text_spk1"])
    args.frontend_conf = {**asr["frontend_conf"], "fs": options.fs}
    args.normalize = asr["normalize"]
    for name in ("encoder", "encoder_conf", "decoder", "decoder_conf", "model_conf"):
        setattr(args, f"asr_{name}", asr.get(name, getattr(args, f"asr_{name}")))
    for name in ("encoder", "separator", "decoder"):
        for key in (name, f"{name}_conf"):
            setattr(args, f"enh_{key}", enh[key])
    args.enh_criterions = enh["criterions"]
    torch.manual_seed(options.seed)
    model = EnhS2TTask.build_model(args)
    for parameter in model.s2t_model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(2)
    paths = [str(folder / "config.yaml"), str(folder / "model.pth")]
    Path(paths[0]).write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), paths[1])
    return paths


def make_data(directory: Path, args: argparse.Namespace) -> None:
    """Write a data directory of noise with a slow envelope, no two of one length."""
    rng = np.random.default_rng(args.seed)
    first, end = (round(s * args.fs) for s in args.seconds)
    lengths = rng.choice(np.arange(first, end), args.utterances, False)
    wavs = {}
    for i, n in enumerate(lengths):
        envelope = 0.3 + np.sin(np.arange(n) / rng.uniform(1000, 4000)) ** 2
        wavs[f"utt{i:04d}"] = str(directory.parent / "wav" / f"utt{i:04d}.wav")
        write_audio(wavs[f"utt{i:04d}"], 0.1 * envelope * rng.standard_normal(n), args.fs, "FLOAT")
    write_data_dir(directory, {"wav.scp": wavs, "utt2spk": dict.fromkeys(wavs, "spk")})


def cut_data(source: Path, directory: Path, utterances: int) -> None:
    """Write a data directory of the first utterances of another."""
    data = DataDir.read(source, require_text=False)
    ids = data.ids[:utterances]
    tables = {name: data.tables[name] for name in ("wav.scp", "utt2spk")}
    write_data_dir(directory, {n: {u: t[u] for u in ids} for n, t in tables.items()})


def timed(command: Sequence[str], threads: int) -> np.ndarray:
    """Run a Python module and return the seconds that it took: of the clock, of processors."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start, used = time.monotonic(), processor_seconds()
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return np.array([time.monotonic() - start, processor_seconds() - used])


def stock_ways() -> dict[str, dict]:
    """Return the ways in which stock ESPnet can be run, the exact one first; see :func:`run_stock`."""
    if not has_ctc_window():
        return {"stock": {}}
    exact = {"ctc_window_margin": 0}
    ways = {"stock": exact, "stock, window of 100 CTC frames": {"ctc_window_margin": 100}}
    for size in (4, 16):
        ways[f"stock, SE then ASR in batches of {size}"] = {**exact, "batch_size": size}
    return ways


def run_stock(
    model: list[str], data: Path, out: Path, search: dict, args: argparse.Namespace, fs: int
) -> np.ndarray:
    """Run stock ESPnet's commands and return their seconds together.

    With a ``batch_size`` in ``search``, SE comes first and the ASR model alone second.
    """
    config, checkpoint = model
    enh = ["espnet2.bin.enh_inference", "--enh_s2t_task=true", f"--ngpu={args.ngpu}"]
    enh += [f"--data_path_and_name_and_type={data}/wav.scp,speech_mix,sound", f"--fs={fs}"]
    enh += [f"--train_config={config}", f"--model_file={checkpoint}", f"--output_dir={out}/enh"]
    heard, joint = f"{data}/wav.scp", "batch_size" not in search
    if not joint:
        heard = f"{out}/enh/spk1.scp"
        config, checkpoint = split_off_asr(model, out)
    asr = ["espnet2.bin.asr_inference", f"--enh_s2t_task={joint}", f"--ngpu={args.ngpu}"]
    asr += [f"--data_path_and_name_and_type={heard},speech,sound", f"--output_dir={out}/asr"]
    asr += [f"--asr_train_config={config}", f"--asr_model_file={checkpoint}"]
    asr += [f"--{name}={value}" for name, value in search.items()]
    return timed(enh, args.num_threads) + timed(asr, args.num_threads)


def split_off_asr(model: list[str], folder: Path) -> list[str]:
    """Write the ASR model within a joint one; return its paths."""
    paths = [str(folder / "asr.yaml"), str(folder / "asr.pth")]
    config = split_config(read_yaml(model[0]))["asr"]
    Path(paths[0]).write_text(yaml.safe_dump(config))
    torch.save(select_weights(read_weights(model[1]), "s2t_model"), paths[1])
    return paths


def run_ours(
    model: list[str], data: Path, out: Path, search: dict, args: argparse.Namespace, nj: int
) -> np.ndarray:
    """Run this package's command and return its seconds."""
    (out / "decode.yaml").write_text(yaml.safe_dump(search))
    config, checkpoint = model
    command = ["espnet_cbpc.bin.enh_asr_inference", f"--data_dirs={data}", f"--output_dir={out}"]
    command += [f"--enh_asr_train_config={config}", f"--enh_asr_model_file={checkpoint}"]
    command += [f"--config={out}/decode.yaml", f"--nj={nj}", f"--ngpu={args.ngpu}"]
    return timed([*command, f"--num_threads={args.num_threads}"], args.num_threads)


def compared(stock: Path, text: Path, scp: Path) -> list[str]:
    """Return how many texts are stock's, and the largest difference of the waveforms."""
    theirs = read_table(stock / "asr/1best_recog/text_spk1", allow_empty=True)
    mine = read_table(text, allow_empty=True)
    equal = sum(mine[utterance].strip() == found.strip() for utterance, found in theirs.items())
    scps = [read_table(p) for p in (stock / "enh/spk1.scp", scp)]
    difference = 0.0
    for utterance in theirs:
        a, b = (soundfile.read(scp[utterance], dtype="float32")[0] for scp in scps)
        difference = max(difference, float(np.abs(a - b.clip(-1, 1)).max()))
    return [f"{equal} of {len(theirs)}", f"{difference:.1e}"]


def ratios(taken: np.ndarray, first: np.ndarray) -> list[str]:
    """Return seconds, and in brackets how often they hold the first row's."""
    return [f"{a:.0f} ({a / b:.2f})" for a, b in zip(taken, first)]


def main(cmd=None) -> None:
    """Make model and data where none are given, run all commands, print the table."""
    args = get_parser().parse_args(cmd)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        work, data = Path(temporary), Path(temporary, "data", "test")
        if args.expdir:
            model = [f"{args.expdir}/config.yaml", f"{args.expdir}/{args.model_file}"]
        else:
            model = make_model(work, args)
        if args.data_dir:
            cut_data(Path(args.data_dir), data, args.utterances)
        else:
            make_data(data, args)
        wavs = read_table(data / "wav.scp").values()
        infos = [soundfile.info(wav) for wav in wavs]
        seconds = sum(info.duration for info in infos)
        for name in args.search:
            search = {**SEARCHES[name], "maxlenratio": args.maxlenratio}
            folder = work / re.sub(r"\W+", "_", name)  # ESPnet splits paths at commas
            first = None
            for i, (way, options) in enumerate(stock_ways().items()):
                out = folder / f"stock{i}"
                out.mkdir(parents=True)
                taken = run_stock(
                    model, data, out, {**search, **options}, args, infos[0].samplerate
                )
                first = taken if first is None else first
                text = (
                    out / "asr/1best_recog" / ("text" if "batch_size" in options else "text_spk1")
                )
                cells = compared(folder / "stock0", text, out / "enh/spk1.scp")
                rows.append([name, way, *ratios(taken, first), *cells])
            for nj in args.nj:
                ours = folder / f"nj{nj}"
                ours.mkdir()
                mine = run_ours(model, data, ours, search, args, nj)
                found = ours / data.name
                cells = compared(folder / "stock0", found / "text", found / "enhanced/spk1.scp")
                rows.append([name, f"ours, --nj {nj}", *ratios(mine, first), *cells])
    torch.set_num_threads(args.num_threads)
    device = "cuda" if args.ngpu else "cpu"
    print(
        f"{machine(device)}, ESPnet {espnet_release()}; {len(infos)} utterances, {seconds:.0f} s "
        "of speech\n"
    )
    heads = ("search", "system", "seconds", "of processors", "equal texts", "waveforms differ by")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
