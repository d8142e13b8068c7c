#!/usr/bin/env python
"""Time of one-pass inference against stock ESPnet's two commands, start-up included.

Stock ESPnet needs espnet2.bin.asr_inference (with the joint model) for the text and
espnet2.bin.enh_inference for the enhanced speech; espnet_cbpc.bin.enh_asr_inference makes both.
All have the same model, utterances, search and number of threads. Prints a Markdown table with the
ratio of the times, for how many utterances the texts are equal, and by how much the waveforms
differ at most. Without --expdir the model is a random one of the size that conf/ has (its parameters
scaled for varied texts), which seldom ends a text by itself: --maxlenratio bounds it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
import soundfile
import torch
import yaml
from common import machine, table

from espnet_cbpc.data.audio import write_audio
from espnet_cbpc.data.kaldi_dir import DataDir, read_table, write_data_dir

FS = 16000
CONF = Path(__file__).resolve().parents[2] / "conf"
SEARCHES = {
    "greedy CTC": {"beam_size": 1, "ctc_weight": 1.0},
    "beam 10, CTC weight 0.3": {"beam_size": 10, "ctc_weight": 0.3},
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--expdir", help="a joint experiment: config.yaml and --model_file")
    parser.add_argument("--model_file", default="valid.loss_asr.ave.pth", help="its checkpoint")
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


def make_model(folder: Path, seed: int) -> Path:
    """Write ``config.yaml`` and ``model.pth`` of a random joint model, and return the folder."""
    from espnet2.tasks.enh_s2t import EnhS2TTask

    asr, enh = (yaml.safe_load((CONF / f"train_{n}.yaml").read_text()) for n in ("asr", "enh"))
    args = EnhS2TTask.get_parser().parse_args(["--output_dir", str(folder)])
    tokens = ["<blank>", "<unk>", *(f"t{i}" for i in range(497)), "<sos/eos>"]
    vars(args).update(token_list=tokens, token_type="word", text_name=["text_spk1"])
    for name in ("frontend_conf", "normalize"):
        setattr(args, name, asr[name])
    for name in ("encoder", "encoder_conf", "decoder", "decoder_conf", "model_conf"):
        setattr(args, f"asr_{name}", asr[name])
    for name in ("encoder", "separator", "decoder"):
        for key in (name, f"{name}_conf"):
            setattr(args, f"enh_{key}", enh[key])
    args.enh_criterions = enh["criterions"]
    torch.manual_seed(seed)
    model = EnhS2TTask.build_model(args)
    for parameter in model.s2t_model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(2)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


def make_data(directory: Path, args: argparse.Namespace) -> None:
    """Write a data directory of noise with a slow envelope, no two of one length."""
    rng = np.random.default_rng(args.seed)
    lengths = rng.choice(np.arange(*(round(s * FS) for s in args.seconds)), args.utterances, False)
    wavs = {}
    for i, n in enumerate(lengths):
        envelope = 0.3 + np.sin(np.arange(n) / rng.uniform(1000, 4000)) ** 2
        wavs[f"utt{i:04d}"] = str(directory.parent / "wav" / f"utt{i:04d}.wav")
        write_audio(wavs[f"utt{i:04d}"], 0.1 * envelope * rng.standard_normal(n), FS, "FLOAT")
    write_data_dir(directory, {"wav.scp": wavs, "utt2spk": dict.fromkeys(wavs, "spk")})


def cut_data(source: Path, directory: Path, utterances: int) -> None:
    """Write a data directory of the first utterances of another."""
    data = DataDir.read(source, require_text=False)
    ids = data.ids[:utterances]
    tables = {name: data.tables[name] for name in ("wav.scp", "utt2spk")}
    write_data_dir(directory, {n: {u: t[u] for u in ids} for n, t in tables.items()})


def timed(command: Sequence[str], threads: int) -> float:
    """Run a Python module and return the seconds that it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return time.monotonic() - start


