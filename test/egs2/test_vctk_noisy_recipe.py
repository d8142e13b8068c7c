"""The vctk_noisy recipe on a small tree of real digits, with tiny models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent))

import vctk_tree  # noqa: E402

from espnet_cbpc.data.audio.audio_file import read_audio  # noqa: E402
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir  # noqa: E402

pytestmark = pytest.mark.slow
SMALL = "../../mini_synth/enh_asr_cbpc1/conf"  # configurations of small models
WORDS = "Zero One Two Three Four Five Six Seven Eight Nine".split()
TINY = [
    *("--local_data_opts", "--allow_partial true --dev_speakers p287", "--stop_stage", "16"),
    *("--baseline_configs", "", "--min_wav_duration", "0"),
    *("--asr_config", f"{SMALL}/train_asr.yaml", "--enh_config", f"{SMALL}/train_enh.yaml"),
    *("--enh_asr_config", f"{SMALL}/train_enh_asr_cbpc.yaml"),
    *("--inference_config", f"{SMALL}/decode.yaml"),
    *("--tokenizer_conf", f"{SMALL}/tokenizer_kmeans.yaml"),
    *("--asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--train_nj", "2", "--inference_nj", "3"),
]


@pytest.fixture(scope="module")
def recipe(tree, shared_data, tmp_path_factory):
    """The recipe after stages 1 to 16, on digits of FSDD at 48 kHz."""
    corpus = tmp_path_factory.mktemp("vctk") / "corpus"

    def speak(number):
        path = shared_data / "fsdd" / f"{number % 10}_george_{number // 10}.wav"
        return 0.5 * read_audio(path, 48000)[0], f"{WORDS[number % 10]}."

    vctk_tree.make_vctk_noisy(corpus, speak, utterances=6)
    folder = tree / "egs2" / "vctk_noisy" / "enh_asr_cbpc1"
    done = subprocess.run(
        [str(folder / "run.sh"), *TINY],
        env={**os.environ, "VCTK_NOISY": str(corpus)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_training_reads_16_khz(recipe):
    train = DataDir.read(recipe / "dump" / "raw" / "train")
    assert len(train.ids) == 12 and set(train.categories.values()) == {"SIMU"}
    for name in ("wav.scp", "spk1.scp"):
        paths = train.tables[name].values()
        assert {soundfile.info(recipe / path).samplerate for path in paths} == {16000}


def test_results_are_those_that_the_benchmark_asks_for(recipe):
    results = json.loads((recipe / "exp" / "results.json").read_text(encoding="utf-8"))
    assert results["sets"] == ["test_clean", "test"] and list(results["quality"]) == ["test"]
    measures = ["PESQ_WB", "CSIG", "CBAK", "COVL", "STOI", "ESTOI", "SI_SDR"]
    measures += ["SDR", "SEGSNR"]
    for scores in results["quality"]["test"].values():
        assert list(scores["total"]) == measures
        assert list(scores["groups"]) == ["2.5", "7.5", "12.5", "17.5"]
    for system in results["wer"].values():
        assert (system["test"]["total"]["words"], system["test"]["total"]["sentences"]) == (12, 12)
    noisy = results["quality"]["test"]["noisy speech"]["groups"]
    means = [noisy[snr]["SI_SDR"]["mean"] for snr in noisy]
    assert means == sorted(means)
