# SPDX-License-Identifier: Apache-2.0
"""Labels of stored features, as Kaldi archives."""

import json

import kaldiio
import numpy as np
import pytest
import torch

from espnet_cbpc.bin.dump_labels import main
from espnet_cbpc.compat.releases import frame_counting
from espnet_cbpc.tokenizer.feature_store import FeatureWriter
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def options(tmp_path):
    """The command line that labels three utterances with the signs of two dimensions."""
    tokenizer = KMeansTokenizer(2, 2)
    tokenizer.centroids.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    tokenizer.save(tmp_path / "t.safetensors")
    for part, ids in (("1", ["a", "bb"]), ("2", ["ü"])):
        wavs = {utt: f"{utt}.wav" for utt in ids}
        frames = np.array([[-1, 5], [1, 5], [1, -5]], np.float32)
        settings = {"layer": None, "frames": frame_counting()}
        writer = FeatureWriter(tmp_path / part, wavs, settings, 1)
        list(writer.run(lambda chunk: [(utt, frames[: 1 + len(utt)]) for utt in chunk]))
    folders = [str(tmp_path / "1"), str(tmp_path / "2")]
    tokenizer, out = tmp_path / "t.safetensors", tmp_path / "out"
    return [f"--tokenizer={tokenizer}", "--feature_dirs", *folders, f"--output_dir={out}"]


def test_labels_are_read_by_their_scp_and_by_their_ark(options, tmp_path):
    main(options)
    expected = {"a": [0, 1], "bb": [0, 1, 1], "ü": [0, 1]}
    out = tmp_path / "out"
    by_scp = dict(kaldiio.load_scp(str(out / "labels.scp")))
    by_ark = dict(kaldiio.load_ark(str(out / "labels.ark")))
    for found in (by_scp, by_ark):
        assert list(found) == list(expected)
        for utt, labels in expected.items():
            assert found[utt].dtype == np.int32
            np.testing.assert_array_equal(found[utt], labels)
    paths = [line.split()[1] for line in (out / "labels.scp").read_text().splitlines()]
    assert all(path.startswith(f"{out.resolve()}/labels.ark:") for path in paths)


def test_labels_are_of_one_way_of_counting_frames(options, tmp_path, monkeypatch):
    from espnet_cbpc.compat import releases
    from espnet_cbpc.tasks.enh_asr_cbpc import check_labels

    scp = tmp_path / "out" / "labels.scp"
    for folder in ("1", "2"):
        made = tmp_path / folder / "features.json"
        made.write_text(json.dumps({**json.loads(made.read_text()), "frames": ""}))
    monkeypatch.setattr(releases, "espnet_release", lambda: "202511")
    main(options)
    check_labels(scp)
    monkeypatch.setattr(releases, "espnet_release", lambda: "202611")
    with pytest.raises(
        UserError, match="made with ESPnet before 202611, but this is 202611, whose"
    ):
        check_labels(scp)
    with pytest.raises(UserError, match="run dump_encoder_features again"):
        main(options)
    (tmp_path / "out" / "labels.json").unlink()  # as release 0.1 left it
    with pytest.raises(UserError, match="labels.scp: made with ESPnet before 202611"):
        check_labels(scp)


def test_an_utterance_that_comes_twice_is_named(options, tmp_path):
    options[3] = options[2]
    with pytest.raises(UserError, match="'a' is in .* twice"):
        main(options)


def test_nothing_is_left_where_features_do_not_fit_the_tokenizer(options, tmp_path):
    KMeansTokenizer(2, 3).save(tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="dimensions"):
        main(options)
    assert list((tmp_path / "out").iterdir()) == []
