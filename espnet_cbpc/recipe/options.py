# SPDX-License-Identifier: Apache-2.0
"""The options of a recipe, and how the command line is parsed."""

import dataclasses
import difflib
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.recipe.stage_names import STAGES, stage_number
from espnet_cbpc.scoring.wer.text_normalizer import NONE, NORMALIZERS, check_normalizer
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import read_yaml


def _option(section: str, default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"section": section, "help": text})


_general = functools.partial(_option, "General")
_data = functools.partial(_option, "Data")
_tokens = functools.partial(_option, "Tokens and language model")
_models = functools.partial(_option, "Models")
_scoring = functools.partial(_option, "Inference and scoring")
_release = functools.partial(_option, "Publishing models")


@dataclasses.dataclass(frozen=True)
class RecipeOptions:
    """Every option of a recipe by its name; lists are given as words in one argument."""

    stage: int = _general(1, "first stage, by number or name")
    stop_stage: int = _general(len(STAGES), "last stage")
    skip_train: bool = _general(False, "skip stages 6-13; their outputs must exist")
    dry_run: bool = _general(False, "only print which steps would run, and why")
    status: bool = _general(
        False, "only print which steps are done, running or out of date, and their logs"
    )
    keep: bool = _general(False, "stop instead of replacing a fully trained model")
    adopt: bool = _general(False, "continue an experiment of version 0.1")
    nj: int = _general(2, "parallel jobs for data preparation, encoder features and scoring")
    train_nj: int = _general(1, "parallel training runs (stages 9, 10 and 13)")
    inference_nj: int = _general(2, "systems decoded in parallel")
    ngpu: Optional[int] = _general(None, "GPUs for training and inference; empty: 1 if available")
    num_nodes: int = _general(1, "machines for training")
    dumpdir: str = _general("dump", "folder of the formatted data")
    expdir: str = _general("exp", "folder of the experiments")
    seed: int = _general(0, "random seed of the confidence intervals")
    train_seed: Optional[int] = _general(
        None,
        "random seed of all training runs, each seed in its own folders; empty: the configurations'",
    )
    seeds: tuple[str, ...] = _general(
        (), "several training seeds; each system is reported over all of them"
    )
    comparison: str = _general("", "YAML file of systems to compare, instead of enh_asr_config")
    systems: tuple[str, ...] = _general((), "names of the systems in it to use; empty: all")
    results: str = _general("", "the report, a Markdown file; empty: RESULTS.md in expdir")

    local_data_opts: str = _data("", "options of local/data.sh")
    train_set: str = _data("", "name of the directory in data/ for training")
    valid_set: str = _data("", "the same for validation")
    test_sets: tuple[str, ...] = _data((), "the same for testing")
    datadir: str = _data("data", "data directories")
    track: str = _data(
        "", "track, in a recipe with several: takes its defaults from conf/track_<track>.yaml"
    )
    fs: str = _data("16k", "sampling rate")
    ref_channel: int = _data(0, "reference channel of multichannel recordings, counted from 0")
    audio_format: str = _data("wav", "format of converted files: wav or flac")
    speed_perturb_factors: tuple[str, ...] = _data(
        (), 'speed perturbation, for example "0.9 1.0 1.1"'
    )
    min_wav_duration: float = _data(0.1, "shortest training utterance, in seconds")
    max_wav_duration: float = _data(20.0, "longest training utterance, in seconds")

    token_type: str = _tokens("bpe", "token type: bpe, char or word")
    nbpe: int = _tokens(500, "number of BPE tokens")
    bpemode: str = _tokens("unigram", "sentencepiece model type: unigram or bpe")
    use_lm: bool = _tokens(False, "train a language model (stages 6-8) and decode with it")
    lm_config: str = _tokens("", "configuration of the language model")
    lm_train_text: str = _tokens(
        "", "training text of the language model; empty: that of the training set"
    )

    asr_config: str = _models("conf/train_asr.yaml", "configuration of the ASR model")
    asr_model: str = _models(
        "",
        "a pretrained ASR model instead: folder, archive, config.yaml,model.pth, URL, tag of "
        "espnet_model_zoo, user/name[@revision] of Hugging Face, or whisper:NAME[:LANGUAGE[:TASK]]",
    )
    multicondition_asr_config: str = _models(
        "", "if given, stage 9 also fine-tunes the ASR model on noisy speech, without SE"
    )
    enh_config: str = _models("conf/train_enh.yaml", "configuration of the SE model")
    enh_model: str = _models("", "a pretrained SE model instead, in the same forms")
    model_cachedir: str = _models(
        "", "folder for downloads; empty: espnet_cbpc in the user's cache"
    )
    tokenizer_conf: str = _models("conf/tokenizer_kmeans.yaml", "configuration of the tokenizer")
    dump_labels: bool = _models(
        False, "label all clean speech in stage 11, and read the labels in joint training"
    )
    alignment: str = _models(
        "", "CTM file of valid_set's words or phones, to compare the clusters with"
    )
    enh_asr_config: str = _models("conf/train_enh_asr_cbpc.yaml", "configuration of joint training")
    asr_update: bool = _models(
        True, "false: freeze the ASR model in joint training, and adapt the SE model to it"
    )
    use_transcripts: bool = _models(
        True, "false: no ASR loss in joint training, and no text needed in the training data"
    )
    own_transcripts: bool = _models(
        False,
        "true: transcribe the clean training speech with the ASR model, and use these texts in "
        "joint training instead of the given ones (for self-distillation through the decoder)",
    )
    baseline_configs: tuple[str, ...] = _models(
        (), "further joint training configurations, to compare with"
    )
    dynamic_mixing_conf: str = _models(
        "", "YAML file: mix clean training speech with noise on the fly in stages 10 and 13"
    )
    asr_tag: str = _models("", "name of the ASR experiment; empty: from its configuration")
    enh_tag: str = _models("", "name of the SE experiment")
    enh_asr_tag: str = _models("", "name of the joint experiment")
    asr_args: str = _models("", "more options for ASR training")
    enh_args: str = _models("", "more options for SE training")
    enh_asr_args: str = _models("", "more options for joint training")
    stats_nj: int = _models(1, "parallel jobs that collect statistics")

    quality_sets: tuple[str, ...] = _scoring(
        (), "test sets on which to measure speech quality; empty: all; none: no set"
    )
    breakdown: tuple[str, ...] = _scoring(
        ("utt2snr",), "tables in the data directories; the report splits results by their values"
    )
    block: str = _scoring(
        "",
        "table in the data directories: utterances with the same value count as one in intervals",
    )
    compare_with: tuple[str, ...] = _scoring(
        (),
        "systems to test the others against: noenh, multicondition, cascade, a NAME of --enhanced, a "
        "joint system's name, each with _oaSHARE where observation adding is meant; empty: the last "
        "joint system",
    )
    report_notes: str = _scoring("", "Markdown file to append to the report")
    inference_config: str = _scoring("conf/decode.yaml", "decoding configuration")
    inference_asr_model: str = _scoring("valid.loss.ave.pth", "checkpoint of the ASR model")
    inference_enh_model: str = _scoring("valid.loss.ave.pth", "checkpoint of the SE model")
    inference_enh_asr_model: str = _scoring(
        "", "checkpoint of joint models; empty: the average by their best_model_criterion"
    )
    enhanced: tuple[str, ...] = _scoring(
        (), "NAME=DIR: further systems, enhanced by other tools: DIR/<test set>/<utterance>.wav"
    )
    observation_adding: tuple[str, ...] = _scoring(
        (),
        "adds systems in which this share of the noisy speech is added to the enhanced; auto: the "
        "ASR model chooses the share for each utterance",
    )
    observation_adding_to: tuple[str, ...] = _scoring(
        ("cascade", "enhanced"), "systems to use it with: cascade, enhanced, joint"
    )
    text_normalizer: str = _scoring(
        NONE, f"text normalisation before scoring: {' or '.join(NORMALIZERS)}"
    )
    inference_lm: str = _scoring("valid.loss.ave.pth", "checkpoint of the language model")
    inference_tag: str = _scoring("", "name of the decoding folders; empty: from inference_config")
    data_note: str = _scoring(
        "", "description of the data in the report and model card; empty: the folder's name"
    )

    model_license: str = _release(
        "", "licence of the packed models, such as apache-2.0; empty: not stated"
    )
    hf_repo: str = _release(
        "", "user/name on Hugging Face to upload to in stage 18; empty: no upload"
    )

    @property
    def fs_hz(self) -> int:
        """Return the sampling rate in Hz."""
        return sampling_rate(self.fs)

    @property
    def train_seeds(self) -> tuple[Optional[int], ...]:
        """Return the random seeds of training; None where the configurations have theirs."""
        return tuple(map(int, self.seeds)) or (self.train_seed,)


