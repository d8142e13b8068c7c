# SPDX-License-Identifier: Apache-2.0
"""Jobs: forked from one server here, submitted where cmd.sh names a command."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from espnet_cbpc.recipe import jobs as module
from espnet_cbpc.recipe.jobs import Job, Jobs, progress_of
from espnet_cbpc.utils.cli import UserError

WORK = """
import os, sys, time
print("arguments", *sys.argv[1:])
print("threads", os.environ["OMP_NUM_THREADS"], "GPU", os.environ.get("CUDA_VISIBLE_DEVICES"))
if sys.argv[1] == "sleep":
    time.sleep(60)
if sys.argv[1] == "fail":
    sys.exit("error: audio/a.wav: cannot be read\\nerror: and another")
"""
SUBMITTER = """#!/bin/sh
echo "$@" >>calls
while :; do case $1 in --gpu) shift 2;; JOB=*) shift;; *) break;; esac; done
log=$1; shift; "$@" >"$(echo "$log" | sed s/JOB/1/)" 2>&1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_for_the_test.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(module, "PRELOADED", [])
    return tmp_path


def job(*arguments, ngpu=0):
    return Job("made_for_the_test", arguments, Path("logs/job.log"), ngpu)


def submitting():
    Path("submit").write_text(SUBMITTER)
    Path("submit").chmod(0o755)
    return Jobs(("./submit", "--gpu", "9"), 4)


def test_a_job_here_adds_to_its_log():
    for word in ("one", "two"):
        Jobs((), 3).run(job(word))
    log = Path("logs/job.log").read_text()
    assert log.count("threads 3") == 2 and "arguments one\n" in log and "arguments two\n" in log
    assert f"{sys.executable} -m made_for_the_test two" in log


def test_the_errors_of_a_job_are_told():
    with pytest.raises(UserError) as caught:
        Jobs((), 1).run(job("fail"))
    assert str(caught.value).splitlines() == [
        "audio/a.wav: cannot be read",
        "error: and another",
        "a job failed; its log: logs/job.log",
    ]


def test_an_array_shares_the_threads():
    Jobs((), 4).run_array(Job("made_for_the_test", ["part.JOB"], Path("logs/stats.JOB.log")), 2)
    for number in (1, 2):
        log = Path(f"logs/stats.{number}.log").read_text()
        assert f"arguments part.{number}\n" in log and "threads 2" in log


def test_slots_share_threads_and_take_gpus_in_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    for slot, gpu in enumerate(("4", "6", "4")):
        jobs = Jobs((), 8).of_slot(slot, 3)
        assert (jobs.threads, jobs.gpu) == (2, gpu)
    jobs.run(job("x", ngpu=1))
    assert "GPU 4\n" in Path("logs/job.log").read_text()
    jobs.run(job("x", ngpu=2))
    assert "GPU 4,6\n" in Path("logs/job.log").read_text()
    assert Jobs(("slurm.pl",), 8).of_slot(0, 2).gpu is None


def test_a_submitter_is_called_as_those_of_kaldi_are():
    submitting().run(job("x", ngpu=2))
    submitting().run_array(Job("made_for_the_test", ["JOB"], Path("logs/a.JOB.log")), 3)
    calls = Path("calls").read_text().splitlines()
    python = f"{sys.executable} -m made_for_the_test"
    assert calls == [
        f"--gpu 9 --gpu 2 logs/job.log {python} x",
        f"--gpu 9 JOB=1:3 logs/a.JOB.log {python} JOB",
    ]
    assert "arguments x" in Path("logs/job.log").read_text()


def test_the_log_of_an_earlier_submission_is_kept():
    for word in ("one", "two"):
        submitting().run(job(word))
    logs = sorted(Path("logs").iterdir())
    assert len(logs) == 2 and "arguments one" in logs[1].read_text()


def test_a_submitter_that_does_not_start_the_job_is_named():
    with pytest.raises(UserError, match="false: the job was not started"):
        Jobs(("false",)).run(job("x"))


@pytest.mark.parametrize("submitted", [False, True])
def test_jobs_are_stopped(submitted):
    jobs = submitting() if submitted else Jobs((), 1)
    threading.Timer(1.0, jobs.stop).start()
    begin = time.monotonic()
    with pytest.raises(UserError, match="a job failed"):
        jobs.run(job("sleep"))
    assert time.monotonic() - begin < 20 and not jobs.running


@pytest.mark.parametrize(
    "line, told",
    [
        ("[h] 2026-11-27 INFO: 2/6epoch started. 5 minutes", "epoch 2/6 started. 5 minutes"),
        ("x INFO: The best model has been updated: a", "The best model has been updated: a"),
        ("mix:  11%|##   | 10/90 [00:01<00:09]", "mix:  11%|##   | 10/90 [00:01<00:09]"),
        ("x INFO: Model structure:", ""),
    ],
)
def test_progress_is_shown(line, told):
    assert progress_of(line) == told
