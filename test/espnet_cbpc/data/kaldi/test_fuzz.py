# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in tables and headers, there is a result or a message, never a traceback."""

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_audio import encoded, speech

from espnet_cbpc.bin import validate_data_dir
from espnet_cbpc.data.audio.audio_file import AudioError, audio_blocks, read_audio, read_header
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.data.kaldi.token_list import make_token_list
from espnet_cbpc.data.mixing.random_part import random_part
from espnet_cbpc.utils.cli import UserError

PIECES = (
    ["u1", "u2", "u3", "ann", "one", "<unk>", "SIMU", "nan", "a.wav", "|", "\\", "/", "..", "é"]
    + [" ", " ", "  ", "\t", "\n", "\n", "\r\n", "\r", "\0", "\ufeff", "\u3000", "\u00a0", "\u2028"]
    + ["\u0085", "\x1c", "\u200b", "\U0001f600", "x" * 300]
)
TABLE = st.lists(st.sampled_from(PIECES), max_size=25).map(lambda parts: "".join(parts).encode())
CONTENT = st.one_of(TABLE, TABLE.map(lambda text: text + b"\xe9\n"), st.binary(max_size=40))
NAMES = ("wav.scp", "utt2spk", "text", "spk2utt", "utt2category", "spk1.scp", "utt2num_samples")
quick = settings(derandomize=True, deadline=None, max_examples=300, database=None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """New folders, one after the other."""
    root = tmp_path_factory.mktemp("fuzz")
    return (root / str(number) for number in itertools.count())


@quick
@given(tables=st.dictionaries(st.sampled_from(NAMES), CONTENT))
def test_data_directories(folders, tables):
    folder = next(folders)
    folder.mkdir()
    for name, content in tables.items():
        (folder / name).write_bytes(content)
    for options in ([], ["--fix"], ["--fix", "--audio", "--nj", "1"], ["--fix_drop"]):
        try:
            validate_data_dir.main([str(folder), *options])
        except UserError as e:
            assert str(folder) in str(e)
    repaired = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with contextlib.suppress(UserError):
        validate_data_dir.main([str(folder), "--fix"])
    assert {path: path.read_bytes() for path in repaired} == repaired


@quick
@given(content=CONTENT, token_type=st.sampled_from(["word", "char"]))
def test_tables_and_token_lists(folders, content, token_type):
    folder = next(folders)
    folder.mkdir()
    (folder / "text").write_bytes(content)
    for strict in (True, False):
        try:
            table = read_table(folder / "text", strict=strict)
        except UserError as e:
            assert str(e).startswith(str(folder / "text"))
        else:
            assert all(key == key.strip() and value for key, value in table.items())
    try:
        tokens = make_token_list(str(folder / "text"), token_type, 0, folder)
    except UserError:
        return
    assert len(set(tokens)) == len(tokens) and all(t == t.strip() != "" for t in tokens)


SAMPLES = speech(0.05)
HEADERS = {
    "PCM_16": encoded(SAMPLES)[: 44 + 400],
    "FLOAT": encoded(SAMPLES, subtype="FLOAT"),
    "GSM610": encoded(SAMPLES, subtype="GSM610"),
    "WAVEX": encoded(SAMPLES, "WAVEX"),
}
NUMBERS = [0, 1, 2, 3, 7, 8, 16, 24, 255, 256, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]


def spoilt(content, changes, end):
    """Return a file with numbers written over places of its header, cut or lengthened."""
    content = bytearray(content)
    for place, number in changes:
        content[place : place + 4] = number.to_bytes(4, "little")
    return bytes(content[:end]) if end < len(content) else bytes(content) + bytes(end % 50)


@quick
@given(
    kind=st.sampled_from(sorted(HEADERS)),
    changes=st.lists(st.tuples(st.integers(0, 80), st.sampled_from(NUMBERS)), max_size=3),
    end=st.integers(0, 2000),
)
def test_headers_of_wav_files(folders, kind, changes, end):
    path = next(folders).with_suffix(".wav")
    path.write_bytes(spoilt(HEADERS[kind], changes, end))
    ways = {
        "header": lambda: read_header(path),
        "whole": lambda: read_audio(path, channel=0)[0],
        "resampled": lambda: read_audio(path, 8000, channel=0)[0],
        "blocks": lambda: np.concatenate(list(audio_blocks(path, 8000, channel=0))),
        "part": lambda: random_part(path, 100, 8000, np.random.default_rng(0)),
    }
    found = {}
    for name, way in ways.items():
        try:
            found[name] = way()
        except AudioError as e:
            assert e.where == str(path) and "\n" not in str(e)
    if "whole" in found:
        assert len(found["whole"]) == found["header"][0] and np.isfinite(found["whole"]).all()
    if "resampled" in found:
        assert len(found["blocks"]) == len(found["resampled"])
