# SPDX-License-Identifier: Apache-2.0
"""Dynamic mixing for a microphone array: which room, noises, places and levels are drawn."""

from collections import defaultdict
from typing import Any, Optional

import numpy as np

from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.audio.recording import Header, read_recording_header
from espnet_cbpc.data.kaldi.table import Table, read_table
from espnet_cbpc.data.mixing.array_mixing_config import ArrayMixingConfig
from espnet_cbpc.data.mixing.array_mixture import ArrayMixture, ArrayNoise, render
from espnet_cbpc.data.mixing.dynamic_mixer import TRIES, Mixed
from espnet_cbpc.data.mixing.dynamic_mixing_config import check_found, fail
from espnet_cbpc.data.mixing.snr import SilentNoiseError
from espnet_cbpc.utils.cli import UserError, gathered, listed

Headers = dict[str, Header]  # by recording


class ArrayMixer:
    """Makes noisy multichannel speech from clean speech of one.

    Args:
        config: what is drawn.

    Raises:
        UserError: a list of recordings is missing or empty, names missing files, or
            recordings that do not fit each other, the rate or the channels.
    """

    def __init__(self, config: ArrayMixingConfig):
        self.config = config
        self.num_channels = len(config.channels)
        noises, self.noise_headers = _listed("noise_scp", config.noise_scp)
        rirs, rir_headers = _listed("rir_scp", config.rir_scp)
        noise_rirs, noise_rir_headers = _listed("noise_rir_scp", config.noise_rir_scp)
        self._check_single_noises()
        self._check_array({**rir_headers, **noise_rir_headers})
        self.noises, self.rirs = list(noises.values()), list(rirs.values())
        self.room_of = {recording: _room(key) for key, recording in rirs.items()}
        self.places: dict[str, list[str]] = defaultdict(list)
        for key, recording in noise_rirs.items():
            self.places[_room(key)].append(recording)
        self._check_places()

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> Optional[Mixed]:
        """Draw a version of one utterance.

        Args:
            clean: (samples,) clean speech.
            rng: random generator.

        Returns:
            None if the utterance is to be taken as it is given; else see
            :func:`.array_mixture.render`.

        Raises:
            UserError: a recording that cannot be read, silent speech, or nothing but silent noise.
        """
        for _ in range(TRIES):
            mixture = self.draw(len(clean), rng)
            if mixture is None:
                return None
            try:
                return render(mixture, clean)
            except SilentNoiseError as e:
                silent = e
        raise UserError(
            f"{self.config.noise_scp}: none of {TRIES} excerpts drawn in a row has "
            "noise where there is speech: leave silent recordings out"
        ) from silent

    def draw(self, length: int, rng: np.random.Generator) -> Optional[ArrayMixture]:
        """Draw what is made of an utterance of ``length`` samples; None: it stays as given."""
        c, kind = self.config, rng.random()
        if kind < c.given_prob:
            return None
        level_db = float(rng.uniform(*c.level_db))
        plan: dict[str, Any] = {"fs": c.fs, "channels": c.channels, "ref_channel": c.ref_channel}
        if kind < c.given_prob + c.clean_prob:
            return ArrayMixture(**plan, level_db=level_db, clean=True)
        rir = None
        if self.rirs and rng.random() < c.rir_prob:
            rir = self.rirs[rng.integers(len(self.rirs))]
        noises = self._noises(length, rng, rir)
        snr_db = float(rng.uniform(*c.snr_db))
        return ArrayMixture(
            **plan, level_db=level_db, rir=rir, early_ms=c.early_ms, noises=noises, snr_db=snr_db
        )

    def _noises(
        self, length: int, rng: np.random.Generator, rir: Optional[str]
    ) -> tuple[ArrayNoise, ...]:
        low, high = self.config.num_noises
        number = int(rng.integers(low, high + 1))
        places: list[Optional[str]] = [None] * number
        if self.places:
            rooms = [self.room_of[rir]] if rir else sorted(self.places)
            room = self.places[rooms[rng.integers(len(rooms))]]
            places = [room[i] for i in rng.choice(len(room), number, replace=False)]
        found = []
        for place in places:
            recording = self.noises[rng.integers(len(self.noises))]
            header = self.noise_headers[recording]
            last = header.frames - length * header.rate // self.config.fs
            begin = int(rng.integers(last if last > 0 else header.frames))
            found.append(ArrayNoise(recording, begin, place if header.channels == 1 else None))
        return tuple(found)

    def _check_single_noises(self) -> None:
        c, noises = self.config, self.noise_headers
        single = [recording for recording, header in noises.items() if header.channels == 1]
        if single and not c.noise_rir_scp and c.channels != (0,):
            fail(
                f"noise_scp {c.noise_scp}: {len(single)} of {len(noises)} recording(s) have one "
                f"channel ({listed(single)}): give noise_rir_scp, or noise recorded by the array"
            )

    def _check_array(self, responses: Headers) -> None:
        """Check that all recordings of the array fit each other, the rate and the channels."""
        c = self.config
        array = {**responses, **{k: v for k, v in self.noise_headers.items() if v.channels > 1}}
        rates = [recording for recording, header in array.items() if header.rate != c.fs]
        if rates:
            fail(
                f"{len(rates)} of {len(array)} response(s) and array recording(s) are not at fs, "
                f"{c.fs} Hz ({listed(rates)}; the first: {array[rates[0]].rate} Hz): resample them"
            )
        counts = {header.channels: recording for recording, header in array.items()}
        if len(counts) > 1:
            shown = ", ".join(f"{counts[n]} has {n}" for n in sorted(counts))
            fail(f"responses and noise differ in their number of channels ({shown}): match them")
        if counts and max(c.channels) >= max(counts):
            fail(
                f"channels is {list(c.channels)}, but the array has {max(counts)} channel(s): must "
                f"be from 0 to {max(counts) - 1}"
            )

    def _check_places(self) -> None:
        if not self.config.noise_rir_scp:
            return
        most = self.config.num_noises[1]
        rooms = sorted({*self.room_of.values(), *self.places})
        few = [room for room in rooms if len(self.places.get(room, ())) < most]
        if few:
            fail(
                f"noise_rir_scp {self.config.noise_rir_scp}: {len(few)} of {len(rooms)} room(s) "
                f"have fewer places than num_noises asks for, {most} ({listed(few)}): add "
                "responses with ids <room>-<place>, or lower num_noises"
            )


def _room(key: str) -> str:
    """Return the room of a response by its id, ``<room>-<place>``."""
    return key.rpartition("-")[0] or key


def _listed(name: str, path: Optional[str]) -> tuple[Table, Headers]:
    """Return the recordings of the list that an option names, by id, and their headers."""
    if path is None:
        return {}, {}
    table = read_table(path)
    check_found(name, path, [file for recording in table.values() for file in columns(recording)])
    recordings = {recording: recording for recording in table.values()}
    return table, gathered(read_recording_header, recordings, f"recordings of {name} {path}")
