# SPDX-License-Identifier: Apache-2.0
"""Word and character error rates of a decoded set, in the layout of ESPnet's score folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Union

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.data.kaldi.text_rules import read_lines, tidied
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts, error_counts
from espnet_cbpc.scoring.wer.sclite import compare_with_sclite
from espnet_cbpc.scoring.wer.text_normalizer import NONE, normalized
from espnet_cbpc.scoring.wer.word_alignment import tokens
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

NORMALIZER = "text normalizer: "  # begins the line of a result.txt that names it, if any
COLUMNS = ("# Snt", "# Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")


def score_asr(
    ref: Union[str, Path],
    hyp: Union[str, Path],
    utt2spk: Union[str, Path],
    outdir: Union[str, Path],
    text_normalizer: str = NONE,
) -> dict[str, ErrorCounts]:
    """Write ``score_wer`` and ``score_cer``, each with ref.trn, hyp.trn and result.txt.

    Where NIST's ``sclite`` is on PATH, its report is written beside (``result.sclite.txt``), and a
    difference in the totals is logged as a warning.

    Args:
        ref: Kaldi ``text`` with the references.
        hyp: Kaldi ``text`` with a hypothesis, which may be empty, of every reference.
        utt2spk: speaker of every reference.
        outdir: folder of the two score folders.
        text_normalizer: see :func:`.text_normalizer.normalized`.

    Returns:
        The totals, under ``wer`` and ``cer``.

    Raises:
        UserError: a file is missing or malformed, their utterances differ, no reference has words,
            or the normaliser is not installed.
    """
    references = normalized(read_table(ref), text_normalizer)
    hypotheses = normalized(read_table(hyp, allow_empty=True), text_normalizer)
    speakers = read_table(utt2spk)
    if not any(map(tidied, references.values())):
        raise UserError(f"{ref}: no reference has words, so that no rate is defined: add them")
    strangers = [key for key in references if key not in speakers]
    if strangers:
        raise UserError(
            f"{utt2spk}: {len(strangers)} utterance(s) of {ref} missing ({listed(strangers)}): "
            "add their speaker"
        )
    totals = {}
    for kind, unit in (("wer", "word"), ("cer", "char")):
        counts = error_counts(references, hypotheses, unit)
        folder = Path(outdir) / f"score_{kind}"
        write_trn(folder / "ref.trn", references, speakers, unit)
        write_trn(folder / "hyp.trn", hypotheses, speakers, unit)
        totals[kind] = sum(counts.values(), ErrorCounts())
        with atomic_write(folder / "result.txt") as f:
            f.write(summary(counts, speakers, kind, text_normalizer))
        compare_with_sclite(folder, totals[kind])
    return totals


def write_trn(path: Path, texts: Mapping[str, str], speakers: Mapping[str, str], unit: str) -> None:
    """Write lines ``tokens (speaker-utterance)``, the input format of NIST's sclite."""
    with atomic_write(path) as f:
        for utterance, text in texts.items():
            f.write(f"{' '.join(tokens(text, unit))} ({speakers[utterance]}-{utterance})\n")


def normalizer_of(result: Path) -> str:
    """Return which normaliser the scores of a ``result.txt`` were made with."""
    lines = read_lines(result)
    return next((x[len(NORMALIZER) :] for x in lines if x.startswith(NORMALIZER)), NONE)


def summary(
    counts: Mapping[str, ErrorCounts],
    speakers: Mapping[str, str],
    kind: str,
    text_normalizer: str = NONE,
) -> str:
    """Return a table of percentages per speaker and in total, like sclite's ``sys`` report.

    Args:
        counts: counts by utterance.
        speakers: speaker by utterance.
        kind: name of the rate, for the heading.
        text_normalizer: what the texts went through, for the heading.
    """
    groups: dict[str, list[ErrorCounts]] = {}
    for utterance, count in counts.items():
        groups.setdefault(speakers[utterance], []).append(count)
    rows: list[tuple[str, ...]] = [("SPKR", *COLUMNS)]
    rows += [(speaker, *_cells(groups[speaker])) for speaker in sorted(groups)]
    rows += [("Sum/Avg", *_cells(list(counts.values())))]
    width = max(len(row[0]) for row in rows)
    lines = [f"| {row[0]:<{width}} |" + "".join(f" {cell:>7}" for cell in row[1:]) for row in rows]
    rule = "-" * len(lines[0])
    total = sum(counts.values(), ErrorCounts())
    share = f"{kind.upper()} {_percent(total.errors, total.words)} %"
    detail = (
        f"{share}: {total.errors} errors ({total.substitutions} substitutions, "
        f"{total.deletions} deletions, {total.insertions} insertions) in {total.words}"
    )
    heading = [detail] if text_normalizer == NONE else [detail, NORMALIZER + text_normalizer]
    return "\n".join([*heading, "", lines[0], rule, *lines[1:-1], rule, lines[-1], ""])


def _cells(counts: list[ErrorCounts]) -> list[str]:
    total = sum(counts, ErrorCounts())
    parts = (total.correct, total.substitutions, total.deletions, total.insertions, total.errors)
    wrong = sum(count.errors > 0 for count in counts)
    rates = [_percent(part, total.words) for part in parts]
    return [str(len(counts)), str(total.words), *rates, _percent(wrong, len(counts))]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"
