"""The joint task driven by ESPnet-EZ, as in the README."""

import pytest
import soundfile
import torch
import yaml

from espnet_cbpc.data.kaldi_dir import write_table

pytest.importorskip("six", reason="SKIPPED: espnetez needs six: pip install 'espnet-cbpc[ez]'")


@pytest.fixture
def dump(tmp_path, tiny_batch):
    """Folders train and valid with speech, references, transcripts and categories."""
    batch = tiny_batch((0, 2, 0, 0))
    for split in ("train", "valid"):
        tables = {name: {} for name in ("wav.scp", "spk1.scp", "text", "utt2category")}
        for i, utt in enumerate(("a", "b", "c", "d")):
            n = int(batch["speech_lengths"][i])
            for name, key in (("wav.scp", "speech"), ("spk1.scp", "speech_ref1")):
                path = tmp_path / split / f"{utt}.{key}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, batch[key][i, :n].numpy(), 8000)
                tables[name][utt] = str(path)
            tables["text"][utt] = "one two"
            tables["utt2category"][utt] = "CLEAN" if i == 1 else "SIMU"
        for name, table in tables.items():
            write_table(tmp_path / split / name, table)
    return tmp_path


def test_trainer_trains_the_joint_task(dump, tmp_path, tiny_config):
    import espnetez

    import espnet_cbpc.ez  # registers "enh_asr_cbpc"
    from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer

    tokenizer = KMeansTokenizer.fit([torch.randn(200, 16)], n_clusters=4)
    tokenizer.save(tmp_path / "tokenizer.safetensors")
    options = {"batch_type": "unsorted", "batch_size": 2, "num_workers": 0, "num_att_plot": 0}
    options.update(max_epoch=1, tokenizer_init=str(tmp_path / "tokenizer.safetensors"))
    (tmp_path / "train.yaml").write_text(yaml.safe_dump({**tiny_config, **options}))
    config = espnetez.config.from_yaml(espnet_cbpc.ez.TASK, tmp_path / "train.yaml")
    trainer = espnetez.Trainer(
        task=espnet_cbpc.ez.TASK,
        train_config=config,
        train_dump_dir=dump / "train",
        valid_dump_dir=dump / "valid",
        data_info={
            "speech": ["wav.scp", "sound"],
            "speech_ref1": ["spk1.scp", "sound"],
            "text_spk1": ["text", "text"],
            "utt2category": ["utt2category", "text"],
        },
        output_dir=str(tmp_path / "exp"),
        stats_dir=str(tmp_path / "stats"),
        ngpu=0,
    )
    trainer.collect_stats()
    trainer.train()

    weights = torch.load(tmp_path / "exp" / "1epoch.pth", weights_only=True)
    torch.testing.assert_close(weights["tokenizer.centroids"], tokenizer.centroids)
    states = torch.load(tmp_path / "exp" / "checkpoint.pth", weights_only=False)
    train = states["reporter"]["stats"][1]["train"]
    assert {"loss_cbpc", "loss_infonce", "loss_asr", "loss_enh"} <= train.keys()
    assert train["num_clean"] == pytest.approx(0.5)  # one of four utterances, two a batch
