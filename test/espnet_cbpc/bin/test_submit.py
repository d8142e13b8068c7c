# SPDX-License-Identifier: Apache-2.0
"""Jobs through submitit: on this machine always, on a real SLURM of two machines where installed."""

import argparse
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet_cbpc.bin.submit import _minutes as minutes
from espnet_cbpc.bin.submit import main, without_launcher
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.utils import jobs
from espnet_cbpc.utils.cli import UserError

pytest.importorskip("submitit", reason="SKIPPED: submitit is not installed; pip install submitit")

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
SUBMIT = [sys.executable, "-m", "espnet_cbpc.bin.submit"]
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A SLURM of two machines, both of them this one, without accounting."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"SKIPPED: no {' '.join(missing)}; install Debian's slurmctld slurmd slurm-client"
        )
    folder = tmp_path_factory.mktemp("slurm")
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(
            host=socket.gethostname(), user=getpass.getuser(), folder=folder, ports=free_ports(3)
        )
    )
    for name in ("state", "node1", "node2"):
        (folder / name).mkdir()
    started = [
        subprocess.Popen([*command, "-D", "-f", conf], stdout=subprocess.DEVNULL, stderr=log)
        for command in (["slurmctld"], ["slurmd", "-N", "node1"], ["slurmd", "-N", "node2"])
        for log in [open(folder / f"{command[-1]}.err", "w")]
    ]
    try:
        os.environ["SLURM_CONF"] = str(conf)
        idle = ["sinfo", "--noheader", "--format=%D %T"]
        end = time.time() + 60
        while subprocess.run(idle, capture_output=True, text=True).stdout != "2 idle\n":
            if time.time() > end:
                pytest.fail(f"SLURM did not start; its logs are in {folder}")
            time.sleep(0.5)
        yield
    finally:
        del os.environ["SLURM_CONF"]
        for process in reversed(started):
            process.terminate()
            process.wait(30)


@pytest.fixture(params=["local", "slurm"])
def executor(request):
    """Function: the command's options for each executor, that of SLURM where it is installed."""
    if request.param == "slurm":
        request.getfixturevalue("slurm")
    return ["--executor", request.param]


def queue():
    asked = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True)
    return asked.stdout


def test_an_array_runs_every_number_and_leaves_its_logs_alone(executor, tmp_path):
    log = tmp_path / "logs" / "a.JOB.log"
    main([*executor, "--num-threads", "2", "--num_threads", "1", "JOB=1:3", str(log), "sh", "-c",
          "echo out 'of JOB'; echo err >&2; echo $OMP_NUM_THREADS"])  # fmt: skip
    for number in range(1, 4):
        first, *rest = (log.parent / f"a.{number}.log").read_text().splitlines()
        assert first.startswith("# sh -c ") and rest == [f"out of {number}", "err", "2"]
    assert {path.name for path in log.parent.iterdir()} == {"a.1.log", "a.2.log", "a.3.log"}


