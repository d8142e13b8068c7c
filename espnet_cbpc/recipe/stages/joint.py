# SPDX-License-Identifier: Apache-2.0
"""Stages 11 to 13: acoustic tokenizer, statistics and joint training."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_cbpc import __version__
from espnet_cbpc.compat.releases import espnet_release
from espnet_cbpc.data.kaldi.deal import deal_table
from espnet_cbpc.data.kaldi.kaldi_dir import heard_table, read_table, write_table, write_tables
from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.recipe.inputs import File
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.recipe.layout import Experiment
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages.models import (
    asr_lengths,
    data_inputs,
    mixing_inputs,
    mixing_options,
    stats_step,
    training_step,
)
from espnet_cbpc.recipe.stages.training import Source, TrainingCommand, train
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.recipe.systems import JointSystem
from espnet_cbpc.utils.files import read_yaml, write_yaml

NOTHING_HEARD = "."  # instead of an empty transcript, which ESPnet's readers refuse
JOINT_TRAIN = "espnet_cbpc.bin.enh_asr_cbpc_train"


def tokenizer(recipe: Recipe) -> list[Step]:
    """Return the steps of the acoustic tokenizers, one for each configuration and ASR model."""
    steps = [
        _tokenizer(recipe, experiment, system)
        for experiment in recipe.experiments
        for system in recipe.layout.systems
    ]
    return list({step.name: step for step in steps}.values())


def _tokenizer(recipe: Recipe, experiment: Experiment, system: JointSystem) -> Step:
    o, layout, exp = recipe.options, recipe.layout, experiment.tokenizer(system)
    fit = _Fit(recipe, experiment, exp)

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        write_yaml(fit.config, system.tokenizer)
        features = fit.dump_features(jobs, "train", layout.train)
        words = [*fit.options, "--feature_dirs", *features, "--output_dir", exp]
        words += ["--valid_clean_scp", layout.valid / "clean.scp"]
        words += ["--valid_noisy_scp", heard_table(layout.valid)]
        words += ["--alignment", o.alignment] if o.alignment else []
        jobs.run(recipe.on_gpu("fit_tokenizer", words, exp / "fit_tokenizer.log"))
        print((exp / "fit_tokenizer.log").read_text(encoding="utf-8").splitlines()[-1])
        if o.dump_labels:
            fit.dump_labels(jobs, "train", layout.train, features)
            features = fit.dump_features(jobs, "valid", layout.valid)
            fit.dump_labels(jobs, "valid", layout.valid, features)
        shutil.rmtree(exp / "features")

    inputs: dict[str, Any] = {**data_inputs(recipe), "asr": experiment.asr, **recipe.frames}
    inputs.update(tokenizer_conf=dict(system.tokenizer), dump_labels=o.dump_labels)
    if o.alignment:
        inputs["alignment"] = File(o.alignment)
    log = exp / "fit_tokenizer.log"
    return Step(exp.name, inputs, (exp,), run, is_training=True, log=log)


class _Fit:
    """The jobs of a tokenizer's fit."""

    def __init__(self, recipe: Recipe, experiment: Experiment, exp: Path):
        self.recipe, self.exp, self.config = recipe, exp, exp / "tokenizer.yaml"
        asr = experiment.asr
        self.options = ["--config", self.config, "--asr_train_config", asr.exp / "config.yaml"]
        self.options += ["--asr_model_file", asr.exp / asr.checkpoint, "--fs", recipe.options.fs_hz]

    def dump_features(self, jobs: Jobs, split: str, folder: Path) -> list[Path]:
        """Write encoder outputs of clean speech by several jobs; returns their folders."""
        count = 1 if self.recipe.ngpu else self.recipe.options.nj
        features = [self.exp / "features" / f"{split}.{job}" for job in range(1, count + 1)]
        features[0].parent.mkdir(parents=True, exist_ok=True)
        deal_table(folder / "clean.scp", [f"{path}.scp" for path in features])
        place = self.exp / "features" / f"{split}.JOB"
        words = [*self.options, "--wav_scp", f"{place}.scp", "--output_dir", place]
        log = self.exp / f"dump_features_{split}.JOB.log"
        jobs.run_array(self.recipe.on_gpu("dump_encoder_features", words, log), count)
        return features

    def dump_labels(self, jobs: Jobs, split: str, folder: Path, features: list[Path]) -> None:
        """Write the pseudo-labels of stored features; other utterances have none."""
        words = ["--tokenizer", self.exp / "tokenizer.safetensors", "--feature_dirs", *features]
        words += ["--all_of", folder / "wav.scp", "--output_dir", self.exp / "labels" / split]
        log = self.exp / f"dump_labels_{split}.log"
        jobs.run(Job("espnet_cbpc.bin.dump_labels", list(map(str, words)), log))


