# SPDX-License-Identifier: Apache-2.0
"""The page on one's own data: its options of stage 1, and the messages that it lists."""

import importlib
import re
from pathlib import Path

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "README.md").read_text(encoding="utf-8")


def test_options_of_stage_1_are_understood():
    (options,) = re.findall(r'--local_data_opts "(.*?)"', README)
    parser = importlib.import_module("espnet_cbpc.bin.prepare_noisy_corpus").get_parser()
    args = parser.parse_args(["--speech", "s", "--noise", "n", *options.split()])
    assert args.test_speakers == ["ann", "bob"] and args.test_snrs == [0, 10]


def test_messages_about_directories_are_those_that_come(tmp_path):
    (tmp_path / "wav.scp").write_text("b b.wav\na a.wav\na a.wav\n")
    (tmp_path / "utt2spk").write_text("b s\n")
    (tmp_path / "utt2category").write_text("a SIMU\nb SIMU\n")
    _, faults = DataDir.examine(tmp_path, require_text=False)
    messages = re.findall(r"^\| `(\.\.\. .*?)` \|", README, re.M)
    assert len(messages) == 5
    for message in messages[:4]:  # the last one is not about directories
        pattern = re.escape(message).replace(r"\.\.\.", ".*")
        assert any(re.search(pattern, fault) for fault in faults), message
