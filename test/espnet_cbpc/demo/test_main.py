# SPDX-License-Identifier: Apache-2.0
"""The command: what it refuses before it loads a model."""

import socket
import sys

import pytest

from espnet_cbpc.demo import server
from espnet_cbpc.demo.main import _search, get_parser, main
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.utils.cli import UserError


def test_the_search_is_the_one_given_else_the_packed_one_else_quick(tmp_path):
    model, packed, given = (tmp_path / name for name in ("model.pth", "decode.yaml", "own.yaml"))
    given.write_text("beam_size: 7\n")
    assert _search(None, model) == DecodingConfig(beam_size=1)
    packed.write_text("beam_size: 5\n")
    assert _search(None, model) == DecodingConfig(beam_size=5)
    assert _search(str(given), model) == DecodingConfig(beam_size=7)


@pytest.fixture(autouse=True)
def same_environment(monkeypatch):
    monkeypatch.setattr(server.signal, "signal", lambda *_: None)
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "GRADIO_RUN_HISTORY"):
        monkeypatch.setenv(name, "as before")


def test_listens_on_this_machine_alone_unless_told_otherwise():
    assert get_parser().parse_args([]).host == "127.0.0.1"


def test_a_port_in_use():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: cannot listen .*in use"):
            main(["--model", "nowhere", "--port", str(port)])


@pytest.mark.parametrize(
    "options, message",
    [
        (["--port", "0"], "--port 0: must be from 1 to 65535"),
        (["--max_seconds", "0"], "--max_seconds 0.0: must be more than 0"),
        (["--max_waiting", "0"], "--max_waiting 0: must be at least 1"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid:7860: cannot listen"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UserError, match=message):
        main(["--model", "nowhere", *options])


def test_without_gradio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"^the demo needs gradio, .*espnet-cbpc\[demo\]"):
        with server.gradio_without_traces():
            pass


@pytest.mark.parametrize(
    "options, message",
    [
        (["--model", "./nowhere"], "./nowhere: no such file or folder"),
        (["--asr_model", "x"], "no model given: use --model, or both --asr_model and"),
        ([], "no model given"),
    ],
)
def test_a_model_that_is_not_there(options, message):
    pytest.importorskip("gradio", reason="SKIPPED: gradio is not installed")
    with pytest.raises(UserError, match=message):
        main([*options, "--port", "17860"])
