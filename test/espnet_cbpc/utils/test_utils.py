# SPDX-License-Identifier: Apache-2.0
"""Atomic files, lists in messages, parallel work, and how errors reach the terminal."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.utils.cli import UserError, gathered, listed, run, shown
from espnet_cbpc.utils.files import atomic_write
from espnet_cbpc.utils.parallel import parallel_map


def square(x):
    if x == 13:
        raise AudioError("unlucky", "file 13")
    return x * x


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "new" / "file"
    with atomic_write(path) as f:
        f.write("old")
    with pytest.raises(RuntimeError):
        with atomic_write(path) as f:
            f.write("half")
            raise RuntimeError
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    for name in ("there", "not yet"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk" / "there").write_text("old")
    for name in ("there", "not yet"):
        with atomic_write(tmp_path / name) as f:
            f.write("new")
        assert (tmp_path / name).is_symlink() and (tmp_path / "disk" / name).read_text() == "new"
    assert len(list((tmp_path / "disk").iterdir())) == 2


def test_names_as_long_as_a_file_system_takes(tmp_path):
    for name in ("a" * 255, "\u3042" * 85):
        with atomic_write(tmp_path / name) as f:
            f.write("x")
        assert (tmp_path / name).read_text() == "x"


@pytest.mark.parametrize(
    "name, why", [("a" * 256, "File name too long"), ("file/a", "Not a directory|File exists")]
)
def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path, name, why):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=rf"{name}: cannot be written \(({why})\): choose another"):
        with atomic_write(tmp_path / name) as f:
            f.write("y")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a: cannot be written \(No space left on device\)"):
        with atomic_write(tmp_path / "a"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError):  # of a file that is read, not written
        with atomic_write(tmp_path / "a"):
            open(tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_what_is_not_utf8_is_shown(tmp_path):
    message = r"a: cannot hold text that is not UTF-8: rename it \(u1 caf\\udce9.wav\)"
    with pytest.raises(UserError, match=message):
        with atomic_write(tmp_path / "a") as f:
            f.write("u1 caf\udce9.wav\n")
    assert not list(tmp_path.iterdir())


def halve(number):
    if number % 2:
        raise UserError(f"{number} is odd: choose another")
    return number // 2


def test_all_faults_are_gathered():
    assert gathered(halve, {"a": 2, "b": 4}, "numbers") == {"a": 1, "b": 2}
    with pytest.raises(UserError, match="^3 is odd: choose another$"):
        gathered(halve, {"a": 2, "b": 3}, "numbers")
    with pytest.raises(UserError, match="^2 of 3 numbers are faulty: 1 is odd: choose another, 3 "):
        gathered(halve, dict(zip("abc", (1, 2, 3))), "numbers")


def test_listed_counts_what_it_leaves_out():
    assert listed("abc") == "a, b, c"
    assert listed(range(8)) == "0, 1, 2, 3, 4 and 3 more"


def test_names_that_are_not_utf8_are_shown():
    assert shown(Path("caf\u00e9/\udce9")) == "caf\u00e9/\\udce9"


def test_user_error_becomes_one_line(capsys):
    def main(cmd):
        raise UserError("this is wrong: do that")

    with pytest.raises(SystemExit) as e:
        run(main)
    assert e.value.code == "error: this is wrong: do that"


def test_what_the_operating_system_refuses_becomes_one_line():
    with pytest.raises(SystemExit) as e:
        run(lambda cmd: open("a" * 300))
    assert e.value.code == f"error: {'a' * 300}: File name too long"
    with pytest.raises(SystemExit) as e:
        run(lambda cmd: os.stat(b"/gone"))
    assert e.value.code == "error: b'/gone': No such file or directory"


@pytest.mark.parametrize("text", ["x", "x" * 100_000])
def test_a_reader_that_goes_away_ends_the_command_quietly(text):
    command = f"from espnet_cbpc.utils.cli import run; run(lambda cmd: print({len(text)} * 'x'))"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        started.stdout.close()
        said = started.stderr.read()
    assert (started.returncode, said) == (141, b"")


def test_the_traceback_that_a_loader_puts_before_a_user_error_is_left_out():
    def main(cmd):
        raise UserError(
            "Caught UserError in DataLoader worker process 0.\nOriginal Traceback (most recent "
            "call last):\n  ...\nespnet_cbpc.utils.cli.UserError: this is wrong: do that\n"
        )

    with pytest.raises(SystemExit) as e:
        run(main, set_up_logging=False)
    assert e.value.code == "error: this is wrong: do that"


@pytest.mark.parametrize("nj", [1, 2])
def test_parallel_map_keeps_the_order_and_passes_errors_on(nj):
    assert list(parallel_map(square, range(12), 12, nj, "squares")) == [x * x for x in range(12)]
    with pytest.raises(AudioError, match="file 13: unlucky") as e:
        list(parallel_map(square, range(20), 20, nj, "squares"))
    assert e.value.where == "file 13"


def test_parallel_map_wants_a_process():
    with pytest.raises(UserError, match="--nj 0: must be at least 1"):
        list(parallel_map(square, [1], 1, 0, "squares"))


def test_a_fault_that_all_items_have_is_told_once():
    from espnet_cbpc.utils.cli import gathered

    def refuse(item):
        raise UserError("no measure 'PESQ'")

    with pytest.raises(UserError, match="^no measure 'PESQ'$"):
        gathered(refuse, {"a": 1, "b": 2}, "scorings")
