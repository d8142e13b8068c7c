# SPDX-License-Identifier: Apache-2.0
"""The stages of a recipe: their numbers, as in ESPnet's enh_asr.sh, their names, and what they do."""

import difflib
from typing import NamedTuple

from espnet_cbpc.utils.cli import UserError


class StageName(NamedTuple):
    """What a stage is called in options and in logs."""

    name: str
    title: str


STAGES = tuple(
    StageName(*words)
    for words in (
        ("data", "data directories (local/data.sh)"),
        ("speed_perturbation", "speed perturbation of the training set"),
        ("format", "format and sampling rate of the audio"),
        ("length_filter", "removal of too short and too long utterances"),
        ("token_list", "token list"),
        ("lm_statistics", "language model: statistics (--use_lm true)"),
        ("lm_training", "language model: training"),
        ("lm_perplexity", "language model: perplexity"),
        ("asr", "ASR model: trained on clean speech, or pretrained (--asr_model)"),
        ("enh", "SE model: trained, or pretrained (--enh_model)"),
        ("tokenizer", "acoustic tokenizer"),
        ("joint_statistics", "statistics for joint training"),
        ("joint", "joint training"),
        ("inference", "inference: text and enhanced speech"),
        ("scoring", "scoring"),
        ("report", "report"),
        ("pack", "packed models for stock ESPnet"),
        ("upload", "upload (--hf_repo)"),
    )
)
NAMES = [stage.name for stage in STAGES]
TRAINING = range(6, 14)  # what --skip_train leaves out
LANGUAGE_MODEL = range(6, 9)


def stage_number(word: str, option: str) -> int:
    """Return the number of a stage that is given by number or name.

    Raises:
        UserError: there is none; the nearest name is suggested.
    """
    if word in NAMES:
        return NAMES.index(word) + 1
    if word.isdigit() and int(word) >= 1:
        return int(word)
    near = difflib.get_close_matches(word, NAMES, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    raise UserError(
        f"--{option} {word}: no such stage{hint} (1 to {len(NAMES)}, or a name; --help)"
    )
