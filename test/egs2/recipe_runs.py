# SPDX-License-Identifier: Apache-2.0
"""Ways to run a recipe: as users do, and in the process of the tests, whose jobs start sooner."""

import contextlib
import io
import logging
import os
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

from espnet_cbpc.bin import run_recipe
from espnet_cbpc.utils.cli import UserError

FEW_STEPS = [
    *("--asr_args", "--max_epoch 1 --num_iters_per_epoch 2"),
    *("--enh_args", "--max_epoch 1 --num_iters_per_epoch 2"),
    *("--enh_asr_args", "--max_epoch 1 --num_iters_per_epoch 2"),
]


def run(recipe: Path, *options: str, **environment: str):
    """Run a recipe's run.sh; returns the finished process with its output."""
    return subprocess.run(
        [str(recipe / "run.sh"), *options],
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def options_of(recipe: Path):
    """Return the options that a recipe's run.sh gives."""
    call = (recipe / "run.sh").read_text(encoding="utf-8").partition("./enh_asr_cbpc.sh")[2]
    return shlex.split(call.replace("\\\n", " "))[:-1]


def here(recipe: Path, *options: str):
    """Run the stages of a recipe in this process; returns what ``run`` does of them."""
    said, before = io.StringIO(), os.getcwd()
    handler = logging.StreamHandler(said)
    logger = logging.getLogger()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    os.chdir(recipe)
    status = 0
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            run_recipe.main([*options_of(recipe), *options])
    except UserError as e:
        status = 1
        said.write(f"error: {e}\n")
    finally:
        os.chdir(before)
        logger.removeHandler(handler)
        logger.setLevel(level)
    return SimpleNamespace(returncode=status, stdout=said.getvalue())
