# SPDX-License-Identifier: Apache-2.0
"""Run a command as a SLURM job, or N commands as a job array, and wait until they end.

Called like Kaldi's slurm.pl and run.pl, to be used in cmd.sh:

  python -m espnet_cbpc.bin.submit [--option value]... [JOB=1:N] LOG COMMAND...

With JOB=1:N the word JOB in LOG and COMMAND stands for the numbers from 1 to N.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from espnet_cbpc.utils.cli import UserError, listed, run
from espnet_cbpc.utils.jobs import DIED, Command, Resources, run_jobs


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser; names of options as Kaldi has them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--executor", choices=["slurm", "local"], default="slurm", help="local: this machine")
    add("--partition", help="SLURM partition")
    add("--mem", help="memory per machine, such as 8G")
    add("--time", type=_minutes, default=24 * 60, help="limit in minutes or as [days-]h:m:s (24 h)")
    add("--num_threads", "--num-threads", type=int, action="append", default=[],
        help="CPUs per job; if given twice (as espnet2.bin.launch does), the larger")  # fmt: skip
    add("--gpu", type=int, default=0, help="GPUs per machine")
    add("--num_nodes", "--num-nodes", type=int, default=1, help="machines per job")
    add(
        "--max_jobs_run",
        "--max-jobs-run",
        type=int,
        default=256,
        help="jobs of an array that run at a time",
    )
    add("--restarts", type=int, default=10,
        help="how often a job that reaches its time limit is continued in a new one (10)")  # fmt: skip
    add("--sbatch", action="append", default=[], metavar="NAME=VALUE",
        help="any other option of sbatch, such as account=speech")  # fmt: skip
    add("words", nargs=argparse.REMAINDER, metavar="[JOB=1:N] LOG COMMAND...")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command.

    Raises:
        UserError: a malformed call, a job that SLURM does not take, or jobs that failed.
    """
    args = get_parser().parse_args(cmd)
    call = _parse(args.words)
    threads = max(args.num_threads, default=1)
    if args.num_nodes > 1:
        if args.executor == "local":
            raise UserError(
                f"--num_nodes {args.num_nodes}: the local backend has one machine; use SLURM"
            )
        call = call._replace(command=without_launcher(call.command))
    resources = Resources(
        executor=args.executor,
        threads=threads,
        gpus=args.gpu,
        nodes=args.num_nodes,
        minutes=args.time,
        restarts=args.restarts,
        max_jobs_run=args.max_jobs_run,
        sbatch=_sbatch_options(args),
    )
    commands = [
        Command(
            [call.fill(word, number) for word in call.command],
            Path(call.fill(call.log, number)),
            threads,
        )
        for number in call.numbers
    ]
    log = Path(call.log)
    statuses = run_jobs(commands, resources, log.absolute().parent / f".{log.stem}.submitit")
    _report(commands, statuses)


class Call(NamedTuple):
    """The words of a call: the variable's name ('' without array), its values, log and command."""

    variable: str
    numbers: Sequence[int]
    log: str
    command: list[str]

    def fill(self, word: str, number: int) -> str:
        """Put a value in place of the variable."""
        return word.replace(self.variable, str(number)) if self.variable else word


def _parse(words: Sequence[str]) -> Call:
    array = re.fullmatch(r"(\w+)=(\d+):(\d+)", words[0]) if words else None
    variable, numbers = "", range(1, 2)
    if array:
        variable, words = array[1], words[1:]
        numbers = range(int(array[2]), int(array[3]) + 1)
    if len(words) < 2 or not numbers:
        raise UserError("usage: submit [--option value]... [JOB=1:N] LOG COMMAND...; see --help")
    log, *command = words
    if len(numbers) > 1 and variable not in log:
        raise UserError(f"{log}: one log for {len(numbers)} jobs: put {variable} into its name")
    return Call(variable, numbers, log, command)


def without_launcher(command: list[str]) -> list[str]:
    """Take srun or mpirun off a command of several machines: the job starts it on each already.

    ``espnet2.bin.launch`` asks slurm.pl for srun, and every other submitter for mpirun and
    ``--dist_launcher mpi``.
    """
    if command[0] == "srun":
        first = next((i for i, word in enumerate(command[1:], 1) if word[:2] != "--"), 1)
        return command[first:]
    if command[:2] == ["mpirun", "-np"]:
        words = command[3:]
        for i, option in enumerate(words[:-1]):
            if (option, words[i + 1]) == ("--dist_launcher", "mpi"):
                words[i + 1] = "slurm"
        return words
    return command


def _minutes(text: str) -> int:
    """Parse a time limit as SLURM writes it; seconds round up."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)|(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text} is neither minutes nor [days-]h:m:s")
    days, hours, minutes, seconds, plain = (int(part or 0) for part in match.groups())
    limit = plain or ((days * 24 + hours) * 60 + minutes + (seconds > 0))
    if limit < 3:  # the warning comes 90 seconds before the limit, and must find the job running
        raise argparse.ArgumentTypeError(f"{text}: at least 3 minutes are needed")
    return limit


def _sbatch_options(args: argparse.Namespace) -> dict:
    malformed = [option for option in args.sbatch if "=" not in option]
    if malformed:
        raise UserError(f"--sbatch {listed(malformed)}: write it as NAME=VALUE")
    options = dict(option.split("=", 1) for option in args.sbatch)
    options.update({"partition": args.partition, "mem": args.mem})
    return {name: value for name, value in options.items() if value is not None}


def _report(commands: Sequence[Command], statuses: Sequence[int]) -> None:
    """Raise ``UserError`` if jobs failed, and say in the log of one that died what is known."""
    failed = []
    for command, status in zip(commands, statuses):
        if status == DIED:
            with open(command.log, "a", encoding="utf-8") as log:
                print(
                    "error: the job ended before its command (memory? time? cancelled?)", file=log
                )
            failed.append(f"{command.log} (died)")
        elif status:
            failed.append(f"{command.log} (status {status})")
    if failed:
        raise UserError(f"{len(failed)} of {len(commands)} job(s) failed: {listed(failed)}")


if __name__ == "__main__":
    run(main)
