# SPDX-License-Identifier: Apache-2.0
"""Copies of the parts of noise that training may hear."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.noise_parts import NoisePart, write_noise_parts
from espnet_cbpc.utils.cli import UserError


def test_a_copy_is_the_first_channel_of_the_part(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 2))
    soundfile.write(tmp_path / "n.wav", samples, 8000, subtype="PCM_16")
    write_noise_parts(
        tmp_path / "out", [NoisePart(tmp_path / "n.wav", "a.wav", (100, 700))], 8000, 1
    )
    copy, rate = soundfile.read(tmp_path / "out" / "a.wav", dtype="int16")
    whole, _ = soundfile.read(tmp_path / "n.wav", dtype="int16")
    assert rate == 8000 and np.array_equal(copy, whole[100:700, 0])


def test_a_fault_leaves_the_earlier_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "before.wav").touch()
    with pytest.raises(UserError, match=r"1 of 1 file\(s\): no such audio file.*a\.wav"):
        write_noise_parts(tmp_path / "out", [NoisePart(tmp_path / "no", "a.wav", (0, 1))], 8000, 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["before.wav"]


def test_parts_of_hus_noises_do_not_overlap():
    for length in (1, 999, 20001):
        for heard, held_out in zip(nonspeech.HEARD, nonspeech.HELD_OUT):
            assert heard[0] == held_out[0]
            (begin, middle), (start, end) = (
                nonspeech.segment(length, part) for _, part in (heard, held_out)
            )
            assert (begin, middle, end) == (0, start, length)
    seen, unseen = ({name for name, _ in parts} for parts in (nonspeech.HEARD, nonspeech.UNSEEN))
    assert len(seen) == 70 and len(unseen) == 30 and not seen & unseen
