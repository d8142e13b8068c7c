# SPDX-License-Identifier: Apache-2.0
"""Speed perturbation: ids, lengths, pitch, and signals that stay in step."""

import re

import numpy as np
import pytest

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_data_dir
from espnet_cbpc.data.kaldi.speed_perturbation import perturb_data_dir
from espnet_cbpc.utils.cli import UserError

FS = 8000
IDS = ["clean-u", "real-u", "simu-u"]


def pitch(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * FS / len(samples)


def test_every_table_goes_along(corpus):
    out = corpus.parent / "out"
    (corpus / "utt2num_samples").write_text("".join(f"{key} 1\n" for key in IDS))
    perturb_data_dir(corpus, out, [0.9, 1.0, 1.1], 2)
    data = DataDir.read(out)
    prefixes = ("", "sp0.9-", "sp1.1-")
    assert data.ids == sorted(prefix + key for prefix in prefixes for key in IDS)
    assert "utt2num_samples" not in data.tables
    for prefix in prefixes:
        assert data.tables["text"][prefix + "real-u"] == "two three"
        assert data.tables["utt2spk"][prefix + "real-u"] == prefix + "bob"
        assert data.tables["utt2snr"][prefix + "simu-u"] == "5"
        assert data.categories[prefix + "clean-u"] == "CLEAN"
    assert data.tables["wav.scp"]["real-u"] == read_table(corpus / "wav.scp")["real-u"]
    assert list(data.tables["spk1.scp"]) == ["simu-u", "sp0.9-simu-u", "sp1.1-simu-u"]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1])
def test_length_and_pitch_follow_the_speed(corpus, factor):
    perturb_data_dir(corpus, corpus.parent / "out", [factor])
    samples, fs = read_audio(read_table(corpus.parent / "out" / "wav.scp")[f"sp{factor}-clean-u"])
    assert fs == FS and abs(len(samples) - 4000 / factor) <= 1
    assert pitch(samples) == pytest.approx(440 * factor, abs=FS / len(samples))


def test_noisy_clean_and_noise_stay_in_step(corpus):
    perturb_data_dir(corpus, corpus.parent / "out", [0.9])
    tables = DataDir.read(corpus.parent / "out").tables
    noisy, clean, noise = (
        read_audio(tables[f"{name}.scp"]["sp0.9-simu-u"])[0] for name in ("wav", "spk1", "noise1")
    )
    np.testing.assert_allclose(noisy, clean + noise, atol=1e-4)


@pytest.mark.parametrize("factors", [[0.9, 0.9], [0.0, 1.0], [-1.0]])
def test_factors_must_make_sense(corpus, factors):
    with pytest.raises(UserError, match="--factors .*: must be positive and distinct"):
        perturb_data_dir(corpus, corpus.parent / "out", factors)
    assert not (corpus.parent / "out").exists()


def test_faulty_audio_leaves_nothing(corpus, tone):
    write_audio(corpus.parent / "audio" / "simu.wav", tone(0.1), FS)
    with pytest.raises(UserError, match=re.escape("1 of 3 utterance(s): noisy, clean and noise")):
        perturb_data_dir(corpus, corpus.parent / "out", [1.0, 0.9])
    assert sorted(p.name for p in corpus.parent.iterdir()) == ["audio", "in"]


def test_ids_in_use(corpus):
    wav = f"{corpus.parent}/audio/real.wav"
    ids = ("a", "sp0.9-a")
    tables = {"wav.scp": dict.fromkeys(ids, wav), "utt2spk": dict.fromkeys(ids, "s")}
    write_data_dir(corpus, tables)
    with pytest.raises(UserError, match=r"1 perturbed id\(s\) are already in use \(sp0.9-a\)"):
        perturb_data_dir(corpus, corpus.parent / "out", [1.0, 0.9])
