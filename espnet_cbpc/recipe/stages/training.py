# SPDX-License-Identifier: Apache-2.0
"""How ESPnet's training commands are run: what they read, their statistics, and resuming."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from espnet_cbpc.data.audio.columns import SOUND, sound_type
from espnet_cbpc.data.kaldi.deal import deal_table
from espnet_cbpc.data.kaldi.kaldi_dir import heard_table, read_table
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.recipe.recipe import Recipe

HEARD = "heard"  # noisy speech in one channel, whichever table has it


class Source(NamedTuple):
    """A table that training reads.

    Attributes:
        table: in the data directories; or a path with SPLIT in it, for train and valid; or
            ``HEARD``.
        name: what the model calls it.
        kind: of ESPnet's ways to read it; ``sound`` that has a file for each channel is read so.
    """

    table: str
    name: str
    kind: str

    def path(self, split: str, folder: Path) -> Path:
        """Return the table of a split, whose data directory is ``folder``."""
        if self.table == HEARD:
            return heard_table(folder)
        if "SPLIT" in self.table:
            return Path(self.table.replace("SPLIT", split))
        return folder / self.table

    def triple(self, split: str, folder: Path) -> str:
        """Return ESPnet's path, name and type of a split."""
        path = self.path(split, folder)
        kind = sound_type(read_table(path)) if self.kind == SOUND else self.kind
        return f"{path},{self.name},{kind}"


class TrainingCommand(NamedTuple):
    """A training command of ESPnet's kind.

    Attributes:
        module: that is run.
        sources: what it reads; the tables of a set must have the same ids.
        shapes: names of sources whose lengths size the batches.
        categories: kinds of utterances that are kept; none: all.
        options: its other options.
        mixes: whether dynamic mixing makes noisy utterances of clean ones in training.
    """

    module: str
    sources: Sequence[Source]
    shapes: Sequence[str]
    categories: Sequence[str]
    options: Sequence[str]
    mixes: bool = False

    def reads(self, recipe: Recipe) -> list[str]:
        """Return the options that name what it reads."""
        words = []
        for split, folder in (("train", recipe.layout.train), ("valid", recipe.layout.valid)):
            for source in self.sources:
                words += [f"--{split}_data_path_and_name_and_type", source.triple(split, folder)]
        return words


def collect_stats(recipe: Recipe, jobs: Jobs, command: TrainingCommand, stats: Path) -> None:
    """Collect the lengths of utterances (and statistics of features) by several jobs."""
    count, logdir = recipe.options.stats_nj, stats / "logdir"
    shutil.rmtree(stats, ignore_errors=True)
    logdir.mkdir(parents=True)
    for split, folder in (("train", recipe.layout.train), ("valid", recipe.layout.valid)):
        parts = [logdir / f"{split}.{job}.scp" for job in range(1, count + 1)]
        categories = list(command.categories)
        if categories == ["SIMU"] and split == "train" and command.mixes:
            categories.append("CLEAN")
        table = command.sources[0].path(split, folder)
        deal_table(table, parts, folder / "utt2category", categories)
    words = ["--collect_stats", "true", "--ngpu", "0", "--output_dir", f"{logdir}/stats.JOB"]
    for split in ("train", "valid"):
        words += [f"--{split}_shape_file", f"{logdir}/{split}.JOB.scp"]
    words += [*command.reads(recipe), *command.options]
    jobs.run_array(Job(command.module, words, logdir / "stats.JOB.log"), count)
    words = [w for job in range(1, count + 1) for w in ("--input_dir", f"{logdir}/stats.{job}")]
    words += ["--output_dir", str(stats)]
    jobs.run(Job("espnet2.bin.aggregate_stats_dirs", words, logdir / "aggregate.log"))


def train(
    recipe: Recipe,
    jobs: Jobs,
    command: TrainingCommand,
    stats: Path,
    exp: Path,
    options: Sequence[str] = (),
) -> None:
    """Train, from the last checkpoint where there is one.

    Args:
        recipe: which one.
        jobs: where it runs.
        command: what it runs.
        stats: folder of its statistics.
        exp: folder of the training.
        options: beside those of the command.
    """
    mend(exp)
    ngpu, nodes = recipe.ngpu, recipe.options.num_nodes
    words = ["--ngpu", str(ngpu), "--resume", "true", "--output_dir", str(exp)]
    for split in ("train", "valid"):
        for name in command.shapes:
            words += [f"--{split}_shape_file", f"{stats}/{split}/{name}_shape"]
    words += [*command.reads(recipe), *command.options, *options]
    if nodes == 1:
        words += ["--multiprocessing_distributed", str(ngpu > 1).lower()]
        jobs.run(Job(command.module, words, exp / "train.log", ngpu))
        return
    launch = ["--cmd", " ".join(jobs.train_cmd), "--log", f"{exp}/train.log", "--ngpu", str(ngpu)]
    launch += ["--num_nodes", str(nodes), "--init_file_prefix", f"{exp}/.dist_init_"]
    launch += [
        "--multiprocessing_distributed",
        "true",
        "--",
        "python",
        "-m",
        command.module,
        *words,
    ]
    # the launcher submits the jobs, and is none itself
    replace(jobs, train_cmd=()).run(Job("espnet2.bin.launch", launch, exp / "launch.log"))


def mend(exp: Path) -> None:
    """Make the folder of an ESPnet training run fit to be resumed, if it was begun."""
    if (exp / "checkpoint.pth").exists():
        from espnet_cbpc.compat.checkpoints import mend_checkpoints  # imports torch

        mend_checkpoints(exp)
