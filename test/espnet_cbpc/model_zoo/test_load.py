# SPDX-License-Identifier: Apache-2.0
"""Every way to name a model gives the same model, proven whole; what is not whole is refused."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from espnet_cbpc.model_zoo import load_asr, load_enh
from espnet_cbpc.model_zoo.locate import locate
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import file_digest


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def server(zoo, serving_files, monkeypatch):
    """The address under which a server of this machine has the recipe's folder."""
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.0)
    with serving_files(zoo.root) as url:
        yield url


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def names_of_asr(zoo, packed):
    exp = zoo.asr
    return {
        "folder": exp,
        "checkpoint": exp / "valid.acc.ave.pth",
        "pair": (exp / "config.yaml", exp / "valid.acc.ave.pth"),
        "pair in a string": f"{exp / 'config.yaml'},{exp / 'valid.acc.ave.pth'}",
        **{suffix: packed("asr", suffix) for suffix in ("zip", "tar", "tgz", "tbz2", "txz")},
    }


FORMS = ("folder", "checkpoint", "pair", "pair in a string", "zip", "tar", "tgz", "tbz2", "txz")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_on_this_machine(form, zoo, packed, cache):
    model, args = load_asr(names_of_asr(zoo, packed)[form], cachedir=cache)
    assert same(model, zoo.asr_model) and not model.training
    assert Path(args.bpemodel).is_absolute() and Path(args.normalize_conf["stats_file"]).is_file()
    # not a parameter, yet part of the model
    torch.testing.assert_close(model.normalize.mean, zoo.asr_model.normalize.mean)
    written = {p.relative_to(cache).parts[0] for p in cache.rglob("*")} - {".lock"}
    assert len(written) == (0 if form in FORMS[:4] else 1)


def test_an_archive_is_unpacked_once_for_each_content(zoo, packed, cache, monkeypatch):
    archive = packed("asr")
    first = locate(archive, "asr", cache)
    monkeypatch.setattr("espnet_cbpc.model_zoo.locate.unpack", None)
    renamed = shutil.copy(archive, cache / "asr.zip")
    assert locate(renamed, "asr", cache).checkpoint == first.checkpoint


def test_located_files_work_in_stock_espnet_from_any_folder(packed, cache, tmp_path, monkeypatch):
    from espnet2.tasks.asr import ASRTask

    monkeypatch.chdir(tmp_path)
    files = locate(packed("asr"), "asr", cache)
    model, args = ASRTask.build_model_from_file(files.config, files.checkpoint)
    assert Path(args.bpemodel).is_file()


def test_url_with_digest(server, zoo, packed, cache):
    archive = packed("asr")
    url = f"{server}/{archive.name}"
    with pytest.raises(UserError, match="SHA-256 is .*, expected 0000"):
        load_asr(f"{url}#sha256={'0' * 64}", cachedir=cache)
    model, _ = load_asr(f"{url}#sha256={file_digest(archive)}", cachedir=cache)
    assert same(model, zoo.asr_model)
    assert not list(cache.glob("*.archive*"))  # what is unpacked is not kept twice


def test_tag_of_the_zoo_is_fetched_from_its_address(server, zoo, packed, cache, monkeypatch):
    from espnet_model_zoo.downloader import ModelDownloader

    url = f"{server}/{packed('enh').name}"

    def query(self, key, name):
        return [url] if name == "Some One/a_tag with blanks" else []

    monkeypatch.setattr(ModelDownloader, "query", query)
    model, _ = load_enh("Some One/a_tag with blanks", cachedir=cache)
    assert same(model, zoo.enh_model)


def test_the_table_of_the_zoo_knows_its_tags(cache):
    from espnet_cbpc.model_zoo.locate import _zoo_url

    tag = "kamo-naoyuki/mini_an4_asr_train_raw_bpe_valid.acc.best"
    assert _zoo_url(tag, cache).startswith("https://zenodo.org/record/")
    assert _zoo_url("nobody/nothing", cache) is None


