# SPDX-License-Identifier: Apache-2.0
"""The command ``espnet-cbpc``: a verb for each task.

A verb's module is imported when the verb is called: its ``main`` takes the words that follow.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Optional

from espnet_cbpc import __version__
from espnet_cbpc.utils.cli import UserError, run
from espnet_cbpc.utils.extras import needs_extra

PROGRAM = "espnet-cbpc"


class Verb(NamedTuple):
    """What a verb does.

    Attributes:
        module: has ``main`` and ``get_parser``.
        sentence: what the verb does.
        example: a call of it.
        sets_up_logging: whether ``main`` does so itself, as ESPnet's training does.
    """

    module: str
    sentence: str
    example: str
    sets_up_logging: bool = False


VERBS: dict[str, Verb] = {
    "transcribe": Verb(
        "espnet_cbpc.bin.transcribe",
        "Transcribe recordings of any format, sampling rate and length.",
        "espnet-cbpc transcribe noisy.wav --model enh_asr.zip --output_dir out",
    ),
    "enhance": Verb(
        "espnet_cbpc.bin.enhance",
        "Enhance recordings without transcribing them.",
        "espnet-cbpc enhance noisy.wav --model enh_asr.zip --output_dir out",
    ),
    "demo": Verb(
        "espnet_cbpc.bin.demo",
        "Serve a local web page to try a model with a file or the microphone.",
        "espnet-cbpc demo --model enh_asr.zip",
    ),
    "new": Verb(
        "espnet_cbpc.bin.new_recipe",
        "Create a recipe for your own speech and noise.",
        "espnet-cbpc new my_corpus",
    ),
    "validate": Verb(
        "espnet_cbpc.bin.validate_data_dir",
        "Check a data directory, report every problem, and repair it if asked.",
        "espnet-cbpc validate data/train --audio",
    ),
    "tokenize": Verb(
        "espnet_cbpc.bin.tokenize_speech",
        "Fit an acoustic tokenizer to the encoder of an ASR model, and report on its clusters.",
        "espnet-cbpc tokenize --asr_model asr.zip --train_scp train.scp "
        "--valid_clean_scp clean.scp --valid_noisy_scp noisy.scp --output_dir tokenizer",
    ),
    "train": Verb(
        "espnet_cbpc.bin.enh_asr_cbpc_train",
        "Train SE and ASR jointly; a recipe's run.sh does this and every step before it.",
        "espnet-cbpc train --config exp/joint/joint.yaml --output_dir exp/joint --ngpu 1",
        sets_up_logging=True,
    ),
    "score": Verb(
        "espnet_cbpc.bin.score",
        "Score decoded text and enhanced speech, with confidence intervals and paired tests.",
        "espnet-cbpc score --systems Joint=exp/joint/decode --sets test_seen --outdir scores",
    ),
    "report": Verb(
        "espnet_cbpc.bin.html_report",
        "Write an HTML page of an experiment's results, curves, clusters and examples.",
        "espnet-cbpc report --results exp/results.json --systems Joint=exp/joint/decode",
    ),
    "import": Verb(
        "espnet_cbpc.bin.import_model",
        "Import a pretrained ASR or SE model into an experiment folder.",
        "espnet-cbpc import --kind asr --model whisper:base.en --outdir exp/asr_whisper",
    ),
    "export": Verb(
        "espnet_cbpc.bin.export",
        "Pack a joint model into archives that stock ESPnet loads, with a model card.",
        "espnet-cbpc export --expdir exp/joint --outdir packed --license cc-by-4.0",
    ),
    "publish": Verb(
        "espnet_cbpc.bin.upload",
        "Upload a packed model to Hugging Face Hub, or show what would be uploaded.",
        "espnet-cbpc publish --packed packed --repo user/name --dry_run folder",
    ),
    "status": Verb(
        "espnet_cbpc.bin.status",
        "Show which steps of a recipe are done, running or out of date.",
        "espnet-cbpc status my_corpus",
    ),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line up to the verb."""
    width = max(map(len, VERBS)) + 2
    lines = [
        f"  {name:<{width}}{verb.sentence}\n  {'':<{width}}{verb.example}"
        for name, verb in VERBS.items()
    ]
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} VERB [option]...",
        description="Noise-robust speech recognition: jointly trained enhancement and recognition, "
        "as an ESPnet plugin.",
        epilog="\n".join(["verbs, each with an example:", *lines, "", f"{PROGRAM} VERB --help"])
        + " lists its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument(
        "--print_completion",
        choices=("bash", "zsh", "tcsh"),
        help="print a completion script for the shell",
    )
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run a verb.

    Args:
        cmd: the words of the command line; None: those of the process.
    """
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.print_completion:
        run(lambda _: print(completion(args.print_completion)))
    elif args.verb is None:
        parser.print_help()
    else:
        # what a verb's parser calls itself, and where it finds its words
        sys.argv = [f"{PROGRAM} {args.verb}", *args.words]
        verb = VERBS.get(args.verb)
        run(lambda _: call(args.verb, args.words), not (verb and verb.sets_up_logging))


def call(name: str, words: Sequence[str]) -> None:
    """Call a verb, or print its help.

    Raises:
        UserError: no such verb, and what the verb raises.
    """
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UserError(f"no verb '{name}': {hint}{PROGRAM} --help lists them")
    verb = VERBS[name]
    module = import_module(verb.module)
    if {"-h", "--help"} & set(words):
        parser = module.get_parser()
        parser.epilog = f"Example: {verb.example}"
        parser.print_help()
    else:
        module.main(list(words))


def completion(shell: str) -> str:
    """Return a script that completes verbs and options.

    Raises:
        UserError: the package shtab, an extra, is not installed.
    """
    with needs_extra("completion", "completion"):
        import shtab
    parser = argparse.ArgumentParser(PROGRAM)
    verbs = parser.add_subparsers()
    for name, verb in VERBS.items():
        options = import_module(verb.module).get_parser()
        verbs.add_parser(name, parents=[options], add_help=False, help=verb.sentence)
    return shtab.complete(parser, shell)


if __name__ == "__main__":
    main()
