# SPDX-License-Identifier: Apache-2.0
"""What comes from WSJ0: the clean speech behind tr05_simu, and its transcripts."""

from collections.abc import Sequence
from pathlib import Path

from chime4_corpus import Annotation, Corpus
from chime4_files import names_in
from chime4_transcripts import normalise, read_dot, read_dots_of_set, wsj_name

from espnet_cbpc.data.audio.audio_folder import find_files
from espnet_cbpc.utils.cli import UserError, gathered, listed

Prompt = tuple[str, str]  # speaker, name
SHORTEN = b"embedded-shorten"
HEADER_BYTES = 1024  # of a sphere file


class Wsj0:
    """The folders in which WSJ0 may lie: CHIME4/data/WSJ0, and that of the user.

    Args:
        corpus: CHiME-4.
        given: the user's folder, as the LDC's disks or all in one; or empty.

    Raises:
        UserError: the user's folder does not exist.
    """

    def __init__(self, corpus: Corpus, given: str = ""):
        if given and not Path(given).is_dir():
            raise UserError(f"WSJ0={given}: no such folder: correct it in db.sh, or leave it empty")
        roots = [corpus.data / "WSJ0", *([Path(given)] if given else [])]
        self.corpus = corpus
        self.roots = [root for root in roots if root.is_dir()]

    def find(self, suffix: str) -> dict[str, Path]:
        """Return the files of a suffix, in upper or lower case, by their stems in upper case."""
        found: dict[str, Path] = {}
        for root in self.roots:
            for name in find_files(root, (suffix,)):
                found.setdefault(Path(name).stem.upper(), root / name)
        return found

    def clean_speech(self, annotations: Sequence[Annotation]) -> dict[Prompt, Path]:
        """Return the clean recording of each prompt, from ``isolated/tr05_org`` or sphere files.

        Raises:
            UserError: recordings are in neither, or compressed in a way that cannot be read.
        """
        folder = self.corpus.audio / "isolated" / "tr05_org"
        prompts = sorted({(a.speaker, a.wsj_name) for a in annotations})
        paths = {(s, w): folder / f"{s}_{w}_ORG.wav" for s, w in prompts}
        absent = [prompt for prompt, path in paths.items() if path.name not in names_in(folder)]
        sphere = self.find(".wv1") if absent else {}
        missing = [wsj for _, wsj in absent if wsj not in sphere]
        if missing:
            raise UserError(
                f"{len(missing)} of {len(paths)} clean recordings of WSJ0 are missing "
                f"({listed(missing)}): neither in {folder} nor as .wv1 {_below(self.roots)}: "
                "unpack isolated/tr05_org, or name WSJ0 (LDC93S6A) in db.sh"
            )
        paths.update({(speaker, wsj): sphere[wsj] for speaker, wsj in absent})
        _refuse_shorten([paths[prompt] for prompt in absent])
        return paths


def _refuse_shorten(paths: Sequence[Path]) -> None:
    compressed = []
    for path in paths:
        with open(path, "rb") as f:
            if SHORTEN in f.read(HEADER_BYTES):
                compressed.append(path)
    if compressed:
        raise UserError(
            f"{len(compressed)} of {len(paths)} sphere files are compressed with Shorten, which "
            f"libsndfile does not read ({listed(compressed)}): unpack isolated/tr05_org of "
            "CHiME-4, or decompress the files in place (sph2pipe -p in.wv1 out.wv1)"
        )


def transcripts(
    corpus: Corpus, wsj0: Wsj0, set_name: str, annotations: Sequence[Annotation]
) -> dict[str, str]:
    """Return the normalised words of each utterance of a set by its name.

    They are in CHiME-4's ``transcriptions``. Of tr05_simu they may also be those of the WSJ0
    prompt: in ``tr05_org`` there, or in the .dot files of WSJ0.

    Raises:
        UserError: some have no transcript.
    """
    folder = corpus.transcription_dir
    found = read_dots_of_set(folder, set_name) or {}
    names = [a.name for a in annotations]
    looked_in = [f"{folder}/{set_name}.dot_all"]
    if set_name == "tr05_simu" and not found.keys() >= set(names):
        found = {**_by_prompt(corpus, wsj0, annotations), **found}
        looked_in += [f"{folder}/tr05_org.dot_all", f".dot files {_below(wsj0.roots)}"]
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(
            f"{set_name}: {len(missing)} of {len(names)} utterances have no transcript "
            f"({listed(missing)}), looked for in {'; '.join(looked_in)}: unpack the transcriptions"
            + (" or name WSJ0 (LDC93S6A) in db.sh" if set_name == "tr05_simu" else "")
        )
    return {name: normalise(found[name]) for name in names}


def _by_prompt(corpus: Corpus, wsj0: Wsj0, annotations: Sequence[Annotation]) -> dict[str, str]:
    clean = read_dots_of_set(corpus.transcription_dir, "tr05_org")
    if clean is None:
        clean = {}
        for words in gathered(read_dot, wsj0.find(".dot"), ".dot files of WSJ0").values():
            clean.update(words)
    words = {wsj_name(key): value for key, value in clean.items()}
    return {a.name: words[a.wsj_name] for a in annotations if a.wsj_name in words}


def _below(roots: list[Path]) -> str:
    return f"below {', '.join(map(str, roots))}" if roots else "(no folder of WSJ0 is known)"