def test_hugging_face_id_with_revision(zoo, packed, cache, monkeypatch, tmp_path):
    snapshot = tmp_path / "snapshot"
    download.unpack(packed("asr"), snapshot)
    asked = {}

    def snapshot_download(repo, **options):
        asked.update(repo=repo, **options)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model, _ = load_asr("some-one/a.model@v1.2", cachedir=cache)
    assert same(model, zoo.asr_model)
    assert (asked["repo"], asked["revision"]) == ("some-one/a.model", "v1.2")
    assert Path(asked["cache_dir"]) == cache  # never site-packages


def test_offline_says_so(cache, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match="someone/something: Hugging Face cannot be reached, and .*cache"
    ):
        load_asr("someone/something", cachedir=cache)


def test_default_cache_is_the_users(monkeypatch, tmp_path):
    from espnet_cbpc.model_zoo.locate import default_cachedir

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cachedir() == tmp_path / "espnet_cbpc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cachedir() == Path("/home/someone/.cache/espnet_cbpc")


def rewrite(archive: Path, out: Path, changes):
    """Copy a zip with members changed (a function of their bytes) or left out (None)."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            change = next(
                (c for ending, c in changes.items() if name.endswith(ending)), lambda b: b
            )
            if change is not None:
                target.writestr(name, change(source.read(name)))
    return out


def edited(**changes):
    def change(content: bytes) -> bytes:
        return yaml.safe_dump({**yaml.safe_load(content), **changes}).encode()

    return change


def weights(change):
    def edit(content: bytes) -> bytes:
        import io

        state = torch.load(io.BytesIO(content), weights_only=True)
        change(state)
        out = io.BytesIO()
        torch.save(state, out)
        return out.getvalue()

    return edit


def drop_and_add(state):
    del state["encoder.after_norm.weight"], state["ctc.ctc_lo.bias"]
    state["encoder.surplus"] = torch.zeros(1)


def of_another_shape(state):
    state["encoder.after_norm.weight"] = torch.zeros(17)


BROKEN = {
    "no meta.yaml": (
        {"meta.yaml": None},
        "no meta.yaml in it, so this was not made by espnet2.bin.pack",
    ),
    "other task": (
        {"meta.yaml": edited(yaml_files={"tts_config": "x"}, files={})},
        "an archive of another task, with tts_config: an ASR model has asr_train_config and "
        "asr_model_file",
    ),
    "climbing": (
        {"meta.yaml": edited(files={"asr_model_file": "../../etc/passwd"})},
        "outside of its folder: do not use this archive",
    ),
    "unknown module": (
        {"config.yaml": edited(encoder="perceptron")},
        "ESPnet cannot build this model .*--encoder must be one of",
    ),
    "vocabulary": (
        {"config.yaml": edited(token_list=["<blank>", "<unk>", "<sos/eos>"])},
        "a vocabulary of 3 tokens, but .* was trained with one of 28",
    ),
    "tokens of another model": (
        {
            "config.yaml": edited(
                token_list=["<blank>"] + [f"t{i}" for i in range(26)] + ["<sos/eos>"]
            )
        },
        "pieces of .*bpe.model are not in the token list .*belongs to another ASR model",
    ),
    "missing and extra": (
        {".pth": weights(drop_and_add)},
        r"2 missing \(ctc.ctc_lo.bias, encoder.after_norm.weight\); 1 left over \(encoder.surplus\)",
    ),
    "shape": (
        {".pth": weights(of_another_shape)},
        r"1 with a different shape \(encoder.after_norm.weight: \(17,\) instead of \(16,\)\)",
    ),
    "no statistics": (
        {".npz": None},
        r"1 file\(s\) that the configuration names do not exist .*stats_file",
    ),
    "not weights": ({".pth": lambda b: b"junk"}, "not a readable file of model parameters"),
    "truncated weights": ({".pth": lambda b: b[:-100]}, "not a readable file of model parameters"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_not_whole_is_refused(fault, packed, tmp_path, cache):
    changes, message = BROKEN[fault]
    archive = rewrite(packed("asr"), tmp_path / "asr.zip", changes)
    with pytest.raises(UserError, match=message):
        load_asr(archive, cachedir=cache)


def test_symbols_that_are_missing_are_told_and_done_without(packed, tmp_path, cache, caplog):
    change = {"config.yaml": edited(non_linguistic_symbols="data/nlsyms.txt")}
    archive = rewrite(packed("asr"), tmp_path / "asr.zip", change)
    load_asr(archive, cachedir=cache)
    message = "data/nlsyms.txt, which it names as non_linguistic_symbols, is missing"
    assert message in caplog.text


def test_an_archive_with_one_folder_on_top(packed, zoo, tmp_path, cache):
    archive = tmp_path / "asr.zip"
    with zipfile.ZipFile(packed("asr")) as source, zipfile.ZipFile(archive, "w") as target:
        for name in source.namelist():
            target.writestr(f"model-main/{name}", source.read(name))
    model, _ = load_asr(archive, cachedir=cache)
    for name, weight in zoo.asr_model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)


def test_a_checkpoint_that_would_run_code_is_not_read(zoo, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    shutil.copytree(zoo.enh, tmp_path / "enh")
    torch.save({"encoder": Evil()}, tmp_path / "enh" / "valid.loss.ave.pth")
    with pytest.raises(UserError, match="not a readable file of model parameters"):
        load_enh(tmp_path / "enh")
    assert not (tmp_path / "ran").exists()


def test_archives_that_are_none_or_climb_leave_nothing(tmp_path, cache):
    junk = tmp_path / "model.zip"
    junk.write_bytes(b"not an archive")
    with pytest.raises(UserError, match="not a complete zip or tar file"):
        load_asr(junk, cachedir=cache)
    with tarfile.open(tmp_path / "climbs.tar", "w") as archive:
        archive.add(junk, "../../climbed")
    with pytest.raises(UserError, match="lead out of the folder .*do not use this archive"):
        load_asr(tmp_path / "climbs.tar", cachedir=cache)
    assert [p.name for p in cache.iterdir()] == [".lock"]
    assert not (tmp_path / "climbed").exists()


def test_a_download_that_is_cut_short_leaves_nothing_to_be_taken_for_whole(
    server, zoo, packed, cache
):
    whole = packed("asr").read_bytes()
    (zoo.root / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a complete zip or tar file"):
        load_asr(f"{server}/cut.zip", cachedir=cache)
    assert [p.name for p in cache.iterdir()] == [".lock"]


def test_kinds_are_not_mixed_up(zoo, packed):
    with pytest.raises(UserError, match="configures SE model, where an ASR model is needed"):
        load_asr(zoo.enh)
    with pytest.raises(UserError, match="configures ASR model, where an SE model is needed"):
        load_enh(zoo.asr)


@pytest.mark.parametrize(
    "name, message",
    [
        ("./nowhere", "./nowhere: no such file or folder: give a folder"),
        ("nowhere.zip", "nowhere.zip: no such file or folder"),
        ("a name", "a name: no such model"),
        ("config.yaml,model.pth", "config.yaml: no such file"),
    ],
)
def test_names_of_nothing(name, message, cache):
    with pytest.raises(UserError, match=message):
        load_asr(name, cachedir=cache)


def test_the_checkpoint_of_an_experiment_folder(zoo, tmp_path):
    folder = shutil.copytree(zoo.enh, tmp_path / "enh")
    for name in ("1epoch.pth", "2epoch.pth", "checkpoint.pth"):
        shutil.copy(folder / "valid.loss.ave.pth", folder / name)
    assert locate(folder, "enh", tmp_path).checkpoint.name == "valid.loss.ave.pth"
    assert locate(folder, "enh", tmp_path, "1epoch.pth").checkpoint.name == "1epoch.pth"
    (folder / "valid.loss.ave.pth").unlink()
    with pytest.raises(UserError, match=r"2 checkpoints to choose from \(1epoch.pth, 2epoch.pth\)"):
        locate(folder, "enh", tmp_path)
    for name in ("1epoch.pth", "2epoch.pth"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="holds no checkpoint"):
        locate(folder, "enh", tmp_path)
