#!/usr/bin/env python
"""Write the data directories, clean references and noise list of CHiME-4's one-channel track."""

import argparse
import logging
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from chime4_corpus import COUNTS, FRONT_CHANNELS, Corpus, Utterance
from chime4_files import FS, check_files
from chime4_references import make_references
from chime4_wsj0 import Prompt, Wsj0, transcripts

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir, write_table
from espnet_cbpc.utils.cli import UserError, run

Tables = Dict[str, Dict[str, str]]
MULTI = {"tr05_multi": ["tr05_simu", "tr05_real"], "dt05_multi": ["dt05_simu", "dt05_real"]}


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--chime4", required=True, help="folder of CHiME-4, with data/ in it")
    parser.add_argument("--wsj0", default="", help="folder of WSJ0, where CHiME-4 lacks it")
    parser.add_argument("--chime4_diff", default="", help="folder of CHiME4_diff")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument(
        "--channels", type=int, nargs="+", default=list(FRONT_CHANNELS), help="of tr05, to train on"
    )
    parser.add_argument(
        "--clean", choices=["true", "false"], default="true", help="tr05_multi holds tr05_org too"
    )
    parser.add_argument(
        "--fs", type=int, default=FS, help="rate of the recipe; files keep theirs until stage 3"
    )
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, or a part of the corpus that is missing or faulty.
    """
    args = get_parser().parse_args(cmd)
    odd = sorted(set(args.channels) - set(FRONT_CHANNELS))
    if odd or len(set(args.channels)) < len(args.channels):
        raise UserError(f"--channels {args.channels}: choose from {FRONT_CHANNELS}, each once")
    corpus = Corpus(args.chime4, args.chime4_diff)
    wsj0 = Wsj0(corpus, args.wsj0)

    # 1. What there is: all of it is checked before anything is written
    sets = {name: corpus.utterances(name, args.channels) for name in COUNTS}
    clean = wsj0.clean_speech([u.annotation for u in sets["tr05_simu"]])
    noises = noise_list(corpus, sets["tr05_simu"], args.channels)
    texts = {name: _texts(corpus, wsj0, name, utterances) for name, utterances in sets.items()}
    for name, utterances in sets.items():
        check_files([u.path for u in utterances], name, args.nj)
    check_files(clean.values(), "tr05_org", args.nj)
    check_files(noises.values(), "backgrounds", args.nj)

    # 2. Clean references of what is simulated
    data = Path(args.data)
    for name in (*COUNTS, *MULTI, "tr05_org"):
        (data / name / "wav.scp").unlink(missing_ok=True)  # not whole until written anew
    references = {
        name: make_references(corpus, name, sets[name], clean, data / "references" / name, args.nj)
        for name in COUNTS
        if name.endswith("simu")
    }

    # 3. The data directories
    tables = {n: set_tables(u, texts[n], references.get(n, {})) for n, u in sets.items()}
    tables["tr05_org"] = clean_tables(sets["tr05_simu"], texts["tr05_simu"], clean)
    for name, parts in MULTI.items():
        more = ["tr05_org"] if name == "tr05_multi" and args.clean == "true" else []
        tables[name] = merged([tables[part] for part in parts + more])
    write_table(data / "noise_tr05.scp", noises)
    for name, content in tables.items():
        write_data_dir(data / name, content)
        logging.info("%s: %d utterances", data / name, len(content["wav.scp"]))


def _texts(
    corpus: Corpus, wsj0: Wsj0, name: str, utterances: Sequence[Utterance]
) -> Dict[str, str]:
    annotations = list({u.annotation.name: u.annotation for u in utterances}.values())
    if len(annotations) != COUNTS[name]:
        logging.warning(
            "%s: %d utterances are annotated, where the organisers' documentation has %d",
            *(name, len(annotations), COUNTS[name]),
        )
    return transcripts(corpus, wsj0, name, annotations)


def noise_list(
    corpus: Corpus, utterances: Sequence[Utterance], channels: Sequence[int]
) -> Dict[str, str]:
    """Return the paths of the background recordings behind tr05_simu by ``<session>.CH<n>``."""
    sessions = sorted({u.annotation.noise.recording for u in utterances if u.annotation.noise})
    return {
        f"{session}.CH{channel}": str(corpus.channel("backgrounds", session, channel))
        for session in sessions
        for channel in channels
    }


def set_tables(
    utterances: Sequence[Utterance], texts: Dict[str, str], references: Dict[str, str]
) -> Tables:
    """Return the files of a data directory by name; what has a reference is SIMU, else REAL."""
    tables: Tables = {
        "wav.scp": {u.id: str(u.path) for u in utterances},
        "text": {u.id: texts[u.annotation.name] for u in utterances},
        "utt2spk": {u.id: u.annotation.speaker for u in utterances},
        "utt2env": {u.id: u.annotation.environment for u in utterances},
        "utt2category": {u.id: "SIMU" if u.id in references else "REAL" for u in utterances},
    }
    return {**tables, "spk1.scp": references} if references else tables


def clean_tables(
    utterances: Sequence[Utterance], texts: Dict[str, str], clean: Dict[Prompt, Path]
) -> Tables:
    """Return the files of tr05_org: the clean recordings behind the utterances of tr05_simu."""
    words = {
        (u.annotation.speaker, u.annotation.wsj_name): texts[u.annotation.name] for u in utterances
    }
    ids = {prompt: "_".join((*prompt, "ORG_CLEAN")) for prompt in clean}
    return {
        "wav.scp": {ids[prompt]: str(path) for prompt, path in clean.items()},
        "text": {ids[prompt]: words[prompt] for prompt in clean},
        "utt2spk": {ids[prompt]: prompt[0] for prompt in clean},
        "utt2category": dict.fromkeys(ids.values(), "CLEAN"),
    }


def merged(parts: List[Tables]) -> Tables:
    """Return several sets as one."""
    names = sorted({name for part in parts for name in part})
    return {n: {k: v for part in parts for k, v in part.get(n, {}).items()} for n in names}


if __name__ == "__main__":
    run(main)
