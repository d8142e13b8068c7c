# SPDX-License-Identifier: Apache-2.0
"""Examples: the input of a system, its output, and the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
from markupsafe import Markup

from espnet_cbpc.data.audio.audio_file import read_audio, read_header
from espnet_cbpc.data.kaldi.kaldi_dir import heard_table, read_table
from espnet_cbpc.html_report.alignment_html import aligned
from espnet_cbpc.html_report.clips import audio_uri, spectrogram_pictures, without_clipping
from espnet_cbpc.html_report.figures import Picture
from espnet_cbpc.html_report.selection import Choice, Place, rate
from espnet_cbpc.scoring.report.table import Table
from espnet_cbpc.scoring.report.wording import percent, property_name, with_unit

NOISY, CLEAN = "noisy speech", "clean speech"


@dataclass(frozen=True)
class Clip:
    """A waveform on the page: its name, its spectrogram, and the audio as a data URI."""

    name: str
    picture: Picture
    audio: str


@dataclass(frozen=True)
class Example:
    """An utterance on the page.

    Attributes:
        why: the rule that it was chosen by.
        utterance: its id.
        facts: set, SNR and the like, in words.
        ref: what was said.
        texts: what each system heard.
        clips: noisy speech, what each system enhanced, clean speech; what there is of it.
        note: what is missing and why, or that it is cut; empty otherwise.
    """

    why: str
    utterance: str
    facts: str
    ref: str
    texts: Table
    clips: list[Clip]
    note: str


def make_example(
    choice: Choice,
    systems: Mapping[str, Sequence[Path]],
    breakdowns: Sequence[str],
    max_seconds: float,
) -> Example:
    """Read and draw what is shown of an utterance.

    Args:
        choice: the utterance.
        systems: system to its inference folders; enhanced speech is taken from the first.
        breakdowns: names of ``utt2*`` tables to tell the values of.
        max_seconds: of audio; what comes later is cut off.

    Raises:
        UserError: an audio file that is missing or cannot be read.
    """
    place = choice.place
    decoded, utterance = place
    files, missing = _files(place, systems)
    frames, fs = read_header(next(iter(files.values())))
    seconds = frames / fs
    waves = {name: _read(path, max_seconds) for name, path in files.items()}
    facts = facts_of(place, breakdowns)
    scaled = without_clipping({name: wave for name, (wave, _) in waves.items()})
    clips = {name: (wave, waves[name][1]) for name, wave in scaled.items()}
    pictures = spectrogram_pictures(clips, facts)
    note = f"Only the first {max_seconds:g} s are shown." if seconds > max_seconds else ""
    return Example(
        why=choice.why,
        utterance=utterance,
        facts=f"{facts}, {seconds:.1f} s",
        ref=decoded.ref[utterance],
        texts=texts_table(place),
        clips=[Clip(name, pictures[name], audio_uri(*clip)) for name, clip in clips.items()],
        note=" ".join(filter(None, [note, missing])),
    )


def texts_table(place: Place) -> Table:
    """Return the WER of each system and what it heard, errors marked."""
    decoded, utterance = place
    ref = decoded.ref[utterance]
    rows = [
        [system, percent(rate(place, system)), aligned(ref, hyp[utterance])]
        for system, hyp in decoded.hyp.items()
    ]
    return Table(f"What the systems heard in {utterance}", ["system", "WER (%)", "text"], rows, 3)


def utterance_table(
    caption: str, found: Sequence[Place], system: str, breakdowns: Sequence[str]
) -> Table:
    """Return utterances with their WER, properties and text.

    Args:
        caption: of the table.
        found: the utterances.
        system: the one whose text is shown, with its WER first.
        breakdowns: names of ``utt2*`` tables; those that any of the sets has make a column.
    """
    shown = [b for b in breakdowns if any(place.decoded.properties.get(b) for place in found)]
    others = [name for name in found[0].decoded.counts if name != system] if found else []
    head = ["utterance", "set", *map(property_name, shown), f"text: {system}", "its WER (%)"]
    head += [f"WER (%): {name}" for name in others]
    rows = [_utterance_row(place, system, shown, others) for place in found]
    return Table(caption, head, rows, len(shown) + 3)


def facts_of(place: Place, breakdowns: Sequence[str]) -> str:
    """Return set and properties of an utterance, as ``test_seen, SNR 5 dB, noise car``."""
    decoded, utterance = place
    values = {b: decoded.value(b, utterance) for b in breakdowns}
    told = [f"{property_name(b)} {with_unit(b, v)}" for b, v in values.items() if v is not None]
    return ", ".join([decoded.name, *told])


def _utterance_row(
    place: Place, system: str, shown: Sequence[str], others: Sequence[str]
) -> list[str]:
    decoded, utterance = place
    values = [with_unit(b, decoded.value(b, utterance) or "") for b in shown]
    text: Markup = aligned(decoded.ref[utterance], decoded.hyp[system][utterance])
    rates = [percent(rate(place, name)) for name in (system, *others)]
    return [utterance, decoded.name, *values, text, *rates]


def _files(place: Place, systems: Mapping[str, Sequence[Path]]) -> tuple[dict[str, str], str]:
    """Return the audio file of each clip, and a sentence on what there is none of."""
    decoded, utterance = place
    files = {NOISY: read_table(heard_table(decoded.directory))[utterance]}
    for system, folders in systems.items():
        path = _entry(folders[0] / decoded.name / "enhanced" / "spk1.scp", utterance)
        if path is not None:
            files[system] = path
    clean = _entry(decoded.directory / "spk1.scp", utterance)
    category = decoded.category(utterance)
    if category == "CLEAN":
        return {(CLEAN if name == NOISY else name): path for name, path in files.items()}, ""
    if category == "REAL":
        return files, "A real recording: there is no clean speech to compare with."
    if clean is None:
        return files, "There is no clean speech to compare with in the data directory."
    return {**files, CLEAN: clean}, ""


def _read(path: str, max_seconds: float) -> tuple[np.ndarray, int]:
    frames, fs = read_header(path)
    return read_audio(path, part=(0, min(frames, round(max_seconds * fs))))


def _entry(table: Path, utterance: str) -> Optional[str]:
    return read_table(table).get(utterance) if table.exists() else None
