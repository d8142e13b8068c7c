# SPDX-License-Identifier: Apache-2.0
"""Dynamic mixing in the data loader, for joint training and SE training.

What an utterance is mixed with follows from the training's seed, the epoch and the utterance's id
alone. So a training run with the same seed has the same mixtures, with any number of loader
workers or distributed processes, resumed or not; other epochs and other utterances have others. An
utterance that occurs twice in one epoch (``--num_iters_per_epoch`` beyond the data) is mixed alike
both times. (ESPnet seeds a loader's workers with seed + epoch + worker, which repeats across
distributed processes, and from one epoch to the next.)
"""

import argparse
import copy
from collections.abc import Iterable
from typing import Any, Callable, Optional, Union

import numpy as np
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixing_config import ArrayMixingConfig, parse_mixing_config
from espnet_cbpc.data.mixing.dynamic_mixer import DynamicMixer, Mixed
from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig
from espnet_cbpc.model.category import REAL, category_index, category_of_id
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml

REFERENCE = "speech_ref1"


def mixing_rng(seed: int, epoch: int, uid: str) -> np.random.Generator:
    """Return where the draws of an utterance come from, by the training's seed and the epoch."""
    return np.random.default_rng([seed, epoch, *uid.encode()])


class Epoch:
    """The number of the epoch, set by the iterator factory and read by the preprocessor."""

    number = 0


class DynamicMixingTask(AbsTask):
    """What a task inherits to have the option ``--dynamic_mixing_conf``.

    Its ``build_preprocess_fn`` must pass its preprocessor through :meth:`mix_after`.
    """

    speech_name = "speech"

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the option to those of the task."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Dynamic mixing related")
        group.add_argument(
            "--dynamic_mixing_conf",
            action=_NestedDictOrFileAction,
            default={},
            help="Mix the clean training references with new noise in each epoch: options of "
            "espnet_cbpc.data.mixing.dynamic_mixing_config (.array_mixing_config), or a YAML file "
            "of them; {}: off",
        )

    @classmethod
    def mix_after(
        cls, preprocess: Optional[Callable], args: argparse.Namespace, train: bool
    ) -> Optional[Callable]:
        """Return ``preprocess`` followed by mixing, if this is training and mixing is on.

        Raises:
            UserError: options or data that do not go together with mixing.
        """
        conf = getattr(args, "dynamic_mixing_conf", None)
        if not train or not conf:
            return preprocess
        config = parse_mixing_config(conf)
        _check_data(args, config)
        return MixingPreprocessor(
            ArrayMixer(config) if isinstance(config, ArrayMixingConfig) else DynamicMixer(config),
            args.seed,
            args.mixing_epoch,
            preprocess,
            cls.speech_name,
            has_category="utt2category" in cls.optional_data_names(),
        )

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: Any,
        mode: str,
        kwargs: Optional[dict] = None,
    ) -> AbsIterFactory:
        """Build the iterator factory; if it mixes, it tells the preprocessor the epoch's number."""
        if mode != "train" or not args.dynamic_mixing_conf:
            return super().build_iter_factory(args, distributed_option, mode, kwargs)
        args = copy.copy(args)
        args.mixing_epoch = Epoch()
        factory = super().build_iter_factory(args, distributed_option, mode, kwargs)
        return _EpochTellingIterFactory(factory, args.mixing_epoch)


class MixingPreprocessor:
    """Mixes each utterance that has a clean reference; others, and text, are left unchanged.

    Args:
        mixer: makes the mixture.
        seed: of the training.
        epoch: the present one.
        preprocess: ESPnet's preprocessor, which runs first, or None.
        speech_name: what the noisy speech is called.
        has_category: whether the model gets the category of each utterance.
    """

    def __init__(
        self,
        mixer: Union[DynamicMixer, ArrayMixer],
        seed: int,
        epoch: Epoch,
        preprocess: Optional[Callable],
        speech_name: str,
        has_category: bool,
    ):
        self.mixer = mixer
        self.seed = seed
        self.epoch = epoch
        self.preprocess = preprocess
        self.speech_name = speech_name
        self.has_category = has_category

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Process one utterance's data, by name."""
        if self.preprocess is not None:
            data = self.preprocess(uid, data)
        category = category_of_id(uid)
        if "utt2category" in data:
            category = int(data["utt2category"][0])
        if category != REAL or not self.has_category:
            rng = mixing_rng(self.seed, self.epoch.number, uid)
            mixed = self._mix(uid, data[REFERENCE], rng)
            if mixed is not None:
                data[self.speech_name], data[REFERENCE] = mixed.noisy, mixed.reference
                category = category_index(mixed.category, uid)
        self._check_channels(uid, data[self.speech_name])
        if self.has_category:
            data["utt2category"] = np.array([category])
        return data

    def _check_channels(self, uid: str, speech: np.ndarray) -> None:
        """Refuse recordings that no batch could hold beside the mixtures."""
        found, made = speech[0].size, self.mixer.num_channels
        if found != made:
            raise UserError(
                f"utterance {uid} has {found} channel(s) and is used unmixed, but dynamic "
                f"mixing makes {made}: bring recordings of {made}, or mix all (given_prob: 0)"
            )

    def _mix(self, uid: str, clean: np.ndarray, rng: np.random.Generator) -> Optional[Mixed]:
        try:
            if clean.ndim > 1:
                raise UserError(f"the reference has {clean.shape[1]} channels: extract one first")
            return self.mixer(clean, rng)
        except UserError as e:
            raise UserError(f"dynamic mixing of utterance {uid}: {e}") from e


class _EpochTellingIterFactory(AbsIterFactory):
    def __init__(self, factory: AbsIterFactory, epoch: Epoch):
        self.factory = factory
        self.epoch = epoch

    def build_iter(self, epoch: int, shuffle: Optional[bool] = None) -> Iterable:
        # The loader that this returns starts its workers, which copy the preprocessor, when the
        # training begins to iterate.
        self.epoch.number = epoch
        return self.factory.build_iter(epoch, shuffle)


class _NestedDictOrFileAction(NestedDictAction):
    def __call__(self, parser, namespace, values, option_strings=None):
        if "=" in values or not values.endswith((".yaml", ".yml")):
            super().__call__(parser, namespace, values, option_strings)
            return
        before = getattr(namespace, self.dest) or {}
        setattr(namespace, self.dest, {**before, **read_yaml(values)})


def _check_data(args: argparse.Namespace, config: DynamicMixingConfig) -> None:
    names = [name for _, name, _ in args.train_data_path_and_name_and_type]
    if REFERENCE not in names:
        raise UserError(
            f"dynamic mixing starts from clean speech, but the training data have no {REFERENCE}: "
            "add spk1.scp"
        )
    stale = [n for n in names if n.startswith(("noise_ref", "dereverb_ref", "speech_ref"))]
    stale.remove(REFERENCE)
    if stale:
        raise UserError(
            f"dynamic mixing makes {REFERENCE} alone, so that {', '.join(stale)} would not fit it: "
            "leave them out of the training data"
        )
    if "labels" in names and config.rir_scp is not None:
        raise UserError(
            "the labels in the training data are those of the dry references, but with rir_scp the "
            "references are reverberated: set --dump_labels false, or leave rir_scp out"
        )
    if args.max_cache_size > 0:
        raise UserError(
            "a cache (--max_cache_size) would keep the mixtures of the first epoch: set it to 0"
        )