def joint_statistics(recipe: Recipe) -> list[list[Step]]:
    """Return chains of what joint training reads besides the data: own transcripts, statistics.

    Lengths depend neither on the SE model nor on how the joint model is trained: one set serves all
    joint systems with an ASR model, and all its seeds.
    """
    chains = {experiment.joint_stats: experiment for experiment in recipe.experiments}
    return [
        [*_own_transcripts(recipe, experiment), _joint_statistics(recipe, experiment)]
        for experiment in chains.values()
    ]


def _own_transcripts(recipe: Recipe, experiment: Experiment) -> list[Step]:
    """Return the step in which the ASR model transcribes the clean speech of training, if any."""
    o, asr, out = recipe.options, experiment.asr, experiment.own_transcripts
    if not o.own_transcripts:
        return []
    log = out / "enh_asr_inference.log"

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        folders = []
        for split, data in (("train", recipe.layout.train), ("valid", recipe.layout.valid)):
            folders.append(out / "data" / split)
            tables = {"wav.scp": "spk1.scp", "utt2spk": "utt2spk"}
            write_tables(folders[-1], {to: read_table(data / of) for to, of in tables.items()})
        words = ["--config", o.inference_config, "--fs", o.fs_hz, "--num_threads", jobs.threads]
        words += ["--data_dirs", *folders, "--output_dir", out]
        words += ["--asr_train_config", asr.exp / "config.yaml"]
        words += ["--asr_model_file", asr.exp / asr.checkpoint]
        jobs.run(recipe.on_gpu("enh_asr_inference", words, log))
        for split in ("train", "valid"):
            found = read_table(out / split / "text", allow_empty=True)
            written = {utterance: text or NOTHING_HEARD for utterance, text in found.items()}
            write_table(out / split / "transcripts", written)

    inputs = {**data_inputs(recipe), "asr": asr, "fs": o.fs_hz}
    inputs.update(inference_config=read_yaml(o.inference_config))
    inputs.update(espnet=espnet_release(), espnet_cbpc=__version__)
    return [Step(out.name, inputs, (out,), run, log=log)]


def _joint_statistics(recipe: Recipe, experiment: Experiment) -> Step:
    stats, system = experiment.joint_stats, recipe.layout.systems[-1]
    config = stats.with_suffix(".yaml")
    command = _command(recipe, experiment, system, config, reads_text=_has_text(recipe))

    # what is mixed and which labels are read does not alter lengths
    plain = command._replace(
        sources=[source for source in command.sources if source.name != "labels"],
        options=["--config", str(config)],
    )

    def prepare() -> None:
        write_yaml(config, _joint_config(recipe, experiment, system))

    inputs = {**data_inputs(recipe), **asr_lengths(recipe, experiment)}
    inputs["use_transcripts"] = recipe.options.use_transcripts
    inputs.update(_own_texts(recipe, experiment))
    return stats_step(recipe, stats, plain, inputs, prepare)


