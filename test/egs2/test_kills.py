# SPDX-License-Identifier: Apache-2.0
"""A recipe that is killed at random moments, many times, ends with the results of one that is not."""

import json
import os
import random
import signal
import subprocess
import time

import pytest
import torch
from recipe_runs import run

KILLS, SEED = 20, 0
TINY = [
    *("--local_data_opts", "--num_train 24 --num_dev 6 --num_test 2"),
    *("--asr_args", "--max_epoch 2 --num_iters_per_epoch 2"),
    *("--enh_args", "--max_epoch 2 --num_iters_per_epoch 2"),
    *("--enh_asr_args", "--max_epoch 2 --num_iters_per_epoch 2"),
    *("--train_nj", "1", "--baseline_configs", "", "--test_sets", "test_unseen"),
]
MODELS = ("asr_train_asr_word", "enh_train_enh", "enh_asr_train_enh_asr_cbpc")
pytestmark = pytest.mark.slow


def state(pid):
    """Return a process's state and parent, as /proc has them."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        words = f.read().rpartition(")")[2].split()
    return words[0], int(words[1])


def descendants(pid):
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = state(name)[1]
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def killed(command, log, seconds):
    """Run a command for some time, then kill it alone; returns whether it was still running."""
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        return process.wait(seconds) is None
    except subprocess.TimeoutExpired:
        left = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 20  # what it had started must end by itself
    while any(os.path.exists(f"/proc/{pid}") and state(pid)[0] != "Z" for pid in left):
        assert time.monotonic() < deadline, f"{left} outlive the run"
        time.sleep(0.05)
    return True


def results(exp):
    report = json.loads((exp / "results.json").read_text(encoding="utf-8"))
    return {key: report[key] for key in ("systems", "sets", "wer", "quality", "tests")}


def weights(exp, name):
    (average,) = (exp / name).glob("valid.*.ave.pth")
    return torch.load(average, weights_only=True)


def test_a_recipe_that_is_killed_ends_as_one_that_is_not(tree):
    recipe = tree / "egs2" / "mini_synth" / "enh_asr_cbpc1"
    begin = time.monotonic()
    whole = run(recipe, *TINY, "--expdir", "exp_whole", "--dumpdir", "dump_whole")
    took = time.monotonic() - begin
    assert whole.returncode == 0, whole.stdout[-3000:]

    draw, command = random.Random(SEED), [str(recipe / "run.sh"), *TINY]
    with (recipe / "killed.log").open("w") as log:
        kills = 0
        for _ in range(KILLS):
            # a fifth of the whole at most, so that most of them are over the whole length
            kills += killed(command, log, draw.uniform(2.0, 2.0 + took / 5))
    done = run(recipe, *TINY)
    assert done.returncode == 0, done.stdout[-3000:]
    assert kills == KILLS or "all done already" in done.stdout
    assert kills >= KILLS // 2
    for name in MODELS:
        one, other = (weights(recipe / exp, name) for exp in ("exp_whole", "exp"))
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert results(recipe / "exp") == results(recipe / "exp_whole")
    assert not list((recipe / "exp").glob("replaced/*"))  # resumed, not begun again elsewhere
