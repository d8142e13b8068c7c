# SPDX-License-Identifier: Apache-2.0
"""The options of dynamic mixing for microphone arrays, checked before training starts."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Optional, TypeVar

from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig, fail, is_number

ArrayConfig = TypeVar("ArrayConfig", bound="ArrayMixingConfig")


@dataclasses.dataclass(frozen=True)
class ArrayMixingConfig(DynamicMixingConfig):
    """What is drawn for each training utterance, where the mixture has several channels.

    A multichannel recording is one file, or one file for each (lines ``id path path ...``).
    Responses and noise of the array have its channels, in its order, at ``fs``.

    Attributes:
        channels: which of the array's channels the mixture has, from 0 on and in this order.
        ref_channel: the channel of the mixture, from 0 on, that the reference and the SNR are of.
        noise_rir_scp: Kaldi list of room impulse responses for noise of one channel, whose ids
            begin, up to the last ``-``, as those of ``rir_scp`` of the same room; None: all noise
            was recorded by the array.
        early_ms: as in one channel. 2 ms hold the direct path alone, which a response at a
            limited rate spreads over some samples.
    """

    channels: tuple[int, ...] = ()
    ref_channel: int = 0
    noise_rir_scp: Optional[str] = None
    rir_prob: float = 1.0
    early_ms: float = 2.0

    @classmethod
    def parse(cls: type[ArrayConfig], options: Mapping[str, Any]) -> ArrayConfig:
        """Check ``options`` and fill in what they leave out; see the class above this one."""
        channels, ref_channel = options["channels"], options.get("ref_channel", 0)
        if not isinstance(channels, (list, tuple)) or not channels:
            fail(f"channels is {channels!r}: must be a list, such as [0, 1, 2]")
        if not all(is_number(c, 0, 10_000, whole=True) for c in channels):
            fail(f"channels is {channels!r}: must hold whole numbers from 0 on")
        if len(set(channels)) < len(channels):
            fail(f"channels is {channels!r}: names a channel twice")
        if not is_number(ref_channel, 0, len(channels) - 1, whole=True):
            fail(
                f"ref_channel is {ref_channel!r}, but the mixture has {len(channels)} channel(s): "
                f"must be from 0 to {len(channels) - 1}"
            )
        return super().parse(options)


def parse_mixing_config(options: Mapping[str, Any]) -> DynamicMixingConfig:
    """Return the checked options of one channel or, where they name ``channels``, of an array.

    Raises:
        UserError: an unknown or missing option, or a value of the wrong kind or out of range.
    """
    is_array = isinstance(options, Mapping) and options.get("channels") is not None
    return (ArrayMixingConfig if is_array else DynamicMixingConfig).parse(options)
