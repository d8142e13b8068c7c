# SPDX-License-Identifier: Apache-2.0
"""Stages 1 to 5: data directories, their formatting for training, and the token list."""

import logging
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_cbpc.data.kaldi.dir_summary import summarise
from espnet_cbpc.data.kaldi.filter_dir import filter_data_dir
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.kaldi.speed_perturbation import perturb_data_dir
from espnet_cbpc.data.kaldi.token_list import make_token_list
from espnet_cbpc.recipe.inputs import Data, File, Scripts
from espnet_cbpc.recipe.jobs import Jobs
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError

SCRIPT = "local/data.sh"


def data(recipe: Recipe) -> list[Step]:
    """Return the step that makes the data directories."""
    o, folder = recipe.options, recipe.layout.data
    sets = tuple(folder / name for name in dict.fromkeys((o.train_set, o.valid_set, *o.test_sets)))
    words = shlex.split(o.local_data_opts)
    where = [] if o.datadir == "data" else ["--data", o.datadir]
    track = {"track": o.track} if o.track else {}
    where += ["--track", o.track] if o.track else []

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        # with the lock, so that what outlives a kill of this process keeps others off the step
        lock = () if jobs.lock is None else (jobs.lock,)
        command = [SCRIPT, "--fs", str(o.fs_hz), "--nj", str(o.nj), *where, *words]
        done = subprocess.run(command, pass_fds=lock)
        if done.returncode:
            raise UserError(f"{SCRIPT} failed (status {done.returncode}): see its messages above")
        for made in sets:
            if not made.is_dir():
                raise UserError(f"{SCRIPT} did not make {made}")
            print(summarise(DataDir.read(made, o.use_transcripts)))

    inputs = {SCRIPT: Scripts(SCRIPT), "local_data_opts": words, "fs": o.fs_hz, **track}
    return [Step("data", inputs, sets, run, moves=(folder,))]


def speed_perturbation(recipe: Recipe) -> list[Step]:
    """Return the step that adds copies of the training set at other speeds."""
    o = recipe.options
    if not o.speed_perturb_factors:
        return []
    folder = recipe.layout.data
    source, target = folder / o.train_set, folder / recipe.layout.data_train
    factors = [float(factor) for factor in o.speed_perturb_factors]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        perturb_data_dir(source, target, factors, o.nj)

    return [Step("speed_perturbation", {"data": Data(source), "factors": factors}, (target,), run)]


def format_audio(recipe: Recipe) -> list[Step]:
    """Return the steps that bring each set into the one form that training and tests read."""
    o, layout = recipe.options, recipe.layout
    folders = [layout.raw / "org" / name for name in (layout.data_train, o.valid_set)]
    folders += [layout.raw / name for name in o.test_sets]

    def step(folder: Path) -> Step:
        source = layout.data / folder.name
        more = {"ref_channel": o.ref_channel} if o.ref_channel else {}  # not in earlier records

        def run(jobs: Jobs, steps: Sequence[Step]) -> None:
            form: dict[str, Any] = {"require_text": o.use_transcripts, **more}
            format_data_dir(source, folder, o.fs_hz, o.audio_format, o.nj, **form)

        inputs = {"data": Data(source), "fs": o.fs_hz, "audio_format": o.audio_format, **more}
        name = folder.relative_to(layout.raw).as_posix().replace("/", "_")
        return Step(f"format_{name}", inputs, (folder,), run)

    return [step(folder) for folder in folders]


def length_filter(recipe: Recipe) -> list[Step]:
    """Return the steps that leave out utterances that are too short or too long to train on."""
    o, layout = recipe.options, recipe.layout
    shortest, longest = o.min_wav_duration, o.max_wav_duration

    def step(name: str) -> Step:
        source, target = layout.raw / "org" / name, layout.raw / name

        def run(jobs: Jobs, steps: Sequence[Step]) -> None:
            counts = filter_data_dir(source, target, o.fs_hz, shortest, longest)
            logging.info(
                "%s: kept %d utterances, left out %d shorter than %g s and %d longer than %g s",
                *(target, counts.kept, counts.short, shortest, counts.long, longest),
            )

        inputs = {"data": Data(source), "min_wav_duration": shortest, "max_wav_duration": longest}
        return Step(f"length_filter_{name}", inputs, (target,), run)

    return [step(layout.data_train), step(o.valid_set)]


def token_list(recipe: Recipe) -> list[Step]:
    """Return the step that makes the token list; none where the ASR model brings its own."""
    o, layout = recipe.options, recipe.layout
    if o.asr_model:
        return []
    text = layout.train / "text"

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        tokens = make_token_list(text, o.token_type, o.nbpe, layout.tokens, o.bpemode)
        logging.info("%d tokens in %s/tokens.txt", len(tokens), layout.tokens)

    inputs = {"text": File(text), "token_type": o.token_type}
    if o.token_type == "bpe":
        inputs.update(nbpe=o.nbpe, bpemode=o.bpemode)
    return [Step(layout.tokens.name, inputs, (layout.tokens,), run)]