def test_failures_are_counted_and_named(executor, tmp_path):
    log = tmp_path / "a.JOB.log"
    with pytest.raises(UserError) as e:
        main([*executor, "JOB=1:3", str(log), "sh", "-c", "[ JOB = 2 ] || exit JOB"])
    assert str(e.value) == (
        f"2 of 3 job(s) failed: {tmp_path}/a.1.log (status 1), {tmp_path}/a.3.log (status 3)"
    )
    with pytest.raises(UserError, match=r"1 of 1 job\(s\) failed: .*b.log \(status 127\)"):
        main([*executor, str(tmp_path / "b.log"), "no-such-command"])
    assert "error: no-such-command: No such file" in (tmp_path / "b.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_jobs_end_with_the_command_that_waits_for_them(executor, tmp_path, number):
    file = tmp_path / "pid"
    process = subprocess.Popen(
        [*SUBMIT, *executor, str(tmp_path / "log"), "sh", "-c", f"echo $$ >{file}; sleep 300"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as behind a shell's &
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    end = time.time() + 60
    while not file.exists() or not file.read_text():
        assert time.time() < end and process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
    while Path("/proc", file.read_text().strip()).exists():
        assert time.time() < end
        time.sleep(0.1)


def test_a_job_that_vanishes_is_not_waited_for(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "QUEUE_SECONDS", 1.0)
    log = tmp_path / "log"
    with pytest.raises(UserError, match=r"log \(died\)"):
        main([str(log), "sh", "-c", "kill -9 $PPID"])  # submitit itself, as for want of memory
    assert "error: the job ended before its command" in log.read_text()
    assert list(tmp_path.glob(".log.submitit/*_log.err"))  # what SLURM has said


def test_sbatch_options_arrive_and_a_wrong_one_is_refused(slurm, tmp_path):
    log = tmp_path / "log"
    main(["--partition", "main", "--mem", "1M", "--time", "0:10:00", "--sbatch", "comment=x y",
          str(log), "sh", "-c", "scontrol show job $SLURM_JOB_ID"])  # fmt: skip
    shown = log.read_text()
    for part in ("Partition=main", "TimeLimit=00:10:00", "Comment=x y", "JobName=log.submitit"):
        assert part in shown
    with pytest.raises(UserError, match="slurm does not accept the job.*invalid partition"):
        main(["--partition", "none", str(log), "true"])


@pytest.mark.slow
def test_a_job_that_reaches_its_time_limit_goes_on(executor, tmp_path):
    # by the signal that comes 90 seconds before the limit
    log, count = tmp_path / "log", tmp_path / "count"
    script = f'echo x >>{count}; [ "$(wc -l <{count})" -gt 1 ] || {{ kill -USR2 $PPID; sleep 60; }}'
    main([*executor, "--time", "10", str(log), "sh", "-c", script])
    assert count.read_text() == "x\nx\n"


def test_espnets_launch_starts_the_command_on_every_machine(slurm, tmp_path):
    log, seen = tmp_path / "train.log", tmp_path / "seen"
    script = (
        f"echo $SLURM_PROCID of $SLURM_STEP_NUM_NODES on $SLURMD_NODENAME $* >>{seen}.$SLURM_PROCID"
    )
    done = subprocess.run(
        [sys.executable, "-m", "espnet2.bin.launch", "--cmd", " ".join(SUBMIT), "--log", str(log),
         "--ngpu", "0", "--num_nodes", "2", "--init_file_prefix", f"{tmp_path}/init_", "--",
         "sh", "-c", script, "sh"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for rank in range(2):
        text = Path(f"{seen}.{rank}").read_text()
        assert text.startswith(f"{rank} of 2 on node{rank + 1} --ngpu 0 --multiprocessing_distr")
        assert "--dist_launcher slurm --dist_init_method file://" in text


def test_recipes_start_their_jobs_through_it(executor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_here.py").write_text("import sys; sys.exit(sys.argv[1] + ' of mine')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    submitted = Jobs([*SUBMIT, *executor])
    with pytest.raises(UserError) as caught:
        submitted.run_array(Job("made_here", ["error: JOB"], Path("a.JOB.log")), 2)
    assert str(caught.value) == "1 of mine\na job failed; its log: a.1.log"
    assert Path("a.2.log").read_text().endswith("\nerror: 2 of mine\n")


@pytest.mark.slow
def test_a_training_of_mini_synth_runs_on_two_machines(slurm, tmp_path):
    ignore = shutil.ignore_patterns("data", "dump", "exp")
    shutil.copytree(ROOT / "egs2", tmp_path / "egs2", symlinks=True, ignore=ignore)
    setup = tmp_path / "tools" / "setup_env.sh"
    setup.parent.mkdir()
    setup.write_text(f'#!/usr/bin/env bash\necho "{Path(sys.executable).parent}"\n')
    setup.chmod(0o755)
    recipe = tmp_path / "egs2" / "mini_synth" / "enh_asr_cbpc1"
    done = subprocess.run(
        [recipe / "run.sh", "--stop_stage", "9", "--train_nj", "1", "--stats_nj", "2",
         "--num_nodes", "2", "--local_data_opts", "--num_train 40 --num_dev 8 --num_test 4",
         "--asr_args", "--max_epoch 1 --num_iters_per_epoch 2"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "train_cmd": " ".join(SUBMIT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    exp = recipe / "exp" / "asr_train_asr_word"
    log = (exp / "train.log").read_text()
    assert ":0/2] " in log and "The training was finished at 1 epochs" in log
    assert (exp / "valid.loss.ave.pth").is_file()
    stats = recipe / "exp" / "asr_stats_train_asr_word"
    shapes = (stats / "train" / "speech_shape").read_text().splitlines()
    assert len(shapes) == 40  # of both jobs of the array


@pytest.mark.parametrize(
    "command, bare",
    [
        (["srun", "--export=ALL", "a", "--x"], ["a", "--x"]),
        (["mpirun", "-np", "2", "a", "--dist_launcher", "mpi", "b"],
         ["a", "--dist_launcher", "slurm", "b"]),
        (["a", "mpirun", "-np"], ["a", "mpirun", "-np"]),
    ],
)  # fmt: skip
def test_without_launcher(command, bare):
    assert without_launcher(command) == bare


def test_time_limits():
    limits = {"90": 90, "2:00:00": 120, "1-0:0:1": 24 * 60 + 1, "00:10:00": 10}
    assert {text: minutes(text) for text in limits} == limits
    for text in ("1h", "2", "0:1:59"):
        with pytest.raises(argparse.ArgumentTypeError):
            minutes(text)


@pytest.mark.parametrize(
    "call, message",
    [
        ([], "usage: submit"),
        (["log"], "usage: submit"),
        (["JOB=2:1", "log.JOB", "a"], "usage: submit"),
        (["JOB=1:2", "log", "a"], "log: one log for 2 jobs: put JOB into its name"),
        (["--sbatch", "qos", "log", "a"], "--sbatch qos: write it as NAME=VALUE"),
        (
            ["--num_nodes", "2", "log", "a"],
            "--num_nodes 2: the local backend has one machine; use SLURM",
        ),
    ],
)
def test_malformed_calls(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        main(["--executor", "local", *call])
    assert not list(tmp_path.iterdir())


def test_without_submitit_the_pip_command_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[slurm\]'"):
        main(["--executor", "local", str(tmp_path / "log"), "true"])
