# SPDX-License-Identifier: Apache-2.0
"""Data directories of the recipes in ESPnet3: ``data_src: espnet_cbpc.espnet3.data_dir``."""

from collections.abc import KeysView
from pathlib import Path
from typing import Union

import numpy as np
from espnet3.components.data.base_dataset import BaseDataset
from espnet3.contract import Field

from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.utils.cli import UserError, listed

AUDIO = {"wav.scp": "speech", "spk1.scp": "speech_ref1"}


class Dataset(BaseDataset):
    """The utterances of a data directory, by id, under the names that the joint task knows.

    A number is no index. So ESPnet3 knows each utterance by its id, in shape files too, where it
    would number the utterances of other datasets.

    Args:
        path: the directory, such as ``dump/raw/train``; ``spk1.scp`` and ``text`` may be absent.
        root: where the recipe that wrote it ran; relative paths of audio files start there.

    Raises:
        UserError: files that disagree, or references of some utterances only.
    """

    fields = (
        Field("speech", "audio"),  # (samples,) float32, of several channels (samples, channels)
        Field("speech_ref1", "audio", optional=True),
        Field("text_spk1", "text", optional=True),
        Field("utt2category", "text"),
    )

    def __init__(self, path: Union[str, Path], root: Union[str, Path] = "."):
        data = DataDir.read(path, require_text=False)
        tables = data.tables
        bare = tables["wav.scp"].keys() - tables.get("spk1.scp", data.categories).keys()
        if bare:
            raise UserError(
                f"{path}/spk1.scp: {len(bare)} utterance(s) of wav.scp missing "
                f"({listed(sorted(bare))}): give a directory in dump/raw, which has them"
            )
        self.root = Path(root)
        self.audio = {name: tables[file] for file, name in AUDIO.items() if file in tables}
        self.words = {"utt2category": data.categories}
        if "text" in tables:
            self.words["text_spk1"] = tables["text"]

    def __len__(self) -> int:
        return len(self.audio["speech"])

    def keys(self) -> KeysView:
        """Return the utterance ids."""
        return self.audio["speech"].keys()

    def __getitem__(self, utterance: str) -> dict[str, Union[np.ndarray, str]]:
        entries = {name: table[utterance] for name, table in self.audio.items()}
        signals = {name: read_recording(self._rooted(e))[0] for name, e in entries.items()}
        return {**signals, **{name: table[utterance] for name, table in self.words.items()}}

    def _rooted(self, entry: str) -> str:
        return " ".join(str(self.root / file) for file in columns(entry))
