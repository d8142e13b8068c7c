# SPDX-License-Identifier: Apache-2.0
"""Stages 16 to 18: report, packed models, upload."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_cbpc import __version__
from espnet_cbpc.recipe.inputs import Data, File, Files
from espnet_cbpc.recipe.jobs import Job, Jobs
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages.evaluation import normalizer_argument, score_inputs
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.files import read_yaml


def report(recipe: Recipe) -> list[Step]:
    """Return the steps of the report: tables, and the page where there are models to show."""
    if not recipe.sets_with_text():
        return []
    folders = result_folders(recipe)
    steps = [_tables(recipe, folders)]
    if not _has_models(recipe) and not recipe.options.dry_run:
        return steps
    if recipe.is_simulated(recipe.layout.valid):
        steps.append(_embedding_map(recipe))
    return [*steps, _page(recipe, folders)]


def _has_models(recipe: Recipe) -> bool:
    """Return whether there are models; imported results have only tables."""
    asr = recipe.experiments[0].asr
    return (asr.exp / asr.checkpoint).exists()


def result_folders(recipe: Recipe) -> dict[str, list[Path]]:
    """Return the folders of each system's results by the system's label.

    There is one for each seed, and a single one of a system that nothing was trained for, such as a
    pretrained ASR model by itself.
    """
    found: dict[str, list[Path]] = {}
    for experiment in recipe.experiments:
        for system in experiment.decoded():
            folders, folder = found.setdefault(system.label, []), experiment.folder(system)
            if folder not in folders:
                folders.append(folder)
    return found


def _seeds(recipe: Recipe) -> str:
    o = recipe.options
    if o.train_seeds != (None,):
        return " ".join(map(str, o.train_seeds))
    trained = [o.enh_config] if o.asr_model else [o.asr_config, o.enh_config]
    configs: list[Mapping[str, Any]] = [read_yaml(path) for path in trained]
    configs += [system.config for system in recipe.layout.systems]
    return ",".join(sorted({str(config["seed"]) for config in configs if "seed" in config}))


def _tables(recipe: Recipe, folders: dict[str, list[Path]]) -> Step:
    o, layout = recipe.options, recipe.layout
    sets = recipe.sets_with_text()
    arguments: dict[str, Any] = {
        "sets": sets,
        "breakdown": list(o.breakdown),
        "block": o.block or None,
        "compare_with": recipe.compared_with,
        "seed": o.seed,
        "header": {"data": layout.data_note, "training seeds": _seeds(recipe)},
        **normalizer_argument(recipe),
    }
    noisy = layout.noisy_scores if set(sets) & set(recipe.quality_sets()) else None
    systems = {label: list(map(str, found)) for label, found in folders.items()}

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        from espnet_cbpc.scoring.report.gather import write_report  # slow to import

        write_report(
            systems,
            layout.raw,
            output=layout.results,
            noisy_scores=noisy,
            notes=o.report_notes or None,
            **arguments,
        )
        print(f"results: {layout.results}")
        if not _has_models(recipe):
            print(f"no {layout.page}: {recipe.experiments[0].asr.exp} has no model")

    inputs = {**arguments, "systems": systems, "espnet_cbpc": __version__}
    inputs.update({str(f): score_inputs(f) for found in folders.values() for f in found})
    inputs.update({name: Files(layout.raw / name, ("text", "utt2*")) for name in sets})
    if noisy:
        inputs["noisy_scores"] = score_inputs(noisy)
    if o.report_notes:
        inputs["report_notes"] = File(o.report_notes)
    name = f"report_{str(layout.results).replace('/', '_')}"
    outputs = (layout.results, layout.numbers)
    return Step(name, inputs, outputs, run, moves=(), records=layout.expdir)


def _embedding_map(recipe: Recipe) -> Step:
    """Return the step that maps frames before joint training and after it."""
    o, layout, experiment = recipe.options, recipe.layout, recipe.experiments[0]
    systems, tested = layout.systems, recipe.compared_with
    shown = [s for s in systems if s is systems[0] or s.label in tested]
    joint = {system.label: experiment.joint(system) for system in shown}
    asr, enh, fitted = experiment.asr, experiment.enh, experiment.tokenizer(systems[-1])
    log = layout.expdir / "embedding_map.log"
    words = ["--asr_train_config", asr.exp / "config.yaml"]
    words += ["--asr_model_file", asr.exp / asr.checkpoint]
    words += ["--enh_train_config", enh.exp / "config.yaml"]
    words += ["--enh_model_file", enh.exp / enh.checkpoint, "--joint"]
    words += [f"{k}={m.exp / 'config.yaml'},{m.exp / m.checkpoint}" for k, m in joint.items()]
    words += [
        "--tokenizer",
        fitted / "tokenizer.safetensors",
        "--config",
        fitted / "tokenizer.yaml",
    ]
    words += ["--data_dir", layout.valid, "--fs", o.fs_hz, "--seed", o.seed]
    words += ["--output", layout.embedding_map]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(recipe.on_gpu("map_embeddings", words, log))

    inputs = {**joint, "asr": asr, "enh": enh, "tokenizer": File(fitted / "tokenizer.safetensors")}
    inputs.update(data=Data(layout.valid), seed=o.seed)
    return Step("embedding_map", inputs, (layout.embedding_map,), run, moves=(), log=log)


def _page(recipe: Recipe, folders: dict[str, list[Path]]) -> Step:
    o, layout, first = recipe.options, recipe.layout, recipe.experiments[0]
    experiments = {"ASR on clean speech": [first.asr.exp], "SE": [first.enh.exp]}
    for system in first.decoded():
        if system.kind in ("multicondition", "joint") and not system.share:
            experiments[system.label] = [path.parent for path in folders[system.label]]
    fitted = first.tokenizer(layout.systems[-1])
    embedding_map = layout.embedding_map if recipe.is_simulated(layout.valid) else None
    log = layout.expdir / "html_report.log"
    words = ["--results", layout.numbers, "--data_root", layout.raw, "--tokenizer", fitted]
    words += ["--systems", *(f"{k}={','.join(map(str, v))}" for k, v in folders.items())]
    words += ["--experiments", *(f"{k}={','.join(map(str, v))}" for k, v in experiments.items())]
    words += ["--embedding_map", embedding_map] if embedding_map else []
    words += ["--seed", o.seed, "--output", layout.page]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(Job("espnet_cbpc.bin.html_report", list(map(str, words)), log))
        print(f"report: {layout.page}")

    inputs = {"results": File(layout.numbers), "options": list(map(str, words))}
    inputs.update({str(f): score_inputs(f) for found in folders.values() for f in found})
    if embedding_map:
        inputs["embedding_map"] = File(embedding_map)
    name = f"page_{str(layout.page).replace('/', '_')}"
    return Step(name, inputs, (layout.page,), run, moves=(), log=log, records=layout.expdir)


def pack(recipe: Recipe) -> list[Step]:
    """Return the step that packs the main joint model for stock ESPnet."""
    o, layout, system = recipe.options, recipe.layout, recipe.layout.systems[-1]
    model = recipe.experiments[0].joint(system)
    packed, scores = model.exp / "packed", layout.numbers
    log = packed / "export.log"
    words = ["--expdir", model.exp, "--model_file", model.exp / model.checkpoint]
    words += ["--outdir", packed, "--decode_config", o.inference_config, "--data", layout.data_note]
    words += ["--license", o.model_license]
    inputs: dict[str, Any] = {"model": model, "inference_config": read_yaml(o.inference_config)}
    inputs.update(data_note=layout.data_note, model_license=o.model_license)
    if scores.is_file():
        words += ["--results", scores, "--system", system.label]
        inputs["results"] = File(scores)

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(Job("espnet_cbpc.bin.export", list(map(str, words)), log))

    return [Step("pack", inputs, (packed,), run, log=log)]


def upload(recipe: Recipe) -> list[Step]:
    """Return the step that uploads the packed model; none without --hf_repo."""
    o = recipe.options
    if not o.hf_repo:
        return []
    packed = recipe.experiments[0].joint(recipe.layout.systems[-1]).exp / "packed"
    log = packed / "upload.log"
    words = ["--packed", str(packed), "--repo", o.hf_repo]

    def run(jobs: Jobs, steps: Sequence[Step]) -> None:
        jobs.run(Job("espnet_cbpc.bin.upload", words, log))

    inputs = {"packed": Files(packed, ("*.zip", "*.md")), "hf_repo": o.hf_repo}
    return [Step("upload", inputs, (log,), run, moves=(), log=log)]