FIELDS = {field.name: field for field in dataclasses.fields(RecipeOptions)}
FILES: tuple[str, ...]
FILES = ("asr_config", "multicondition_asr_config", "enh_config", "tokenizer_conf", "comparison")
FILES += ("enh_asr_config", "baseline_configs", "inference_config", "lm_config")
FILES += ("dynamic_mixing_conf", "alignment", "report_notes")


def parse(words: Sequence[str]) -> RecipeOptions:
    """Return the options that a command line gives; the last of a name counts.

    An option is ``--name value``, with - or _ in its name; one that is true or false may stand
    alone.

    Raises:
        UserError: an unknown option (the nearest known one is named), a value that is missing or of
            the wrong kind, or options that do not go together.
    """
    given: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise UserError(f"{word}: write options as --name value; see --help")
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if name not in FIELDS:
            raise UserError(f"unknown option --{name}{_nearest(name, FIELDS)}; see --help")
        if equals:
            left.insert(0, value)
        given[name] = _value(name, left)
    options = RecipeOptions(**{**_of_track(given.get("track", "")), **given})
    _check(options)
    return options


def _of_track(track: str) -> dict[str, Any]:
    """Return the options that a track of the recipe has."""
    if not track:
        return {}
    path = Path("conf", f"track_{track}.yaml")
    if not path.is_file():
        tracks = sorted(p.stem[len("track_") :] for p in path.parent.glob("track_*.yaml"))
        raise UserError(f"--track {track}: no {path}: choose from {', '.join(tracks) or 'none'}")
    found = read_yaml(path)
    unknown = [name for name in found if name not in FIELDS]
    if unknown:
        raise UserError(f"{path}: unknown option {unknown[0]}{_nearest(unknown[0], FIELDS)}")
    words = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in found.items()}
    return {name: _value(name, [word]) for name, word in words.items()}


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean --{near[0]}?" if near else ""


