"""Atomic files, lists in messages, parallel work, and how errors reach the terminal."""

import pytest

from espnet_cbpc.data.audio import AudioError
from espnet_cbpc.utils.cli import UserError, listed, run
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


def test_listed_counts_what_it_leaves_out():
    assert listed("abc") == "a, b, c"
    assert listed(range(8)) == "0, 1, 2, 3, 4 and 3 more"


def test_user_error_becomes_one_line(capsys):
    def main(cmd):
        raise UserError("this is wrong: do that")

    with pytest.raises(SystemExit) as e:
        run(main)
    assert e.value.code == "error: this is wrong: do that"


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
