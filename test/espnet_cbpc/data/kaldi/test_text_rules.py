# SPDX-License-Identifier: Apache-2.0
"""One notion of white space, of text and of ids."""

import re

import pytest

from espnet_cbpc.data.kaldi.text_rules import (
    MOST_ID_BYTES,
    as_id,
    names_a_file,
    odd_space,
    read_lines,
    read_text,
    read_words,
    tidied,
)
from espnet_cbpc.utils.cli import UserError

SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


def test_white_space_is_what_python_and_espnet_split_at():
    assert {"\t", "\u0085", "\u00a0", "\u2028", "\u3000"} < set(SPACES)
    for space in SPACES:
        assert tidied(f"{space}one{space * 2}two{space}") == "one two"
        assert bool(odd_space(f"one{space}two")) == (space != " ")
        assert as_id(f"one{space}two") == "one_two"
    assert tidied("\u3000") == ""
    assert odd_space("a\u3000b\u00a0c\u3000\td\ufeff") == (
        "U+00A0, U+3000, a byte order mark, a tab"
    )


def test_lines_end_where_editors_end_them(tmp_path):
    (tmp_path / "t").write_bytes("\ufeffa\u2028b\u0085c\r\nd\x0ce\rf".encode())
    assert read_lines(tmp_path / "t") == ["a\u2028b\u0085c", "d\x0ce", "f"]
    assert read_words(tmp_path / "t") == "a b c d e f"
    assert read_words(tmp_path / "none") == ""


@pytest.mark.parametrize(
    "content, said",
    [
        ("a\nb caf\xe9\n".encode("cp1252"),
         "not UTF-8 text (byte 0xe9 in line 2), perhaps cp1252: convert the file (iconv -f "),
        ("don\u2019t".encode("cp1252"), "(byte 0x92 in line 1), perhaps cp1252"),
        ("a".encode("utf-16"), "not UTF-8 text (byte 0xff in line 1), perhaps UTF-16: convert"),
        ("abc".encode("utf-16-le"), "not UTF-8 text (it has zero bytes), perhaps UTF-16"),
        ("\u3042\u3044\u3046\u3048".encode("shift_jis"), "(byte 0x82 in line 1)"),
        (b"\x81\xff\n", "(byte 0x81 in line 1): convert the file (iconv -t UTF-8 -f, and the enc"),
    ],
)  # fmt: skip
def test_other_encodings_are_named(tmp_path, content, said):
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}: ") + ".*" + re.escape(said)):
        read_text(path)


def test_what_cannot_be_read_is_named(tmp_path):
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / ("a" * 300), "name too long")):
        with pytest.raises(UserError, match=rf"{re.escape(str(path))}: cannot be read \(.*{why}\)"):
            read_text(path)


def test_ids_that_can_name_files():
    assert names_a_file("a" * MOST_ID_BYTES) and names_a_file("\u3042" * 66)
    assert not names_a_file("a" * (MOST_ID_BYTES + 1)) and not names_a_file("\u3042" * 67)
    assert not names_a_file(".a") and not names_a_file("a/b") and not names_a_file("caf\udce9")
