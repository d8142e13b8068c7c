# SPDX-License-Identifier: Apache-2.0
"""Simulate rooms in which a microphone array hears speech and noise.

Writes impulse responses as multichannel files, with the lists FOLDER/rir.scp and
FOLDER/noise_rir.scp for dynamic mixing (conf/dynamic_mixing_array.yaml), and FOLDER/rooms.jsonl
with the rooms. Needs pyroomacoustics: pip install 'espnet-cbpc[rooms]'.
"""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.noisy_sets.room_bank import TABLET, Point, RoomRanges, write_room_bank
from espnet_cbpc.utils.cli import UserError, check_at_least, run
from espnet_cbpc.utils.files import read_yaml

HELP = {
    "length": "length of the room in metres",
    "width": "width of the room in metres",
    "height": "height of the room in metres",
    "rt60": "reverberation time in seconds",
    "array_height": "height of the array's centre in metres",
    "speaker_height": "height of the mouth in metres",
    "speaker_distance": "horizontal distance of speakers from the array in metres",
    "speaker_angle": "largest angle of speakers to either side of the array's front, in degrees",
    "noise_distance": "least horizontal distance of noises from the array in metres",
    "speakers": "positions of speech in a room",
    "noises": "positions of noise in a room",
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--output_dir", required=True, metavar="FOLDER", help="folder to write")
    add("--num_rooms", type=int, default=100, help="number of rooms")
    add("--array", default="tablet", help="tablet: the six microphones of CHiME-4; or a YAML file "
        "with microphones: a list of [right, up, forward] in metres")  # fmt: skip
    for field in fields(RoomRanges):
        default: Any = field.default
        pair: dict[str, Any] = (
            {"nargs": 2, "metavar": ("LOW", "HIGH")} if isinstance(default, tuple) else {}
        )
        kind = int if isinstance(default, int) else float
        add(f"--{field.name}", type=kind, default=default, help=HELP[field.name], **pair)
    add("--fs", type=sampling_rate, default="16k", help="sampling rate, such as 8000 or 8k")
    add("--seed", type=int, default=0, help="random seed")
    add("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Simulate the rooms.

    Raises:
        UserError: an option out of range, or pyroomacoustics is not installed.
    """
    args = get_parser().parse_args(cmd)
    check_at_least(args, num_rooms=1, speakers=1, noises=0, seed=0, fs=1000, nj=1)
    values = {field.name: getattr(args, field.name) for field in fields(RoomRanges)}
    ranges: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    for name, value in ranges.items():
        low, high = value if isinstance(value, tuple) else (value, value)
        if not 0 <= low <= high:
            raise UserError(
                f"--{name} {low:g} {high:g}: must be a range of numbers from 0, the lower first"
            )
    array = read_array(args.array)
    write_room_bank(
        args.output_dir, args.num_rooms, RoomRanges(**ranges), array, args.fs, args.seed, args.nj
    )


def read_array(name: str) -> Sequence[Point]:
    """Return the places of an array's microphones.

    Args:
        name: ``tablet``, or a YAML file.

    Raises:
        UserError: the file holds no places.
    """
    if name == "tablet":
        return TABLET
    places = read_yaml(name).get("microphones")
    if not (isinstance(places, list) and places and all(map(_is_place, places))):
        raise UserError(
            f"{name}: must hold microphones, a list of places [right, up, forward] in metres"
        )
    return [(float(x), float(y), float(z)) for x, y, z in places]


def _is_place(place: Any) -> bool:
    numbers = isinstance(place, (list, tuple)) and [isinstance(x, (int, float)) for x in place]
    return numbers == [True] * 3


if __name__ == "__main__":
    run(main)
