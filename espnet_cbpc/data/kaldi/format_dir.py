# SPDX-License-Identifier: Apache-2.0
"""Convert a data directory to the form that training reads."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np

from espnet_cbpc.data.array.failing_channels import (
    FailingChannel,
    failing_channels,
    kept_channels,
)
from espnet_cbpc.data.audio.audio_source import opened
from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.kaldi.atomic_dir import check_apart, whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import AUDIO_TABLES, DataDir, Table, write_tables
from espnet_cbpc.data.kaldi.signals import (
    AudioFolder,
    Utterance,
    channel_count,
    common_channels,
    common_gain,
    map_utterances,
    one_channel,
)
from espnet_cbpc.utils.cli import listed
from espnet_cbpc.utils.files import PathLike

FAILING = "utt2failing_channels"
Failing = Mapping[str, Sequence[FailingChannel]]  # by utterance


def format_data_dir(
    in_dir: PathLike,
    out_dir: PathLike,
    fs: int,
    audio_format: str = "wav",
    nj: int = 1,
    channel: Optional[int] = None,
    require_text: bool = True,
    ref_channel: int = 0,
) -> None:
    """Check a data directory with its audio and write the dump directory that training reads.

    A file of rate ``fs`` and of ``audio_format`` already is referenced where it lies, if every
    program finds the same samples in it; others are converted to 16 bits below ``out_dir/data``,
    those of several channels to a file for each. Signals that would clip share one gain with the
    others of their utterance. Besides the tables of ``in_dir`` there are ``utt2num_samples``;
    ``utt2category``; ``spk1.scp``, completed by the utterance's own file where it is not SIMU,
    since ESPnet's loader wants every id in every file; and ``clean.scp`` with the true clean
    references alone (absent if there are none).

    In multichannel recordings, those that fail are replaced by a good one (see
    :mod:`espnet_cbpc.data.array.failing_channels`), and ``utt2failing_channels`` has
    ``<channel>:<reason>:<correlation>:<replaced by>`` for each; a SIMU utterance whose reference
    channel fails becomes REAL, since its clean reference is of that channel. ``noisy.scp`` has only the
    reference channel, as have ``spk1.scp`` and ``clean.scp``.

    Args:
        in_dir: the data directory.
        out_dir: the dump directory, written atomically, replacing an earlier one.
        fs: sampling rate in Hz.
        audio_format: ``wav`` or ``flac``.
        nj: number of processes.
        channel: the only channel to take of each recording, from 0; None: all.
        require_text: whether ``text`` is required.
        ref_channel: the reference channel of recordings with several, from 0.

    Raises:
        UserError: the directory or its audio is faulty; all faults of a kind in one line.
    """
    data = DataDir.read(in_dir, require_text)
    check_apart(in_dir, out_dir)
    with whole_directory(out_dir) as temporary:
        form = _Form(fs, channel, ref_channel, AudioFolder(temporary, Path(out_dir), audio_format))
        formatted = map_utterances(
            partial(_format_utterance, form=form), data, nj, f"format {data.path.name}"
        )
        common_channels(data, {key: one.channels for key, one in formatted.items()})
        failing = {key: one.failing for key, one in formatted.items() if one.failing}
        if failing:
            _tell_failing(data, failing)
        categories = _categories(data, failing, ref_channel)
        write_tables(temporary, _formatted_tables(data, formatted, failing, categories))


@dataclass(frozen=True)
class _Form:
    """What is made of each recording; see :func:`format_data_dir`."""

    fs: int
    channel: Optional[int]
    ref_channel: int
    folder: AudioFolder


@dataclass(frozen=True)
class _Formatted:
    """A formatted utterance: its entries by table, samples, channels, and those that fail."""

    entries: dict[str, str]
    samples: int
    channels: int
    failing: Sequence[FailingChannel] = ()


def _format_utterance(utterance: Utterance, form: _Form) -> _Formatted:
    signals, _ = utterance.read(form.fs, form.channel, form.ref_channel)
    entries, noisy = dict(utterance.paths), signals["wav.scp"]
    if noisy.ndim == 1:
        _convert(signals, entries, utterance, form)
        return _Formatted(entries, len(noisy), 1)

    # 1. A good channel in place of each that fails; clean speech has the same in all
    files, count, failing = columns(entries["wav.scp"]), noisy.shape[1], []
    one_channel(noisy, form.ref_channel, files[0])  # there is such a channel
    if utterance.reference != "wav.scp":
        failing = failing_channels(noisy, form.fs, files[0])
    kept = kept_channels(count, failing)
    signals["wav.scp"] = noisy[:, kept]

    # 2. Their files, and one of the reference channel
    if len(files) > 1:
        entries["wav.scp"] = " ".join(files[channel] for channel in kept)
    _convert(signals, entries, utterance, form, altered=bool(failing) and len(files) == 1)
    files = columns(entries["wav.scp"])
    if len(files) > 1:
        entries["noisy.scp"] = files[form.ref_channel]
    else:
        heard = signals["wav.scp"][:, form.ref_channel]
        entries["noisy.scp"] = form.folder.write("noisy.scp", utterance.id, heard, form.fs)
    return _Formatted(entries, len(noisy), count, failing)


def _convert(
    signals: dict[str, np.ndarray],
    entries: dict[str, str],
    utterance: Utterance,
    form: _Form,
    altered: bool = False,
) -> None:
    """Write the signals whose files are not what training reads, and enter them."""
    gain = common_gain(signals)
    for name, signal in signals.items():
        is_new = gain < 1 or (altered and name == "wav.scp")
        if is_new or not _is_formatted(entries[name], channel_count(signal), form):
            entries[name] = form.folder.write(name, utterance.id, gain * signal, form.fs)


def _is_formatted(entry: str, channels: int, form: _Form) -> bool:
    files = columns(entry)
    if len(files) not in (1, channels):
        return False
    return all(_is_stored(file, channels // len(files), form) for file in dict.fromkeys(files))


def _is_stored(path: str, channels: int, form: _Form) -> bool:
    with opened(path) as source:
        is_alike = (source.rate, source.channels) == (form.fs, channels)
        return is_alike and source.is_stored_as(form.folder.suffix)


def _tell_failing(data: DataDir, failing: Failing) -> None:
    reasons = Counter(channel.reason for channels in failing.values() for channel in channels)
    shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    logging.warning(
        "%s: %d of %d recordings have channels that fail (%s; %s): good ones replace them, see %s",
        *(data.path, len(failing), len(data.ids), shown, listed(failing), FAILING),
    )


def _categories(data: DataDir, failing: Failing, ref_channel: int) -> Table:
    """Return the category of each utterance, REAL where the microphone of the reference fails."""
    simulated = [key for key in failing if data.categories[key] == "SIMU"]
    lost = [key for key in simulated if ref_channel in (one.channel for one in failing[key])]
    if lost:
        logging.warning(
            "%s: %d simulated recordings become REAL, as the microphone of their clean reference "
            "fails (%s)",
            *(data.path, len(lost), listed(lost)),
        )
    return {**data.categories, **dict.fromkeys(lost, "REAL")}


def _formatted_tables(
    data: DataDir, formatted: dict[str, _Formatted], failing: Failing, categories: Table
) -> dict[str, Table]:
    tables = {name: table for name, table in data.tables.items() if name not in AUDIO_TABLES}
    tables["utt2category"] = categories
    tables["utt2num_samples"] = {key: str(one.samples) for key, one in formatted.items()}
    if failing:
        told = {key: " ".join(map(str, found)) for key, found in failing.items()}
        tables[FAILING] = {**tables.get(FAILING, {}), **told}
    entries = {key: one.entries for key, one in formatted.items()}
    return {**tables, **_audio_tables(entries, categories)}


def _audio_tables(entries: dict[str, dict[str, str]], categories: Table) -> dict[str, Table]:
    def table(name: str) -> Table:
        return {key: own[name] for key, own in entries.items() if name in own}

    tables = {name: table(name) for name in ("wav.scp", "noisy.scp", "noise1.scp")}
    heard = {**tables["wav.scp"], **tables["noisy.scp"]}
    spk1 = {**heard, **table("spk1.scp")}
    clean = {key: path for key, path in spk1.items() if categories[key] != "REAL"}
    tables.update({"spk1.scp": spk1, "clean.scp": clean})
    return {name: table for name, table in tables.items() if table}