def run_stock(
    model: List[str], data: Path, out: Path, search: Dict, args: argparse.Namespace, fs: int
) -> List[float]:
    """Run stock ESPnet's commands and return the seconds of each."""
    common = [f"--data_path_and_name_and_type={data}/wav.scp,{{}},sound", "--enh_s2t_task=true"]
    common += [f"--ngpu={args.ngpu}"]
    config, checkpoint = model
    asr = ["espnet2.bin.asr_inference", *common, f"--output_dir={out}/asr"]
    asr += [f"--asr_train_config={config}", f"--asr_model_file={checkpoint}"]
    asr += [f"--{name}={value}" for name, value in search.items()]
    enh = ["espnet2.bin.enh_inference", *common, f"--output_dir={out}/enh", f"--fs={fs}"]
    enh += [f"--train_config={config}", f"--model_file={checkpoint}"]
    names = ("speech", "speech_mix")
    commands = [[w.format(name) for w in c] for c, name in zip((asr, enh), names)]
    return [timed(command, args.num_threads) for command in commands]


def run_ours(
    model: List[str], data: Path, out: Path, search: Dict, args: argparse.Namespace, nj: int
) -> float:
    """Run this package's command and return its seconds."""
    (out / "decode.yaml").write_text(yaml.safe_dump(search))
    config, checkpoint = model
    command = ["espnet_cbpc.bin.enh_asr_inference", f"--data_dirs={data}", f"--output_dir={out}"]
    command += [f"--enh_asr_train_config={config}", f"--enh_asr_model_file={checkpoint}"]
    command += [f"--config={out}/decode.yaml", f"--nj={nj}", f"--ngpu={args.ngpu}"]
    return timed([*command, f"--num_threads={args.num_threads}"], args.num_threads)


def compared(stock: Path, ours: Path) -> List[str]:
    """Return how many texts are equal, and the largest difference of the waveforms."""
    theirs = read_table(stock / "asr/1best_recog/text_spk1", allow_empty=True)
    mine = read_table(ours / "text", allow_empty=True)
    equal = sum(mine[utterance] == text.strip() for utterance, text in theirs.items())
    scps = [read_table(p) for p in (stock / "enh/spk1.scp", ours / "enhanced/spk1.scp")]
    difference = 0.0
    for utterance in theirs:
        a, b = (soundfile.read(scp[utterance], dtype="float32")[0] for scp in scps)
        difference = max(difference, float(np.abs(a - b).max()))
    return [f"{equal} of {len(theirs)}", f"{difference:.1e}"]


def main(cmd=None) -> None:
    """Make model and data where none are given, run all commands, print the table."""
    args = get_parser().parse_args(cmd)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        work, data = Path(temporary), Path(temporary, "data", "test")
        if args.expdir:
            model = [f"{args.expdir}/config.yaml", f"{args.expdir}/{args.model_file}"]
        else:
            model = [f"{work}/config.yaml", str(make_model(work, args.seed))]
        if args.data_dir:
            cut_data(Path(args.data_dir), data, args.utterances)
        else:
            make_data(data, args)
        wavs = read_table(data / "wav.scp").values()
        infos = [soundfile.info(wav) for wav in wavs]
        seconds = sum(info.duration for info in infos)
        for name in args.search:
            search = {**SEARCHES[name], "maxlenratio": args.maxlenratio}
            stock = work / name.replace(" ", "_")
            times = run_stock(model, data, stock, search, args, infos[0].samplerate)
            total = sum(times)
            rows += [[name, "stock", f"{times[0]:.1f} + {times[1]:.1f} = {total:.1f}", 1, "", ""]]
            for nj in args.nj:
                ours = stock / f"nj{nj}"
                ours.mkdir()
                time_ = run_ours(model, data, ours, search, args, nj)
                cells = compared(stock, ours / data.name)
                rows += [[name, f"ours, --nj {nj}", f"{time_:.1f}", f"{time_ / total:.2f}", *cells]]
    torch.set_num_threads(args.num_threads)
    device = "cuda" if args.ngpu else "cpu"
    print(f"{machine(device)}; {len(infos)} utterances, {seconds:.0f} s of speech\n")
    heads = ("search", "system", "seconds", "ratio", "equal texts", "waveforms differ by")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
