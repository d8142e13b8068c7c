# SPDX-License-Identifier: Apache-2.0
"""What all stages of a recipe share."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from espnet_cbpc.compat.releases import frame_counting
from espnet_cbpc.data.kaldi.table import read_table
from espnet_cbpc.recipe.jobs import Job, usable_gpus
from espnet_cbpc.recipe.layout import Experiment, Layout
from espnet_cbpc.recipe.options import RecipeOptions


class Recipe:
    """A recipe: its options, and where its data and models are.

    Args:
        options: of the command line.

    Raises:
        UserError: a configuration that does not exist, or options that name no system.
    """

    def __init__(self, options: RecipeOptions):
        self.options = options
        self.layout = Layout(options)
        self.experiments: list[Experiment] = list(self.layout.experiments())
        self.compared_with = self.experiments[0].compared_with()
        self.threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)

    @cached_property
    def ngpu(self) -> int:
        """Return how many GPUs training uses."""
        if self.options.ngpu is None:
            return min(1, len(usable_gpus()))
        return self.options.ngpu

    @property
    def inference_ngpu(self) -> int:
        """Return how many GPUs everything else uses."""
        return min(1, self.ngpu)

    @cached_property
    def frames(self) -> dict[str, str]:
        """Return the input of what depends on how the installed ESPnet counts frames."""
        return {"frame_counting": frame_counting()} if frame_counting() else {}

    def on_gpu(self, module: str, arguments: Sequence[Any], log: Path) -> Job:
        """Return a job with at most one GPU, which it is given."""
        words = [*map(str, arguments), "--ngpu", str(self.inference_ngpu)]
        return Job(f"espnet_cbpc.bin.{module}", words, log, self.inference_ngpu)

    def sets_with_text(self) -> list[str]:
        """Return the test sets that have transcripts; before there are data, all."""
        raw = self.layout.raw
        return [
            n
            for n in self.options.test_sets
            if not (raw / n).is_dir() or (raw / n / "text").is_file()
        ]

    def quality_sets(self) -> list[str]:
        """Return the test sets whose speech quality is measured: those with simulated speech."""
        o = self.options
        names = [] if o.quality_sets == ("none",) else o.quality_sets or o.test_sets
        return [name for name in names if self.is_simulated(self.layout.raw / name)]

    def is_simulated(self, folder: Path) -> bool:
        """Return whether a set has simulated speech; True before it is made."""
        table = folder / "utt2category"
        return not folder.is_dir() or (table.is_file() and "SIMU" in read_table(table).values())
