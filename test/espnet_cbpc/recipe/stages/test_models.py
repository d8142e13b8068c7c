# SPDX-License-Identifier: Apache-2.0
"""The reference channel of SE models, trained and brought."""

import pytest

from espnet_cbpc.recipe.stages.models import check_reference, reference_options
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import write_yaml


@pytest.fixture
def written(tmp_path):
    """Function: write an SE configuration and return its path."""

    def write(separator, **conf):
        write_yaml(tmp_path / "enh.yaml", {"separator": separator, "separator_conf": conf})
        return tmp_path / "enh.yaml"

    return write


def test_a_trained_model_has_the_reference_of_the_data(written):
    beamformer = written("wpe_beamformer", ref_channel=0)
    assert reference_options(beamformer, 0) == []
    assert reference_options(beamformer, 4) == ["--separator_conf", "ref_channel=4"]
    assert reference_options(written("wpe_beamformer", ref_channel=-1), 4) == []  # it chooses one
    assert reference_options(written("tcn"), 4) == []  # of one channel


def test_one_that_has_the_first_channel_for_reference(written):
    fasnet = written("fasnet", fasnet_type="ifasnet")
    assert reference_options(fasnet, 0) == []
    with pytest.raises(UserError, match="of fasnet is the first channel, but --ref_channel is 3"):
        reference_options(fasnet, 3)


def test_a_brought_model_of_another_reference(written):
    beamformer = written("wpe_beamformer", ref_channel=4)
    check_reference(beamformer, 4)
    with pytest.raises(UserError, match="reference is channel 4, but --ref_channel is 0: give"):
        check_reference(beamformer, 0)
