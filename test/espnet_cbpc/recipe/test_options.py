# SPDX-License-Identifier: Apache-2.0
"""The command line of a recipe."""

import pytest

from espnet_cbpc.recipe.options import FIELDS, parse, usage
from espnet_cbpc.utils.cli import UserError

SETS = ["--train_set", "train", "--valid_set", "dev", "--test_sets", "a b"]


@pytest.fixture(autouse=True)
def configurations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    names = ("train_asr", "train_enh", "tokenizer_kmeans", "train_enh_asr_cbpc", "decode")
    for name in names:
        (tmp_path / "conf" / f"{name}.yaml").write_text("")


def test_values_have_their_kinds_and_the_last_counts():
    options = parse([*SETS, "--nj", "3", "--stop-stage", "scoring", "--nj=4", "--fs", "8k"])
    assert (options.nj, options.stop_stage, options.fs_hz) == (4, 15, 8000)
    assert options.test_sets == ("a", "b") and options.ngpu is None
    assert parse([*SETS, "--asr_args", "--max_epoch 1"]).asr_args == "--max_epoch 1"
    assert parse([*SETS, "--ngpu", ""]).ngpu is None and parse([*SETS, "--ngpu", "2"]).ngpu == 2


@pytest.mark.parametrize("words, expected", [([], True), (["true"], True), (["false"], False)])
def test_flags_stand_alone_or_with_a_value(words, expected):
    assert parse([*SETS, "--dry_run", *words, "--nj", "1"]).dry_run is expected
    assert parse([*SETS, "--dry_run", *words]).dry_run is expected


def test_options_of_a_track_yield_to_those_that_are_given(tmp_path):
    (tmp_path / "conf" / "track_6ch.yaml").write_text("expdir: exp_6ch\nnj: 3\nuse_lm: false\n")
    (tmp_path / "conf" / "track_1ch.yaml").write_text("")
    options = parse([*SETS, "--track", "1ch", "--nj", "5", "--track", "6ch"])
    assert (options.track, options.expdir, options.nj) == ("6ch", "exp_6ch", 5)
    with pytest.raises(UserError, match="--track 2ch: no conf/.*: choose from 1ch, 6ch"):
        parse([*SETS, "--track", "2ch"])
    (tmp_path / "conf" / "track_6ch.yaml").write_text("expdri: exp_6ch\n")
    with pytest.raises(UserError, match="unknown option expdri, did you mean --expdir"):
        parse([*SETS, "--track", "6ch"])


def test_seeds_are_one_or_several():
    assert parse(SETS).train_seeds == (None,)
    assert parse([*SETS, "--train_seed", "3"]).train_seeds == (3,)
    assert parse([*SETS, "--seeds", "0 7"]).train_seeds == (0, 7)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--no_such_option", "1"], "^unknown option --no_such_option; see --help$"),
        (["--stop_stag", "1"], "unknown option --stop_stag, did you mean --stop_stage?"),
        (["--PATH", "/tmp"], "unknown option --PATH"),
        (["--stage"], "option --stage needs a value"),
        (["stage=1"], "stage=1: write options as --name value"),
        (["--stage", "scorin"], "no such stage, did you mean scoring?"),
        (["--stage", "0"], "--stage 0: no such stage"),
        (["--nj", "many"], "--nj many: must be a number"),
        (["--nj", "0"], "--nj 0: must be at least 1"),
        (["--ref_channel", "-1"], "--ref_channel -1: must be at least 0"),
        (["--use_lm", "maybe"], "--use_lm maybe: must be true or false"),
        (["--use_lm", "true"], "--use_lm true needs --lm_config"),
        (["--use_transcripts", "false"], "--use_transcripts false needs --asr_model"),
        (["--asr_config", "no.yaml"], r"no.yaml: no such file \(--asr_config names it\)"),
        (["--test_sets", ""], "--test_sets is not given"),
        (["--results", "dev.json"], "--results dev.json: name a Markdown file, such as exp/dev.md"),
        (["--text_normalizer", "en"], "--text_normalizer en: must be none or whisper_en"),
        (["--seeds", "0 1", "--asr_tag", "x"], "name a single model: leave them out with --seeds"),
        (["--enhanced", "GTCRN"], "--enhanced GTCRN: must be NAME=DIR"),
        (["--enhanced", "a/b=conf"], "--enhanced a/b=conf: must be NAME=DIR"),
        (["--enhanced", "GTCRN=nowhere"], "--enhanced GTCRN=nowhere: no such folder"),
        (["--observation_adding", "0.3 1.5"], "--observation_adding 1.5: must be from 0 to 1"),
        (["--observation_adding_to", "cascade x"], "--observation_adding_to x: must be of"),
        (["--seeds", "0 one"], "--seeds 0 one: must be whole numbers"),
        (
            ["--use_lm", "true", "--lm_config", "conf/decode.yaml", "--asr_model", "x"],
            "--asr_model brings its own",
        ),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        parse([*SETS, *words])


def test_a_brought_asr_model_needs_no_configuration():
    words = [*SETS, "--asr_config", "no.yaml", "--asr_model", "whisper:tiny.en"]
    assert parse(words).asr_model == "whisper:tiny.en"


def test_greedy_search_has_no_use_for_a_language_model(tmp_path):
    (tmp_path / "conf" / "decode.yaml").write_text("ctc_greedy: true\n")
    with pytest.raises(UserError, match="give another --inference_config"):
        parse([*SETS, "--use_lm", "true", "--lm_config", "conf/decode.yaml"])


def test_help_has_every_option_and_stage():
    text = usage()
    assert all(f"--{name} " in text for name in FIELDS)
    assert "11 tokenizer: acoustic tokenizer" in text
    assert all(field.metadata["help"] for field in FIELDS.values())
