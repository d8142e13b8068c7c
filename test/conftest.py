# SPDX-License-Identifier: Apache-2.0
"""What the tests share: few threads, real speech and noise where at hand, a tiny joint model."""

import contextlib
import copy
import functools
import os
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import pytest

# A loaded machine is no fault.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# Before anything imports torch or numpy; the models here are too small for many threads.
os.environ.setdefault("OMP_NUM_THREADS", "2")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test"))  # which pytest's importlib mode does not


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder that holds ``fsdd/`` and ``nonspeech/``, or skip the test."""
    folder = Path(os.environ.get("CBPC_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "fsdd").is_dir() or not (folder / "nonspeech").is_dir():
        pytest.skip(
            "SKIPPED: real speech and noise not found beside the repository (../shared/data); "
            "set CBPC_SHARED_DATA"
        )
    return folder


@pytest.fixture(scope="session")
def serving():
    """Function: serve HTTP on this machine by a handler while the context lasts; gives the server.

    Keywords become attributes of the server, for its handler; ``url`` is one already.
    """

    @contextlib.contextmanager
    def serve(handler, **attributes):
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.url = f"http://127.0.0.1:{server.server_port}"
            vars(server).update(attributes)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield server
            server.shutdown()

    return serve


class Files(SimpleHTTPRequestHandler):
    """Hands out files, and does not report it."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def serving_files(serving):
    """Function: serve a folder's files while the context lasts; gives the address."""

    @contextlib.contextmanager
    def serve(folder):
        with serving(functools.partial(Files, directory=str(folder))) as server:
            yield server.url

    return serve


TOKENS = ["<blank>", "<unk>", "one", "two", "<sos/eos>"]
STFT = {"n_fft": 64, "hop_length": 32}

TINY = {
    "token_list": TOKENS,
    "token_type": "word",
    "use_preprocessor": True,
    "text_name": ["text_spk1"],
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 80, "n_mels": 16},
    "normalize": "utterance_mvn",
    "asr_encoder": "conformer",
    "asr_encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 2,
        "input_layer": "conv2d",
        "cnn_module_kernel": 3,
        "macaron_style": True,
        "use_cnn_module": True,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
    },
    "asr_decoder": "transformer",
    "asr_decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "asr_model_conf": {"ctc_weight": 0.5, "report_cer": False, "report_wer": False},
    "enh_encoder": "stft",
    "enh_encoder_conf": STFT,
    "enh_decoder": "stft",
    "enh_decoder_conf": STFT,
    "enh_separator": "tcn",
    "enh_separator_conf": {
        "num_spk": 1,
        "layer": 2,
        "stack": 1,
        "bottleneck_dim": 8,
        "hidden_dim": 8,
    },
    "enh_criterions": [
        {"name": "si_snr", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {}}
    ],
    "tokenizer_conf": {"n_clusters": 4, "feature_dim": 16},
}


@pytest.fixture(scope="session")
def task():
    """The task class (its import is slow)."""
    from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask

    return EnhASRCBPCTask


@pytest.fixture
def tiny_config():
    """Return the options of the tiny model."""
    return copy.deepcopy(TINY)


@pytest.fixture
def tiny_args(task, tiny_config):
    """Function: arguments of the tiny model, changed by keywords."""

    def make(**changes):
        parser = task.get_parser()
        args = parser.parse_args(["--output_dir", "unused"])
        for key, value in {**copy.deepcopy(tiny_config), **changes}.items():
            assert hasattr(args, key), key
            setattr(args, key, value)
        return args

    return make


@pytest.fixture
def tiny_model(task, tiny_args):
    """Function: the tiny model with a fitted (random) tokenizer, changed by keywords."""

    def make(**changes):
        import torch  # here and below: not for tests that do without it

        torch.manual_seed(0)
        model = task.build_model(tiny_args(**changes))
        if model.tokenizer is not None:
            model.tokenizer.centroids.normal_()
        return model

    return make


@pytest.fixture
def tiny_batch():
    """Function: a batch with the given category of each utterance (0 SIMU, 1 REAL, 2 CLEAN)."""

    def make(categories=(0, 0, 0), seed=0):
        import torch

        g = torch.Generator().manual_seed(seed)
        b = len(categories)
        lengths = torch.tensor([4000 - 640 * i for i in range(b)])
        mask = torch.arange(4000) < lengths[:, None]
        clean = torch.randn(b, 4000, generator=g) * 0.1 * mask
        noise = torch.randn(b, 4000, generator=g) * 0.1 * mask
        category = torch.tensor(categories)[:, None]
        speech = torch.where(category == 2, clean, clean + noise)
        # as in a dump directory: REAL and CLEAN have their own recording in spk1.scp
        reference = torch.where(category == 0, clean, speech)
        return {
            "speech": speech,
            "speech_lengths": lengths,
            "speech_ref1": reference,
            "speech_ref1_lengths": lengths,
            "text_spk1": torch.tensor([[2, 3, 2]] * b),
            "text_spk1_lengths": torch.full((b,), 3),
            "utt2category": category,
            "utt2category_lengths": torch.ones(b, dtype=torch.long),
            "utt_id": [f"utt{i}" for i in range(b)],
        }

    return make