def _command(
    recipe: Recipe,
    experiment: Experiment,
    system: JointSystem,
    config: Path,
    reads_text: bool,
) -> TrainingCommand:
    o = recipe.options
    sources = [Source("wav.scp", "speech", "sound"), Source("spk1.scp", "speech_ref1", "sound")]
    sources.append(Source("utt2category", "utt2category", "text"))
    shapes = ["speech"]
    if reads_text:
        text = f"{experiment.own_transcripts}/SPLIT/transcripts" if o.own_transcripts else "text"
        sources.append(Source(text, "text_spk1", "text"))
        shapes.append("text_spk1")
    if o.dump_labels:
        labels = experiment.tokenizer(system) / "labels" / "SPLIT" / "labels.scp"
        sources.append(Source(str(labels), "labels", "kaldi_ark"))
    options = ["--config", str(config), *mixing_options(recipe)]
    return TrainingCommand(JOINT_TRAIN, sources, shapes, (), options)


def _has_text(recipe: Recipe) -> bool:
    """Return whether there are transcripts of the training speech."""
    return recipe.options.use_transcripts or recipe.options.own_transcripts


def _reads_text(recipe: Recipe, system: JointSystem) -> bool:
    """Return whether a system is given transcripts; without its ASR loss, where it needs them."""
    if recipe.options.use_transcripts:
        return True
    distillation = (system.config.get("joint_conf") or {}).get("self_distillation")
    return (
        _has_text(recipe) and distillation is not None and distillation.get("posteriors") != "ctc"
    )


def _own_texts(recipe: Recipe, experiment: Experiment) -> dict[str, File]:
    """Return the inputs that the ASR model's own transcripts are."""
    if not recipe.options.own_transcripts:
        return {}
    folder = experiment.own_transcripts
    return {
        f"{split}_transcripts": File(folder / split / "transcripts") for split in ("train", "valid")
    }


def _joint_config(recipe: Recipe, experiment: Experiment, system: JointSystem) -> dict[str, Any]:
    """Return the architectures of both models with the system's training options."""
    o = recipe.options
    config = joint_config(
        system.config,
        read_yaml(experiment.asr.exp / "config.yaml"),
        read_yaml(experiment.enh.exp / "config.yaml"),
        system.tokenizer.get("layer"),
        o.fs_hz,
        o.asr_update,
        o.use_transcripts,
    )
    fitted = experiment.tokenizer(system) / "tokenizer.safetensors"
    return {**config, "tokenizer_init": str(fitted)}


def joint(recipe: Recipe) -> list[Step]:
    """Return the steps of joint training: all systems of all seeds."""
    return [
        _joint(recipe, experiment, system)
        for experiment in recipe.experiments
        for system in recipe.layout.systems
    ]


def _joint(recipe: Recipe, experiment: Experiment, system: JointSystem) -> Step:
    o, exp = recipe.options, experiment.joint(system).exp
    asr, enh, config = experiment.asr, experiment.enh, exp / "joint.yaml"
    reads_text = _reads_text(recipe, system)
    command = _command(recipe, experiment, system, config, reads_text)
    extra = shlex.split(o.enh_asr_args)
    options = [*experiment.seed_options, "--init_param", f"{asr.exp}/{asr.checkpoint}::s2t_model"]
    options += [f"{enh.exp}/{enh.checkpoint}::enh_model", *extra]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        write_yaml(config, _joint_config(recipe, experiment, system))
        train(recipe, jobs, command, experiment.joint_stats, exp, options)

    fitted = File(experiment.tokenizer(system) / "tokenizer.safetensors")
    inputs = {**data_inputs(recipe), "asr": asr, "enh": enh, "tokenizer": fitted}
    inputs.update(config=dict(system.config), enh_asr_args=extra, seed=experiment.seed)
    inputs.update(asr_update=o.asr_update, use_transcripts=o.use_transcripts)
    inputs.update(dump_labels=o.dump_labels, **mixing_inputs(recipe))
    if reads_text:
        inputs.update(_own_texts(recipe, experiment))
    return training_step(exp, inputs, run)
