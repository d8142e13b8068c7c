# SPDX-License-Identifier: Apache-2.0
"""Score folders: their files, their numbers, and the second opinion of sclite."""

import re
import shutil

import pytest

from espnet_cbpc.scoring.wer.error_counts import ErrorCounts
from espnet_cbpc.scoring.wer.sclite import MARK
from espnet_cbpc.scoring.wer.score_wer import score_asr, summary
from espnet_cbpc.utils.cli import UserError

SCLITE = """#!/bin/sh
cat <<'EOF'
     | SPKR   | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |
     | Sum/Avg|    3      9 | 66.7   22.2   11.1   11.1   44.4  66.7 |

     | SPKR   | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |
     | Sum    |    3      9 |    6      {sub}      1      1      4     2 |
EOF
"""


@pytest.fixture
def files(tmp_path):
    tables = {
        "ref": "s1-a one two three\ns1-b four five\ns2-c six seven eight nine\n",
        "hyp": "s1-a one too three three\ns1-b four five\ns2-c six eight ate\n",
        "utt2spk": "s1-a s1\ns1-b s1\ns2-c s2\n",
    }
    for name, content in tables.items():
        (tmp_path / name).write_text(content)
    return {name: tmp_path / name for name in (*tables, "out")}


def score(files):
    return score_asr(files["ref"], files["hyp"], files["utt2spk"], files["out"])


def test_score_folders(files, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sclite
    total = score(files)["wer"]
    wer, cer = tmp_path / "out" / "score_wer", tmp_path / "out" / "score_cer"
    assert (wer / "ref.trn").read_text().splitlines()[1] == "four five (s1-s1-b)"
    assert (cer / "hyp.trn").read_text().splitlines()[1] == ("f o u r <space> f i v e (s1-s1-b)")
    assert not (wer / "result.sclite.txt").exists()
    result = (wer / "result.txt").read_text()
    assert result.startswith(
        "WER 44.4 %: 4 errors (2 substitutions, 1 deletions, 1 insertions) in 9\n"
    )
    rows = {line.split()[1]: line.split()[3:] for line in result.splitlines() if line[:1] == "|"}
    assert rows["s1"] == ["2", "5", "80.0", "20.0", "0.0", "20.0", "40.0", "50.0"]
    assert rows["s2"] == ["1", "4", "50.0", "25.0", "25.0", "0.0", "50.0", "100.0"]
    assert rows["Sum/Avg"] == ["3", "9", "66.7", "22.2", "11.1", "11.1", "44.4", "66.7"]
    assert (total.errors, total.words) == (4, 9)


def test_empty_hypotheses_are_scored(files, tmp_path):
    (tmp_path / "hyp").write_text("s1-a\ns1-b\ns2-c\n")
    score(files)
    assert (tmp_path / "out/score_wer/hyp.trn").read_text().splitlines()[0] == " (s1-s1-a)"
    assert "WER 100.0 %" in (tmp_path / "out/score_wer/result.txt").read_text()


def test_refused_input_leaves_nothing(files, tmp_path):
    (tmp_path / "hyp").write_text("s1-a one\n")
    with pytest.raises(
        UserError, match=re.escape("2 utterance(s) without hypothesis (s1-b, s2-c)")
    ):
        score(files)
    (tmp_path / "utt2spk").write_text("s1-a s1\n")
    with pytest.raises(
        UserError, match=r"utt2spk: 2 utterance\(s\) of .*ref missing \(s1-b, s2-c\)"
    ):
        score(files)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sclite", "sctk"])
@pytest.mark.parametrize("sub, warned", [(2, False), (1, True)])
def test_sclite_is_compared_with(files, tmp_path, monkeypatch, caplog, name, sub, warned):
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    program.write_text(SCLITE.replace("{sub}", str(sub)))
    program.chmod(0o755)
    (program.parent / "cat").symlink_to(shutil.which("cat"))
    monkeypatch.setenv("PATH", str(program.parent))
    score(files)
    assert "Sum" in (tmp_path / "out/score_wer/result.sclite.txt").read_text()
    warnings = [m for m in caplog.messages if "score_wer: sclite DISAGREES" in m]
    assert bool(warnings) == warned


@pytest.mark.parametrize(
    "text, marks",
    [("{ one / two } @ three", "@, {"), ("one @ two", "@"), (";; one", ";;")],
)
def test_words_that_are_marks_to_sclite_are_the_reason(
    files, tmp_path, monkeypatch, caplog, text, marks
):
    (tmp_path / "ref").write_text(f"s1-a {text}\ns1-b four five\ns2-c six seven eight nine\n")
    program = tmp_path / "bin" / "sclite"
    program.parent.mkdir()
    program.write_text(SCLITE.replace("{sub}", "1"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    score(files)
    (told,) = [message for message in caplog.messages if "score_wer: sclite" in message]
    assert "sclite counts otherwise: it counts" in told and "DISAGREES" not in told
    assert told.endswith(f"; to sclite {marks} in 1 line(s) are marks, not words")


@pytest.mark.parametrize(
    "text", ["one/two", "(b)", "/", "}", "one;;two", "e@mail", "@one", "(s1-a"]
)
def test_signs_within_words_are_no_marks(text):
    assert not MARK.findall(f"one {text} two")


@pytest.mark.parametrize("text", ["\u3000", "\u00a0\u2028", " \ufeff"])
def test_a_reference_of_white_space_is_empty(files, tmp_path, text):
    (tmp_path / "ref").write_text("".join(f"s{i} {text}\n" for i in range(3)), encoding="utf-8")
    message = r"ref:1: 's0' has no value \(the like in lines 2, 3\)|ref: no reference has words"
    with pytest.raises(UserError, match=message):
        score(files)
    assert not (tmp_path / "out").exists()


def test_white_space_of_any_kind_parts_words(files, tmp_path):
    ref = "s1-a one\u3000two\u00a0three\ns1-b four\u2028five\ns2-c six seven\u0085eight nine\n"
    (tmp_path / "ref").write_text(ref, encoding="utf-8")
    total = score(files)["wer"]
    assert (total.errors, total.words) == (4, 9)
    assert (tmp_path / "out/score_wer/ref.trn").read_text() == (
        "one two three (s1-s1-a)\nfour five (s1-s1-b)\nsix seven eight nine (s2-s2-c)\n"
    )


def test_failing_sclite_is_reported(files, tmp_path, monkeypatch, caplog):
    program = tmp_path / "bin" / "sclite"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    score(files)
    assert "sclite failed, so there is no result.sclite.txt: broken" in caplog.text
    assert not (tmp_path / "out/score_wer/result.sclite.txt").exists()


def test_summary_of_a_speaker_with_a_long_name():
    table = summary({"u": ErrorCounts(2, 1, 0, 0)}, {"u": "a" * 20}, "wer").splitlines()
    assert len({line.index("|", 1) for line in table if line[:1] == "|"}) == 1