def _value(name: str, left: list[str]) -> Any:
    """Take the value of an option off the words that are left."""
    default = FIELDS[name].default
    if isinstance(default, bool):
        return left.pop(0) == "true" if left and left[0] in ("true", "false") else _flag(name, left)
    if not left:
        raise UserError(f"option --{name} needs a value")
    word = left.pop(0)
    if name in ("stage", "stop_stage"):
        return stage_number(word, name)
    if isinstance(default, tuple):
        return tuple(word.split())
    kind = type(default) if isinstance(default, (int, float)) else str
    if FIELDS[name].type == Optional[int]:
        if not word:
            return None
        kind = int
    try:
        return kind(word)
    except ValueError:
        raise UserError(f"--{name} {word}: must be a number") from None


def _flag(name: str, left: Sequence[str]) -> bool:
    if left and not left[0].startswith("--"):
        raise UserError(f"--{name} {left[0]}: must be true or false")
    return True


def _check(options: RecipeOptions) -> None:
    for name in ("train_set", "valid_set", "test_sets"):
        if not getattr(options, name):
            raise UserError(f"--{name} is not given")
    for name in FILES:
        if name == "asr_config" and options.asr_model:
            continue
        files = getattr(options, name)
        for file in files if isinstance(files, tuple) else [files]:
            if file and not Path(file).is_file():
                raise UserError(f"{file}: no such file (--{name} names it)")
    for name in ("nj", "train_nj", "inference_nj", "stats_nj", "num_nodes"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1")
    if any(not seed.isdigit() for seed in options.seeds):
        raise UserError(f"--seeds {' '.join(options.seeds)}: must be whole numbers")
    if not options.use_transcripts and not options.asr_model:
        raise UserError("--use_transcripts false needs --asr_model, since ASR training needs text")
    if len(options.seeds) > 1 and (options.asr_tag or options.enh_tag or options.enh_asr_tag):
        raise UserError(
            "--asr_tag, --enh_tag and --enh_asr_tag name a single model: leave them out with --seeds"
        )
    if options.ref_channel < 0:
        raise UserError(f"--ref_channel {options.ref_channel}: must be at least 0")
    _check_enhancement(options)
    check_normalizer(options.text_normalizer)
    if options.results and not options.results.endswith(".md"):
        raise UserError(
            f"--results {options.results}: name a Markdown file, such as {options.expdir}/dev.md"
        )
    if options.use_lm:
        _check_language_model(options)


def _check_enhancement(options: RecipeOptions) -> None:
    for word in options.enhanced:
        name, equals, folder = word.partition("=")
        if not (name and equals and re.fullmatch(r"[\w.-]+", name)):
            raise UserError(f"--enhanced {word}: must be NAME=DIR, NAME of letters, digits and -_.")
        if not Path(folder).is_dir():
            raise UserError(f"--enhanced {word}: no such folder")
    for share in options.observation_adding:
        if share != "auto" and not _is_share(share):
            raise UserError(f"--observation_adding {share}: must be from 0 to 1, or auto")
    unknown = set(options.observation_adding_to) - {"cascade", "enhanced", "joint"}
    if unknown:
        raise UserError(
            f"--observation_adding_to {listed(sorted(unknown))}: must be of cascade, enhanced, joint"
        )


def _is_share(word: str) -> bool:
    try:
        return 0.0 <= float(word) <= 1.0
    except ValueError:
        return False


def _check_language_model(options: RecipeOptions) -> None:
    if not options.lm_config:
        raise UserError("--use_lm true needs --lm_config")
    if options.asr_model:
        raise UserError(
            "--use_lm true trains a model over the recipe's tokens, but --asr_model brings its own"
        )
    if read_yaml(options.inference_config).get("ctc_greedy"):
        raise UserError(
            f"--use_lm true: {options.inference_config} decodes by the best CTC path (ctc_greedy), "
            "which has no use for a language model: give another --inference_config"
        )


def usage() -> str:
    """Return the text of ``--help``."""
    lines = ["Usage: ./run.sh [--option value]...", "", "Stages:"]
    lines += [f"  {number:2} {s.name}: {s.title}" for number, s in enumerate(STAGES, 1)]
    section = ""
    for name, field in FIELDS.items():
        if field.metadata["section"] != section:
            section = field.metadata["section"]
            lines += ["", f"{section} (a recipe's run.sh sets some of these):"]
        lines.append(f"  --{name} {_shown(field.default)}".ljust(44) + field.metadata["help"])
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f'"{" ".join(default)}"'
    return '""' if default in ("", None) else str(default)
