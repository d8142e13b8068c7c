# SPDX-License-Identifier: Apache-2.0
"""Simulated rooms: impulse responses from speakers and noises to the microphones of an array.

The image source method of pyroomacoustics, for empty rooms of six walls that absorb alike. Every
room is drawn from a generator of its own, so that more rooms leave those before them as they are.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Optional

import numpy as np

from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra
from espnet_cbpc.utils.files import PathLike, atomic_write

# The tablet of CHiME-3 and CHiME-4, as in the organisers' localize.m: metres to the right, up and
# towards the speaker. Microphone 2, behind the top edge, faces backwards.
TABLET = tuple(
    (x / 100, y / 100, z / 100)
    for x, y, z in [(-10, 9.5, 0), (0, 9.5, -2), (10, 9.5, 0)]
    + [(-10, -9.5, 0), (0, -9.5, 0), (10, -9.5, 0)]
)
MARGIN = 0.3  # metres from any wall
TRIES = 1000  # before a room is given up

Range = tuple[float, float]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class RoomRanges:
    """What rooms are drawn from, uniformly; lengths are in metres.

    Attributes:
        length: of the floor.
        width: of the floor.
        height: of the room.
        rt60: reverberation time in seconds.
        array_height: of the middle of the array.
        speaker_height: of the mouth.
        speaker_distance: from the array, along the floor.
        speaker_angle: to either side of where the array faces, in degrees.
        noise_distance: least distance of a noise from the array, along the floor.
        speakers: places of speech in a room.
        noises: places of noise in a room.
    """

    length: Range = (4.0, 8.0)
    width: Range = (3.0, 6.0)
    height: Range = (2.5, 3.5)
    rt60: Range = (0.2, 0.5)
    array_height: Range = (0.8, 1.4)
    speaker_height: Range = (1.2, 1.8)
    speaker_distance: Range = (0.5, 1.5)
    speaker_angle: float = 45.0
    noise_distance: float = 1.0
    speakers: int = 1
    noises: int = 3


@dataclass(frozen=True)
class Room:
    """A room with an array: its size, reverberation time in seconds, and places in it."""

    size: Point
    rt60: float
    microphones: tuple[Point, ...]
    speakers: tuple[Point, ...]
    noises: tuple[Point, ...]


def draw_room(ranges: RoomRanges, array: Sequence[Point], rng: np.random.Generator) -> Room:
    """Draw a room, where the array stands in it and faces to, and who is where.

    Args:
        ranges: what is drawn from.
        array: microphones in metres to the right, up and forward of the middle of the array.
        rng: random generator.

    Raises:
        UserError: the ranges leave no place for the array, the speakers and the noises.
    """
    for _ in range(TRIES):
        size = _point([rng.uniform(*r) for r in (ranges.length, ranges.width, ranges.height)])
        middle = _somewhere(size, ranges.array_height, rng)
        facing = float(rng.uniform(0, 2 * np.pi))
        microphones = _turned(array, middle, facing)
        speakers = [_speaker(ranges, middle, facing, rng) for _ in range(ranges.speakers)]
        noises = [_noise(ranges, size, middle, rng) for _ in range(ranges.noises)]
        placed = tuple(place for place in noises if place is not None)
        fits = all(_is_inside(p, size) for p in (*microphones, *speakers))
        if fits and len(placed) == len(noises):
            rt60 = float(rng.uniform(*ranges.rt60))
            return Room(size, rt60, microphones, tuple(speakers), placed)
    raise UserError(
        f"in {TRIES} tries no room held the array, {ranges.speakers} speaker(s) and "
        f"{ranges.noises} noise(s), {MARGIN} m from all walls: take larger rooms"
    )


def _somewhere(size: Point, height: Range, rng: np.random.Generator) -> np.ndarray:
    place = [rng.uniform(MARGIN, length - MARGIN) for length in size[:2]]
    return np.array([*place, rng.uniform(*height)])


def _turned(array: Sequence[Point], middle: np.ndarray, facing: float) -> tuple[Point, ...]:
    """Return the microphones in the room: its axes are two of the floor and one upwards."""
    right = np.array([np.sin(facing), -np.cos(facing), 0.0])
    up, front = np.array([0.0, 0.0, 1.0]), np.array([np.cos(facing), np.sin(facing), 0.0])
    return tuple(map(_point, middle + np.asarray(array) @ np.stack([right, up, front])))


def _speaker(
    ranges: RoomRanges, middle: np.ndarray, facing: float, rng: np.random.Generator
) -> Point:
    angle = facing + np.radians(rng.uniform(-ranges.speaker_angle, ranges.speaker_angle))
    distance, height = rng.uniform(*ranges.speaker_distance), rng.uniform(*ranges.speaker_height)
    x, y = middle[:2] + distance * np.array([np.cos(angle), np.sin(angle)])
    return _point((x, y, height))


def _noise(
    ranges: RoomRanges, size: Point, middle: np.ndarray, rng: np.random.Generator
) -> Optional[Point]:
    place = _somewhere(size, (MARGIN, size[2] - MARGIN), rng)
    far = np.hypot(*(place - middle)[:2]) >= ranges.noise_distance
    return _point(place) if far else None


def _point(place: Sequence[float]) -> Point:
    x, y, z = map(float, place)
    return x, y, z


def _is_inside(point: Point, size: Point) -> bool:
    return all(MARGIN <= x <= length - MARGIN for x, length in zip(point, size))


def simulate(room: Room, fs: int) -> dict[str, np.ndarray]:
    """Return the responses (samples, microphones) by place: ``speech1``, ..., ``noise1``, ...

    Each ends after the reverberation time, when the sound has died away by 60 dB.

    Args:
        room: where all is.
        fs: sampling rate in Hz.

    Raises:
        UserError: pyroomacoustics is not installed, or walls cannot absorb as much as asked for.
    """
    pra = pyroomacoustics()
    try:
        absorption, max_order = pra.inverse_sabine(room.rt60, room.size)
    except ValueError as e:
        size = " x ".join(f"{length:.1f}" for length in room.size)
        raise UserError(
            f"a room of {size} m cannot have a reverberation time as short as {room.rt60:.2f} s: "
            "take smaller rooms or longer times"
        ) from e
    shoebox = pra.ShoeBox(room.size, fs=fs, materials=pra.Material(absorption), max_order=max_order)
    places = {f"speech{i}": place for i, place in enumerate(room.speakers, 1)}
    places.update({f"noise{i}": place for i, place in enumerate(room.noises, 1)})
    for place in places.values():
        shoebox.add_source(place)
    shoebox.add_microphone_array(np.array(room.microphones).T)
    shoebox.compute_rir()
    longest = round(room.rt60 * fs)
    return {
        name: _together([channel[source] for channel in shoebox.rir], longest)
        for source, name in enumerate(places)
    }


def _together(responses: list[np.ndarray], longest: int) -> np.ndarray:
    """Return the responses to all microphones, (L, C), up to ``longest`` after the last direct."""
    end = max(int(np.abs(response).argmax()) for response in responses) + longest
    result = np.zeros((end, len(responses)), dtype=np.float32)
    for channel, response in enumerate(responses):
        result[: len(response), channel] = response[:end]
    return result


def pyroomacoustics() -> ModuleType:
    """Return the module.

    Raises:
        UserError: it is not installed.
    """
    with needs_extra("the simulation of rooms", "rooms"):
        import pyroomacoustics
    return pyroomacoustics


def write_room_bank(
    folder: PathLike,
    number: int,
    ranges: RoomRanges,
    array: Sequence[Point],
    fs: int,
    seed: int,
    nj: int = 1,
) -> None:
    """Simulate rooms, and write ``rir.scp``, ``noise_rir.scp``, ``rooms.jsonl`` and the responses.

    Ids are ``<room>-speech<n>`` and ``<room>-noise<n>``, so that dynamic mixing keeps rooms apart.

    Args:
        folder: written atomically; replaces an earlier one.
        number: of rooms.
        ranges: what they are drawn from.
        array: microphones in metres to the right, up and forward of the middle of the array.
        fs: sampling rate in Hz.
        seed: random seed.
        nj: processes.

    Raises:
        UserError: pyroomacoustics is not installed, or such rooms cannot be.
    """
    pyroomacoustics()
    folder = Path(folder)
    rooms = {
        f"room{i:04d}": draw_room(ranges, array, np.random.default_rng([seed, i]))
        for i in range(1, number + 1)
    }
    with whole_directory(folder, is_data_directory=False) as temporary:
        work = partial(_write, folder=temporary, fs=fs)
        names = map_audio(
            work, ((n, (n, r)) for n, r in rooms.items()), number, nj, "rooms", folder, "room(s)"
        )
        for kind, table in (("speech", "rir.scp"), ("noise", "noise_rir.scp")):
            ids = [f"{room}-{place}" for room in rooms for place in names[room]]
            found = {key: str(folder / f"{key}.wav") for key in sorted(ids) if f"-{kind}" in key}
            if found:
                write_table(temporary / table, found)
        with atomic_write(temporary / "rooms.jsonl") as f:
            f.writelines(json.dumps({"id": n, **asdict(r)}) + "\n" for n, r in rooms.items())


def _write(item: tuple[str, Room], folder: Path, fs: int) -> list[str]:
    """Write the responses of a room, and return their places."""
    name, room = item
    responses = simulate(room, fs)
    for place, response in responses.items():
        write_audio(folder / f"{name}-{place}.wav", response, fs, subtype="FLOAT")
    return list(responses)
