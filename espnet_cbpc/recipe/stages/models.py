# SPDX-License-Identifier: Apache-2.0
"""Stages 6 to 10: language model, ASR and SE models, trained or pretrained."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Union

from espnet_cbpc.compat.array_options import stated_reference
from espnet_cbpc.model.joint_config import asr_config, check_use
from espnet_cbpc.recipe.inputs import Data, File, Model, local_model
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.recipe.layout import Experiment
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages.training import (
    HEARD,
    Source,
    TrainingCommand,
    collect_stats,
    mend,
    train,
)
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.recipe.systems import multicondition_config
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml, write_yaml

ASR_TRAIN, ENH_TRAIN = "espnet_cbpc.bin.asr_train", "espnet_cbpc.bin.enh_train"
TEXT = Source("text", "text", "text")


def token_options(recipe: Recipe) -> list[str]:
    """Return the options that name the tokens."""
    o, folder = recipe.options, recipe.layout.tokens
    words = ["--token_type", o.token_type, "--token_list", f"{folder}/tokens.txt"]
    return words + (["--bpemodel", f"{folder}/bpe.model"] if o.token_type == "bpe" else [])


def data_inputs(recipe: Recipe) -> dict[str, Any]:
    """Return the inputs of everything that is trained on the data."""
    return {"train": Data(recipe.layout.train), "valid": Data(recipe.layout.valid)}


def mixing_inputs(recipe: Recipe) -> dict[str, Any]:
    """Return what a change of dynamic mixing trains again."""
    path = recipe.options.dynamic_mixing_conf
    if not path:
        return {}
    config = read_yaml(path)
    files = {k: File(v) for k, v in config.items() if isinstance(v, str) and Path(v).is_file()}
    return {"dynamic_mixing_conf": config, **files}


def mixing_options(recipe: Recipe) -> list[str]:
    """Return the options of dynamic mixing."""
    path = recipe.options.dynamic_mixing_conf
    fs = f"fs={recipe.options.fs_hz}"
    return ["--dynamic_mixing_conf", path, "--dynamic_mixing_conf", fs] if path else []


def stats_step(
    recipe: Recipe,
    stats: Path,
    command: TrainingCommand,
    inputs: Mapping[str, Any],
    prepare: Callable[[], None] = lambda: None,
) -> Step:
    """Return the step that collects the statistics of a training; ``prepare`` comes first."""

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        prepare()
        collect_stats(recipe, jobs, command, stats)

    log = stats / "logdir" / "stats.1.log"
    return Step(stats.name, {**inputs, **recipe.frames}, (stats,), run, log=log)


def training_step(
    exp: Path, inputs: Mapping[str, Any], run: Callable[[Jobs, Sequence[Step]], None]
) -> Step:
    """Return the step of a training run in ``exp``."""
    return Step(exp.name, inputs, (exp,), run, is_training=True, log=exp / "train.log")


def brought(recipe: Recipe, kind: str, model: str, target: Model, checkpoint: str) -> Step:
    """Return the step that imports a pretrained model, verified, into its experiment folder."""
    log = recipe.layout.expdir / f"import_{target.exp.name}.log"
    words = ["--kind", kind, "--model", model, "--checkpoint", checkpoint]
    words += ["--outdir", str(target.exp)]
    if recipe.options.model_cachedir:
        words += ["--cachedir", recipe.options.model_cachedir]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        if not target.exp.exists():  # written atomically; then only the record was interrupted
            jobs.run(Job("espnet_cbpc.bin.import_model", words, log))
        if kind == "asr":
            o = recipe.options
            check_use(read_yaml(target.exp / "config.yaml"), o.asr_update, o.use_transcripts)
        else:
            check_reference(target.exp / "config.yaml", recipe.options.ref_channel)

    inputs: dict[str, Any] = {"model": model, "checkpoint": checkpoint}
    inputs.update({str(path): File(path) for path in local_model(model)})
    return Step(target.exp.name, inputs, (target.exp,), run, log=log)


def asr(recipe: Recipe) -> list[list[Step]]:
    """Return the steps of the ASR models, a chain for each seed."""
    o, chains = recipe.options, []
    for experiment in recipe.experiments:
        if o.asr_model:
            chain = [brought(recipe, "asr", o.asr_model, experiment.asr, o.inference_asr_model)]
        else:
            chain = _clean_asr(recipe, experiment)
        if o.multicondition_asr_config:
            chain += _multicondition_asr(recipe, experiment)
        chains.append(chain)
    return chains


def _clean_asr(recipe: Recipe, experiment: Experiment) -> list[Step]:
    o, exp = recipe.options, experiment.asr.exp
    stats = experiment.stats(f"asr_stats_{experiment.asr_tag}")
    options = ["--config", o.asr_config, "--use_preprocessor", "true", *token_options(recipe)]
    options += ["--frontend_conf", f"fs={o.fs_hz}", *shlex.split(o.asr_args)]
    # spk1.scp has a line for every utterance; but for real recordings it is that of clean.scp
    sources = (Source("spk1.scp", "speech", "sound"), TEXT)
    command = TrainingCommand(ASR_TRAIN, sources, ("speech", "text"), ("SIMU", "CLEAN"), options)

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        train(recipe, jobs, command, stats, exp, experiment.seed_options)

    inputs = {**data_inputs(recipe), "tokens": File(recipe.layout.tokens / "tokens.txt")}
    inputs.update(asr_config=read_yaml(o.asr_config), asr_args=shlex.split(o.asr_args), fs=o.fs_hz)
    return [
        stats_step(recipe, stats, command, inputs),
        training_step(exp, {**inputs, "seed": experiment.seed}, run),
    ]


def _multicondition_asr(recipe: Recipe, experiment: Experiment) -> list[Step]:
    """From the ASR model on clean speech, as joint training starts too, but on noisy speech."""
    o, exp, init = recipe.options, experiment.multicondition.exp, experiment.asr
    stats = experiment.stats(f"asr_stats_{exp.name[len('asr_') :]}")
    config, extra = multicondition_config(o), shlex.split(o.asr_args)
    sources = (Source(HEARD, "speech", "sound"), TEXT)
    written = stats.with_suffix(".yaml")
    command = TrainingCommand(
        ASR_TRAIN, sources, ("speech", "text"), (), ["--config", str(written), *extra]
    )

    def write(path: Path) -> None:
        write_yaml(path, asr_config(config, read_yaml(init.exp / "config.yaml")))

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        write(exp / "asr.yaml")
        own = command._replace(options=["--config", f"{exp}/asr.yaml", *extra])
        start = ["--init_param", f"{init.exp}/{init.checkpoint}"]
        train(recipe, jobs, own, stats, exp, [*experiment.seed_options, *start])

    inputs = {**data_inputs(recipe), "multicondition_asr_config": config, "asr_args": extra}
    lengths = {**inputs, **asr_lengths(recipe, experiment)}
    inputs.update(asr=init, seed=experiment.seed)
    return [
        stats_step(recipe, stats, command, lengths, lambda: write(written)),
        training_step(exp, inputs, run),
    ]


def asr_lengths(recipe: Recipe, experiment: Experiment) -> dict[str, Any]:
    """Return what the lengths of speech and of its tokens depend on, of the ASR model."""
    o = recipe.options
    if o.asr_model:
        return {"asr": experiment.asr}
    tokens = File(recipe.layout.tokens / "tokens.txt")
    return {
        "asr_config": read_yaml(o.asr_config),
        "asr_args": shlex.split(o.asr_args),
        "tokens": tokens,
    }


def enh(recipe: Recipe) -> list[list[Step]]:
    """Return the steps of the SE models, a chain for each seed."""
    o = recipe.options
    if o.enh_model:
        target = recipe.experiments[0].enh
        return [[brought(recipe, "enh", o.enh_model, target, o.inference_enh_model)]]
    return [_enh(recipe, experiment) for experiment in recipe.experiments]


def _enh(recipe: Recipe, experiment: Experiment) -> list[Step]:
    o, exp = recipe.options, experiment.enh.exp
    stats = experiment.stats(f"enh_stats_{experiment.enh_tag}")
    options = ["--config", o.enh_config, *reference_options(o.enh_config, o.ref_channel)]
    options += [*mixing_options(recipe), *shlex.split(o.enh_args)]
    sources = (Source("wav.scp", "speech_mix", "sound"), Source("spk1.scp", "speech_ref1", "sound"))
    shapes = tuple(source.name for source in sources)
    command = TrainingCommand(
        ENH_TRAIN, sources, shapes, ("SIMU",), options, bool(o.dynamic_mixing_conf)
    )

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        train(recipe, jobs, command, stats, exp, experiment.seed_options)

    inputs = {**data_inputs(recipe), "enh_config": read_yaml(o.enh_config)}
    inputs.update(enh_args=shlex.split(o.enh_args), **mixing_inputs(recipe))
    return [
        stats_step(recipe, stats, command, inputs),
        training_step(exp, {**inputs, "seed": experiment.seed}, run),
    ]


def reference_options(path: str, ref_channel: int) -> list[str]:
    """Return the options by which an SE model has the reference channel of the data.

    Args:
        path: its configuration.
        ref_channel: at which the clean references are.

    Raises:
        UserError: the model cannot have it.
    """
    config = read_yaml(path)
    if stated_reference(config) in (None, ref_channel):
        return []
    if config["separator"] == "fasnet":
        raise UserError(
            f"{path}: the reference of fasnet is the first channel, but --ref_channel is "
            f"{ref_channel}: have local/data.sh write that channel first"
        )
    return ["--separator_conf", f"ref_channel={ref_channel}"]


def check_reference(path: Path, ref_channel: int) -> None:
    """Raise ``UserError`` where the SE model of a configuration has another reference channel."""
    stated = stated_reference(read_yaml(path))
    if stated not in (None, ref_channel):
        raise UserError(
            f"{path}: the SE model's reference is channel {stated}, but --ref_channel is "
            f"{ref_channel}: give that channel"
        )


def lm_statistics(recipe: Recipe) -> list[Step]:
    """Return the step that collects the lengths of the language model's texts."""
    stats = recipe.layout.lm_stats
    text, valid = _lm_texts(recipe)
    words = ["--collect_stats", "true", "--output_dir", str(stats)]
    words += ["--train_shape_file", str(text), "--valid_shape_file", str(valid)]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(_lm_job(recipe, words, stats / "stats.log", 0))

    return [Step("lm_statistics", _lm_inputs(recipe), (stats,), run, log=stats / "stats.log")]


