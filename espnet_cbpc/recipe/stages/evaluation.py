# SPDX-License-Identifier: Apache-2.0
"""Stages 14 and 15: inference and scoring of all systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_cbpc import __version__
from espnet_cbpc.compat.releases import espnet_release
from espnet_cbpc.data.kaldi.kaldi_dir import heard_table
from espnet_cbpc.recipe.inputs import Data, File, Files, Model
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.recipe.layout import Decoded, Experiment
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.scoring.wer.text_normalizer import NONE
from espnet_cbpc.utils.files import read_yaml


def decoded(recipe: Recipe) -> dict[Path, Any]:
    """Return the experiment and the system of each folder of results."""
    return {
        experiment.folder(system): (experiment, system)
        for experiment in recipe.experiments
        for system in experiment.decoded()
    }


def inference(recipe: Recipe) -> list[list[Step]]:
    """Return the steps that decode each set, a chain for each system."""
    return [
        [_inference(recipe, experiment, system, folder, name) for name in recipe.options.test_sets]
        for folder, (experiment, system) in decoded(recipe).items()
    ]


def _inference(
    recipe: Recipe, experiment: Experiment, system: Decoded, folder: Path, name: str
) -> Step:
    o, raw = recipe.options, recipe.layout.raw
    log = folder / "enh_asr_inference.log"

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        words = ["--config", o.inference_config, "--fs", o.fs_hz, "--num_threads", jobs.threads]
        words += ["--data_dirs", *(raw / step.outputs[0].name for step in steps)]
        words += ["--output_dir", folder, *model_options(recipe, experiment, system)]
        jobs.run(recipe.on_gpu("enh_asr_inference", words, log))

    inputs: dict[str, Any] = {model.exp.name: model for model in experiment.models(system)}
    inputs.update(data=Data(raw / name), inference_config=read_yaml(o.inference_config))
    inputs.update(fs=o.fs_hz, espnet=espnet_release(), espnet_cbpc=__version__)
    if system.share:
        inputs["observation_adding"] = system.share
    if system.source:
        inputs["enhanced"] = Files(Path(system.source) / name, ("*.wav", "*.flac", "*.scp"))
    if o.use_lm:
        inputs["lm"] = Model(recipe.layout.lm, o.inference_lm)
    return Step(f"inference_{name}", inputs, (folder / name,), run, batch=str(folder), log=log)


def model_options(recipe: Recipe, experiment: Experiment, system: Decoded) -> list[Any]:
    """Return the options that name the models of a system."""
    o, kinds = recipe.options, {"joint": ["enh_asr"]}.get(system.kind, ["asr", "enh"])
    words: list[Any] = []
    for kind, model in zip(kinds, experiment.models(system)):
        words += [f"--{kind}_train_config", model.exp / "config.yaml"]
        words += [f"--{kind}_model_file", model.exp / model.checkpoint]
    if system.source:
        words += ["--enhanced", system.source]
    if system.share:
        words += ["--observation_adding", system.share]
    if o.use_lm:
        lm = recipe.layout.lm
        words += ["--lm_train_config", lm / "config.yaml", "--lm_file", lm / o.inference_lm]
    return words


def scoring(recipe: Recipe) -> list[Step]:
    """Return the steps that score each set of each system, and the noisy speech itself."""
    layout, steps = recipe.layout, []
    for name in recipe.quality_sets():
        noisy = {"noisy": Data(layout.raw / name)}
        scp, out = heard_table(layout.raw / name), layout.noisy_scores / name
        steps.append(_quality(recipe, name, scp, out, noisy))
    for folder, (_, system) in decoded(recipe).items():
        steps += [_errors(recipe, name, folder / name) for name in recipe.sets_with_text()]
        for name in recipe.quality_sets() if system.enhances else ():
            scp = folder / name / "enhanced" / "spk1.scp"
            inputs = {"noisy": Data(layout.raw / name), "enhanced": Data(scp.parent)}
            steps.append(_quality(recipe, name, scp, folder / name, inputs))
    return steps


def _errors(recipe: Recipe, name: str, out: Path) -> Step:
    data = recipe.layout.raw / name
    files: dict[str, Any] = {"ref": data / "text", "hyp": out / "text", "utt2spk": data / "utt2spk"}
    texts = normalizer_argument(recipe)

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        from espnet_cbpc.scoring.wer.score_wer import score_asr  # slow to import

        for kind, total in score_asr(**files, outdir=out, **texts).items():
            rate, errors, words = 100 * total.rate, total.errors, total.words
            print(f"{out}: {kind.upper()} {rate:.1f} % ({errors} errors in {words})")

    inputs: dict[str, Any] = {kind: File(path) for kind, path in files.items()}
    inputs.update(espnet_cbpc=__version__, **texts)
    return Step("score_asr", inputs, (out / "score_wer", out / "score_cer"), run)


def normalizer_argument(recipe: Recipe) -> dict[str, str]:
    """Return the argument that names the normaliser; none without one, as in earlier records."""
    name = recipe.options.text_normalizer
    return {} if name == NONE else {"text_normalizer": name}


def _quality(recipe: Recipe, name: str, scp: Path, out: Path, inputs: Mapping[str, Any]) -> Step:
    data, log, scores = recipe.layout.raw / name, out / "score_enh.log", out / "score_enh"
    words = ["--ref_scp", data / "spk1.scp", "--utt2category", data / "utt2category"]
    words += ["--inf_scp", scp, "--outdir", scores, "--nj", recipe.options.nj]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(Job("espnet_cbpc.bin.score_enh", list(map(str, words)), log))

    inputs = {**inputs, "espnet_cbpc": __version__}
    return Step("score_enh", inputs, (scores,), run, log=log)


def score_inputs(folder: Path) -> Files:
    """Return the input of what is made of the results of a system: texts and scores."""
    return Files(folder, ("*/text", "*/decoding.jsonl", "*/score_enh/*", "*/*_spk1"))
