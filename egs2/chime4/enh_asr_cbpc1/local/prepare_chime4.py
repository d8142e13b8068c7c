#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, clean references and noise list of a track of CHiME-4."""

import argparse
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

from chime4_corpus import CHANNELS, COUNTS, FRONT_CHANNELS, Corpus
from chime4_files import FS, check_files
from chime4_references import make_references
from chime4_tracks import TRACKS, Utterance, check_lengths, utterances
from chime4_wsj0 import Prompt, Wsj0, transcripts

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir, write_table
from espnet_cbpc.utils.cli import UserError, run

Tables = dict[str, dict[str, str]]
# Channel 5, the reference of published systems, comes first.
DEFAULT_CHANNELS = {"1ch": FRONT_CHANNELS, "2ch": FRONT_CHANNELS, "6ch": (5, 1, 3, 4, 6)}
MULTI = {"tr05_multi": ["tr05_simu", "tr05_real"], "dt05_multi": ["dt05_simu", "dt05_real"]}


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--chime4", required=True, help="folder of CHiME-4, with data/ in it")
    parser.add_argument("--wsj0", default="", help="folder of WSJ0, if CHiME-4 lacks it")
    parser.add_argument("--chime4_diff", default="", help="folder of CHiME4_diff")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument("--track", choices=TRACKS, default="1ch", help="which track")
    parser.add_argument(
        "--channels",
        type=int,
        nargs="+",
        help="microphones: each of 1ch's tr05, those of which 2ch's tr05 has pairs, and those of "
        "6ch, the reference first (default: 1 3 4 5 6; of 6ch 5 1 3 4 6)",
    )
    parser.add_argument(
        "--clean", choices=["true", "false"], default="true", help="include tr05_org in tr05_multi"
    )
    parser.add_argument(
        "--fs",
        type=int,
        default=FS,
        help="sampling rate of the recipe; files keep theirs until stage 3",
    )
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, or a part of the corpus that is missing or faulty.
    """
    args = get_parser().parse_args(cmd)
    channels = args.channels or list(DEFAULT_CHANNELS[args.track])
    _check_channels(args.track, channels)
    corpus = Corpus(args.chime4, args.chime4_diff)
    wsj0 = Wsj0(corpus, args.wsj0)

    # 1. What there is: all of it is checked before anything is written
    sets = {name: utterances(corpus, name, args.track, channels) for name in COUNTS}
    clean = wsj0.clean_speech([u.annotation for u in sets["tr05_simu"]])
    if args.track != "1ch":
        _check_blanks([corpus.audio, *clean.values()])
    # An array's noise has all channels, as its room responses: mixing chooses among them.
    heard = channels if args.track == "1ch" else CHANNELS
    noises = noise_files(corpus, sets["tr05_simu"], heard)
    texts = {name: _texts(corpus, wsj0, name, found) for name, found in sets.items()}
    for name, found in sets.items():
        lengths = check_files([path for u in found for path in u.paths], name, args.nj)
        check_lengths(found, lengths, name)
    check_files(clean.values(), "tr05_org", args.nj)
    check_files([path for paths in noises.values() for path in paths], "backgrounds", args.nj)

    # 2. Clean references of what is simulated
    data = Path(args.data)
    for name in (*COUNTS, *MULTI, "tr05_org"):
        (data / name / "wav.scp").unlink(missing_ok=True)  # not whole until written again
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
    write_table(data / "noise_tr05.scp", noise_list(noises, args.track))
    for name, content in tables.items():
        write_data_dir(data / name, content)
        logging.info("%s: %d utterances", data / name, len(content["wav.scp"]))


def _texts(corpus: Corpus, wsj0: Wsj0, name: str, found: Sequence[Utterance]) -> dict[str, str]:
    annotations = list({u.annotation.name: u.annotation for u in found}.values())
    if len(annotations) != COUNTS[name]:
        logging.warning(
            "%s: %d utterances are annotated, but the organisers' documentation gives %d",
            *(name, len(annotations), COUNTS[name]),
        )
    return transcripts(corpus, wsj0, name, annotations)


def _check_channels(track: str, channels: Sequence[int]) -> None:
    allowed = CHANNELS if track == "6ch" else FRONT_CHANNELS
    if set(channels) - set(allowed) or len(set(channels)) < len(channels):
        raise UserError(f"--channels {channels}: choose from {allowed}, each once")
    if track != "1ch" and len(channels) < 2:
        raise UserError(f"--channels {channels}: the {track} track needs two or more")


def _check_blanks(paths: Iterable[Path]) -> None:
    odd = [path for path in paths if str(path).split() != [str(path)]]
    if odd:
        raise UserError(
            f"{odd[0]}: the files of an array are listed side by side, so that no path may hold "
            f"blanks ({len(odd)} do): link the folder from a place without"
        )


def noise_files(
    corpus: Corpus, found: Sequence[Utterance], channels: Sequence[int]
) -> dict[str, list[Path]]:
    """Return the background recordings behind tr05_simu: of each session a file a microphone."""
    sessions = {u.annotation.noise.recording for u in found if u.annotation.noise}
    return {
        session: [corpus.channel("backgrounds", session, channel) for channel in channels]
        for session in sorted(sessions)
    }


def noise_list(noises: dict[str, list[Path]], track: str) -> dict[str, str]:
    """Return the table of noises: of arrays the files of a session together, else each alone."""
    if track == "1ch":
        return {path.stem: str(path) for paths in noises.values() for path in paths}
    return {session: " ".join(map(str, paths)) for session, paths in noises.items()}


def set_tables(
    found: Sequence[Utterance], texts: dict[str, str], references: dict[str, str]
) -> Tables:
    """Return the files of a data directory by name; what has a reference is SIMU, else REAL."""
    tables: Tables = {
        "wav.scp": {u.id: " ".join(map(str, u.paths)) for u in found},
        "text": {u.id: texts[u.annotation.name] for u in found},
        "utt2spk": {u.id: u.annotation.speaker for u in found},
        "utt2env": {u.id: u.annotation.environment for u in found},
        "utt2category": {u.id: "SIMU" if u.id in references else "REAL" for u in found},
    }
    return {**tables, "spk1.scp": references} if references else tables


def clean_tables(
    found: Sequence[Utterance], texts: dict[str, str], clean: dict[Prompt, Path]
) -> Tables:
    """Return the files of tr05_org: the clean recordings behind the utterances of tr05_simu.

    They come in as many channels as those, all of them the one there is: no beamformer hears clean
    speech, but a batch has as many channels of all its utterances.
    """
    words = {(u.annotation.speaker, u.annotation.wsj_name): texts[u.annotation.name] for u in found}
    ids, channels = {prompt: "_".join((*prompt, "ORG_CLEAN")) for prompt in clean}, found[0].paths
    return {
        "wav.scp": {ids[p]: " ".join([str(path)] * len(channels)) for p, path in clean.items()},
        "text": {ids[prompt]: words[prompt] for prompt in clean},
        "utt2spk": {ids[prompt]: prompt[0] for prompt in clean},
        "utt2category": dict.fromkeys(ids.values(), "CLEAN"),
    }


def merged(parts: list[Tables]) -> Tables:
    """Return several sets as one."""
    names = sorted({name for part in parts for name in part})
    return {n: {k: v for part in parts for k, v in part.get(n, {}).items()} for n in names}


if __name__ == "__main__":
    run(main)
