# SPDX-License-Identifier: Apache-2.0
"""Folders of a recipe's data and models, named as in ESPnet's recipes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Optional

from espnet_cbpc.model_zoo.locate import ARCHIVE_SUFFIXES
from espnet_cbpc.model_zoo.whisper_name import WhisperName
from espnet_cbpc.recipe.inputs import Model
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.systems import JointSystem, joint_systems
from espnet_cbpc.scoring.report.results import numbers_file
from espnet_cbpc.utils.cli import UserError, listed

BROUGHT = "model.pth"  # the checkpoint of an imported model


def name_of_model(model: str) -> str:
    """Return a file name for an imported model."""
    whisper = WhisperName.of(model)
    if whisper is not None:
        return whisper.label
    path = model.rpartition(",")[2]  # of config.yaml,model.pth the latter
    if path.endswith(".pth"):
        path = str(Path(path).parent)
    elif "://" in path:
        path = re.split("[?#]", path)[0]
    if Path(path).exists():
        path = str(Path(path).resolve())
    name = path.rstrip("/").split("/")[-1]
    suffix = next((s for s in ARCHIVE_SUFFIXES if name.endswith(s)), "")
    return re.sub(r"[^\w.-]+", "_", name.removesuffix(suffix), flags=re.ASCII)


def corpus_name(recipe: Path) -> str:
    """Return the name of a recipe's corpus: its folder's, or in egs2/ that of the one above."""
    return recipe.parent.name if recipe.name.startswith("enh_asr_cbpc") else recipe.name


class Layout:
    """The folders that all training seeds share.

    Args:
        options: of the recipe.
    """

    def __init__(self, options: RecipeOptions):
        self.options = options
        self.expdir = Path(options.expdir)
        self.data, self.raw = Path(options.datadir), Path(options.dumpdir) / "raw"
        self.data_train = options.train_set + ("_sp" if options.speed_perturb_factors else "")
        self.train, self.valid = self.raw / self.data_train, self.raw / options.valid_set
        size = options.nbpe if options.token_type == "bpe" else ""
        self.tokens = self.expdir / f"token_list_{options.token_type}{size}"
        self.lm = self.expdir / f"lm_{options.token_type}"
        self.lm_stats = self.expdir / f"{self.lm.name}_stats"
        default = f"{Path(options.inference_config).stem}{'_lm' if options.use_lm else ''}"
        self.inference_tag = options.inference_tag or default
        self.noisy_scores = self.expdir / "noisy_scores"
        self.results = Path(options.results or self._report_folder() / "RESULTS.md")
        self.numbers = numbers_file(self.results)
        page = "report" if self.results.name == "RESULTS.md" else self.results.stem
        self.page = self.results.with_name(f"{page}.html")
        self.embedding_map = self._report_folder() / "embedding_map.npz"
        self.data_note = options.data_note or corpus_name(Path.cwd())

    def _report_folder(self) -> Path:
        comparison = self.options.comparison
        return self.expdir / Path(comparison).stem if comparison else self.expdir

    @cached_property
    def systems(self) -> list[JointSystem]:
        """Return the joint systems."""
        return joint_systems(self.options)

    def experiments(self) -> Iterator["Experiment"]:
        """Yield the models of each training seed."""
        for seed in self.options.train_seeds:
            yield Experiment(self, seed)


@dataclass(frozen=True)
class Decoded:
    """A system that is decoded and scored.

    Attributes:
        kind: ``asr``, ``multicondition``, ``cascade``, ``enhanced`` or ``joint``.
        key: what options call it.
        label: in reports.
        name: of its folder.
        share: of observation adding, as a number or ``auto``.
        source: folder of speech that others enhanced.
    """

    kind: str
    key: str
    label: str
    name: str
    share: str = ""
    source: str = ""

    @property
    def enhances(self) -> bool:
        """Return whether it writes enhanced speech."""
        return self.kind not in ("asr", "multicondition")


class Experiment:
    """The models of one training seed.

    Args:
        layout: of all seeds.
        seed: None where the configurations have theirs.
    """

    def __init__(self, layout: Layout, seed: Optional[int]):
        options = layout.options
        self.layout, self.options, self.seed = layout, options, seed
        self.suffix = "" if seed is None else f"_seed{seed}"
        self.seed_options = [] if seed is None else ["--seed", str(seed)]
        asr = f"{Path(options.asr_config).stem}_{options.token_type}{self.suffix}"
        enh = f"{Path(options.enh_config).stem}{self.suffix}"
        if options.asr_model:
            asr = name_of_model(options.asr_model)
        if options.enh_model:
            enh = name_of_model(options.enh_model)
        self.asr_tag, self.enh_tag = options.asr_tag or asr, options.enh_tag or enh
        checkpoint = BROUGHT if options.asr_model else options.inference_asr_model
        self.asr = Model(layout.expdir / f"asr_{self.asr_tag}", checkpoint)
        checkpoint = BROUGHT if options.enh_model else options.inference_enh_model
        self.enh = Model(layout.expdir / f"enh_{self.enh_tag}", checkpoint)
        further = f"asr_{Path(options.multicondition_asr_config).stem}_{self.asr_tag}"
        self.multicondition = Model(layout.expdir / further, options.inference_asr_model)

    def stats(self, name: str) -> Path:
        """Return a folder of statistics, which do not depend on the seed."""
        return self.layout.expdir / name.removesuffix(self.suffix)

    @property
    def joint_stats(self) -> Path:
        """Return the folder of the statistics of joint training."""
        return self.stats(f"enh_asr_stats_{self.asr_tag}")

    @property
    def own_transcripts(self) -> Path:
        """Return the folder of the ASR model's own transcripts of clean training speech."""
        return self.layout.expdir / f"own_transcripts_{self.asr_tag}"

    def tokenizer(self, system: JointSystem) -> Path:
        """Return the folder of a system's tokenizer."""
        return self.layout.expdir / f"tokenizer_{system.tokenizer_name}_{self.asr_tag}"

    def joint(self, system: JointSystem) -> Model:
        """Return a joint model."""
        name = system.name if system.name == self.options.enh_asr_tag else system.name + self.suffix
        by_asr_loss = any(
            list(c[:2]) == ["valid", "loss_asr"]
            for c in system.config.get("best_model_criterion", [])
        )
        loss = "loss_asr" if by_asr_loss and self.options.use_transcripts else "loss"
        checkpoint = self.options.inference_enh_asr_model or f"valid.{loss}.ave.pth"
        return Model(self.layout.expdir / f"enh_asr_{name}", checkpoint)

    def decoded(self) -> list[Decoded]:
        """Return the systems that are decoded, in the order of the report."""
        options = self.options
        cascade = f"cascade_{self.enh_tag}_{self.asr_tag}"
        asr = self.asr_tag if options.asr_model else "clean ASR"
        title = self.asr_tag if options.asr_model else "Clean ASR"
        found = [Decoded("asr", "noenh", f"{title}, no enhancement", f"noenh_{self.asr_tag}")]
        if options.multicondition_asr_config:
            label = "Multi-condition ASR, no enhancement"
            kind = "multicondition"
            found.append(Decoded(kind, kind, label, self.multicondition.exp.name))
        found += self._with_shares("cascade", "cascade", "SE", f", then {asr}", cascade)
        for word in options.enhanced:
            name, _, source = word.partition("=")
            folder = f"enhanced_{name}_{self.asr_tag}"
            found += self._with_shares("enhanced", name, name, f", then {asr}", folder, source)
        for system in self.layout.systems:
            folder = self.joint(system).exp.name
            tail = f" ({system.name})"
            found += self._with_shares("joint", system.key, system.title, tail, folder)
        return found

    def compared_with(self) -> list[str]:
        """Return the labels of the systems that the others are tested against.

        Raises:
            UserError: no such system, or two of one name.
        """
        systems = self.decoded()
        keys = [system.key for system in systems]
        wanted = self.options.compare_with or (self.layout.systems[-1].key,)
        strangers = [key for key in wanted if key not in keys]
        if strangers:
            raise UserError(
                f"--compare_with: no system {listed(strangers)}; there are {', '.join(keys)}"
            )
        twice = [key for key in wanted if keys.count(key) > 1]
        if twice:
            raise UserError(
                f"--compare_with {listed(twice)}: that is the name of several systems; give that of "
                "--enhanced another"
            )
        return [systems[keys.index(key)].label for key in wanted]

    def _with_shares(
        self, kind: str, key: str, head: str, tail: str, name: str, source: str = ""
    ) -> list[Decoded]:
        """Return a system, and the same with the shares of observation adding that it gets."""
        found = [Decoded(kind, key, head + tail, name, "", source)]
        shares = self.options.observation_adding
        for share in shares if kind in self.options.observation_adding_to else ():
            which = "by the ASR model" if share == "auto" else f"of {share}"
            label = f"{head}, observation adding {which}{tail}"
            added = f"_oa{share}"
            found.append(Decoded(kind, key + added, label, name + added, share, source))
        return found

    def folder(self, decoded: Decoded) -> Path:
        """Return where a system's results are."""
        return self.layout.expdir / decoded.name / self.layout.inference_tag

    def models(self, decoded: Decoded) -> list[Model]:
        """Return the models that a system is made of."""
        if decoded.kind in ("asr", "enhanced"):
            return [self.asr]
        if decoded.kind == "multicondition":
            return [self.multicondition]
        if decoded.kind != "joint":
            return [self.asr, self.enh]
        name = decoded.name.removesuffix(f"_oa{decoded.share}")
        return [m for m in map(self.joint, self.layout.systems) if m.exp.name == name]