def lm_training(recipe: Recipe) -> list[Step]:
    """Return the step that trains the language model."""
    lm, stats = recipe.layout.lm, recipe.layout.lm_stats
    words = ["--resume", "true", "--output_dir", str(lm)]
    for split in ("train", "valid"):
        words += [f"--{split}_shape_file", f"{stats}/{split}/text_shape"]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        mend(lm)
        jobs.run(_lm_job(recipe, words, lm / "train.log", recipe.ngpu))

    return [
        Step("lm_training", _lm_inputs(recipe), (lm,), run, is_training=True, log=lm / "train.log")
    ]


def lm_perplexity(recipe: Recipe) -> list[Step]:
    """Return the step that measures the language model's perplexity."""
    o, lm = recipe.options, recipe.layout.lm
    folder, valid = lm / "perplexity", _lm_texts(recipe)[1]
    log = folder / "lm_calc_perplexity.log"
    words = ["--data_path_and_name_and_type", f"{valid},text,text"]
    words += ["--train_config", f"{lm}/config.yaml", "--model_file", f"{lm}/{o.inference_lm}"]
    words += ["--output_dir", str(folder), "--ngpu", str(recipe.inference_ngpu)]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(Job("espnet2.bin.lm_calc_perplexity", words, log, recipe.inference_ngpu))
        perplexity = (folder / "ppl").read_text().strip()
        logging.info("perplexity of the language model on %s: %s", o.valid_set, perplexity)

    inputs = {"lm": Model(lm, o.inference_lm), "valid": File(valid)}
    return [Step("lm_perplexity", inputs, (folder,), run, log=log)]


def _lm_texts(recipe: Recipe) -> tuple[Union[str, Path], Path]:
    o, layout = recipe.options, recipe.layout
    return o.lm_train_text or layout.train / "text", layout.valid / "text"


def _lm_inputs(recipe: Recipe) -> dict[str, Any]:
    text, valid = _lm_texts(recipe)
    tokens = File(recipe.layout.tokens / "tokens.txt")
    config = read_yaml(recipe.options.lm_config)
    return {"text": File(text), "valid": File(valid), "tokens": tokens, "lm_config": config}


def _lm_job(recipe: Recipe, words: list[str], log: Path, ngpu: int) -> Job:
    text, valid = _lm_texts(recipe)
    common = ["--ngpu", str(ngpu), "--use_preprocessor", "true", *token_options(recipe)]
    common += ["--config", recipe.options.lm_config]
    common += ["--train_data_path_and_name_and_type", f"{text},text,text"]
    common += ["--valid_data_path_and_name_and_type", f"{valid},text,text"]
    return Job("espnet2.bin.lm_train", [*common, *words], log, ngpu)
