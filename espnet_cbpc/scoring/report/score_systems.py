# SPDX-License-Identifier: Apache-2.0
"""Scores of systems on sets, computed where missing, and kept beside the systems' output."""

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Callable, Optional

from espnet_cbpc.data.kaldi.kaldi_dir import heard_table, read_table
from espnet_cbpc.scoring.quality.set_quality import score_enh
from espnet_cbpc.scoring.statistics.utterance_scores import PathLike
from espnet_cbpc.scoring.wer.score_wer import normalizer_of, score_asr
from espnet_cbpc.scoring.wer.text_normalizer import NONE
from espnet_cbpc.utils.cli import gathered

ENHANCED = Path("enhanced") / "spk1.scp"


def score_systems(
    folders: Iterable[PathLike],
    data_root: PathLike,
    sets: Sequence[str],
    noisy_scores: PathLike,
    measures: Sequence[str],
    nj: int,
    text_normalizer: str = NONE,
) -> Optional[Path]:
    """Make ``score_wer``, ``score_cer`` and ``score_enh`` of each set where they are out of date.

    What cannot be scored does not keep the rest from it, and is reported at the end.

    Args:
        folders: inference folders with ``<set>/text`` and, if any, ``<set>/enhanced/spk1.scp``.
        data_root: folder of the sets with ``text`` and ``utt2spk``. Those with ``spk1.scp``, and
            SIMU in ``utt2category`` where there is one, have references for speech quality.
        sets: names of the sets.
        noisy_scores: folder for the scores of the unprocessed speech of sets where a system
            enhances.
        measures: of speech quality, names as of
            :func:`espnet_cbpc.scoring.quality.measures.chosen_measures`.
        nj: number of processes.
        text_normalizer: of references and hypotheses, see
            :func:`espnet_cbpc.scoring.wer.text_normalizer.normalized`.

    Returns:
        ``noisy_scores``, or None where no speech was scored.

    Raises:
        UserError: as of :func:`espnet_cbpc.scoring.wer.score_wer.score_asr` and
            :func:`espnet_cbpc.scoring.quality.set_quality.score_enh`.
    """
    jobs: list[Callable[[], None]] = []
    enhanced_somewhere = False
    of_systems = [Path(folder) for folder in folders]
    for set_name in sets:
        data = Path(data_root) / set_name
        results = [folder / set_name for folder in of_systems]
        jobs += [partial(_score_text, data, folder, text_normalizer) for folder in results]
        if not _has_references(data):
            continue
        enhanced = [f / set_name for f in of_systems if (f / set_name / ENHANCED).exists()]
        noisy = [(heard_table(data), Path(noisy_scores) / set_name)] if enhanced else []
        for scp, folder in [*noisy, *((folder / ENHANCED, folder) for folder in enhanced)]:
            jobs.append(partial(_score_speech, data, scp, folder, measures, nj))
        enhanced_somewhere |= bool(enhanced)
    gathered(lambda job: job(), dict(enumerate(jobs)), "scorings")
    return Path(noisy_scores) if enhanced_somewhere else None


def _score_speech(data: Path, scp: Path, folder: Path, measures: Sequence[str], nj: int) -> None:
    logging.info("speech quality: %s", folder)
    category = data / "utt2category"
    score_enh(
        data / "spk1.scp",
        scp,
        folder / "score_enh",
        category if category.exists() else None,
        nj,
        measures,
    )


def _score_text(data: Path, folder: Path, text_normalizer: str) -> None:
    sources = [data / "text", data / "utt2spk", folder / "text"]
    results = [folder / f"score_{kind}" / "result.txt" for kind in ("wer", "cer")]
    if all(path.exists() for path in [*sources, *results]):
        changed = max(path.stat().st_mtime_ns for path in sources)
        is_newer = min(path.stat().st_mtime_ns for path in results) > changed
        if is_newer and {normalizer_of(path) for path in results} == {text_normalizer}:
            return
    score_asr(data / "text", folder / "text", data / "utt2spk", folder, text_normalizer)


def _has_references(data: Path) -> bool:
    if not (data / "spk1.scp").exists():
        return False
    category = data / "utt2category"
    return not category.exists() or "SIMU" in read_table(category).values()
