# SPDX-License-Identifier: Apache-2.0
"""Recordings: what is heard with which share, and windows of long ones."""

import numpy as np
import pytest
import soundfile

FS = 8000


@pytest.fixture(scope="module")
def listener(joint_model):
    from espnet_cbpc.demo.recording import Listener
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    config, model = joint_model.name.split(",")
    models = EnhSpeech2Text(config, model, observation_adding=0.4, ctc_greedy=True)
    return Listener(models, max_seconds=100)


def test_agrees_with_inference_without_and_with_enhancement(listener, tmp_path):
    import tiny_models as tiny

    soundfile.write(tmp_path / "a.wav", tiny.speech(2 * FS), FS, subtype="FLOAT")
    recording = listener.record(tmp_path / "a.wav")
    text, enhanced = listener.models(tiny.speech(2 * FS))
    assert np.allclose(recording.mixed(0.0), enhanced, atol=1e-5)
    assert np.array_equal(recording.mixed(1.0), recording.noisy)
    assert np.allclose(recording.mixed(0.5), (enhanced + recording.noisy) / 2, atol=1e-5)
    assert listener.text(recording.mixed(0.0)) == text
    assert recording.text == listener.text(recording.noisy) != text


def test_the_share_of_the_models_is_where_the_page_begins(listener):
    assert listener.share == 0.4 and listener.models.share == 0.0


def test_a_stereo_recording_at_another_rate_and_longer_than_a_window(listener, tmp_path):
    import tiny_models as tiny

    samples = tiny.speech(70 * 16000)
    soundfile.write(tmp_path / "long.flac", np.stack([samples, samples], 1), 16000)
    recording = listener.record(tmp_path / "long.flac")
    assert len(recording.noisy) == len(recording.enhanced) == 70 * FS
    assert len(recording.text) > 100
