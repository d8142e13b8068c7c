# SPDX-License-Identifier: Apache-2.0
"""Options of dynamic mixing: each mistake is named before training."""

import pytest

from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig, read_recordings
from espnet_cbpc.utils.cli import UserError

NEEDED = {"noise_scp": "noise.scp", "fs": 16000}


def test_defaults_and_given_values():
    config = DynamicMixingConfig.parse({**NEEDED, "snr_db": [0, 5], "rir_scp": None})
    assert config.snr_db == (0, 5) and config.num_noises == (1, 1)
    assert config.rir_scp is None and config.early_ms == 50.0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"snr": [0, 5]}, "unknown option(s) snr: use noise_scp, fs, snr_db"),
        ({"noise_scp": None}, "noise_scp is not given"),
        ({"fs": None}, "fs is not given"),
        ({"fs": "16k"}, "fs is '16k': must be a whole number from 1"),
        ({"fs": True}, "fs is True"),
        ({"snr_db": [5, 0]}, "snr_db is [5, 0]: its low end is above its high end"),
        ({"snr_db": 5}, "snr_db is 5: must be a range [low, high]"),
        ({"snr_db": [0, float("inf")]}, "must hold finite numbers"),
        ({"snr_db": [0, float("nan")]}, "must hold finite numbers"),
        ({"num_noises": [0, 1]}, "must hold whole numbers, 1 at least"),
        ({"num_noises": [1, 1.5]}, "must hold whole numbers"),
        ({"level_db": ["a", 1]}, "level_db is ['a', 1]"),
        ({"clean_prob": 1.5}, "clean_prob is 1.5: must be a number from 0 to 1"),
        ({"clean_prob": 0.6, "given_prob": 0.5}, "add up to more than 1"),
        ({"noise_scp": ["a.scp"]}, "noise_scp is ['a.scp']: must be the name of a file"),
        ({"early_ms": -1}, "early_ms is -1"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(UserError) as caught:
        DynamicMixingConfig.parse({**NEEDED, **change})
    assert "dynamic_mixing_conf: " in str(caught.value) and message in str(caught.value)


def test_a_file_name_is_not_taken_for_options():
    with pytest.raises(UserError, match="must hold 'option: value' lines"):
        DynamicMixingConfig.parse("conf/mixing.yaml")


def test_lists_of_recordings(tmp_path):
    (tmp_path / "a.wav").touch()
    scp = tmp_path / "noise.scp"
    scp.write_text(f"a {tmp_path}/a.wav\n")
    assert read_recordings("noise_scp", str(scp)) == (f"{tmp_path}/a.wav",)

    scp.write_text(f"a {tmp_path}/a.wav\nb {tmp_path}/b.wav\nc {tmp_path}/c.wav\n")
    with pytest.raises(UserError, match="2 of 3 recording.* not found .*b.wav, .*c.wav"):
        read_recordings("noise_scp", str(scp))
    scp.write_text("")
    with pytest.raises(UserError, match="rir_scp .*noise.scp lists no recordings"):
        read_recordings("rir_scp", str(scp))
    with pytest.raises(UserError, match="gone.scp: cannot be read"):
        read_recordings("noise_scp", str(tmp_path / "gone.scp"))
