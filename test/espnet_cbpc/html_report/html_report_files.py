# SPDX-License-Identifier: Apache-2.0
"""The files of a small experiment, made up."""

import json

import numpy as np
import soundfile
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

FS = 8000
WORDS = ["zero", "one", "two", "three", "four", "five"]
SNRS = ["-5", "0", "5", "10"]
NOISES = ["car", "babble", "wind"]
SYSTEMS = ["ASR alone", "SE & ASR", "joint <script>alert(1)</script>"]
ERRORS = {"ASR alone": 0.5, "SE & ASR": 0.3, "joint <script>alert(1)</script>": 0.15}
FACTS = {"data": "digits <i>", "training seeds": "0"}


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {value}".strip() + "\n" for key, value in table.items()))


def corrupt(text, share, rng):
    """Return the text with a share of its words replaced, dropped or followed by another."""
    words = []
    for word in text.split():
        kind = rng.integers(3) if rng.random() < share else None
        words += {None: [word], 0: ["nine"], 1: [], 2: [word, "oh"]}[kind]
    return " ".join(words)


def write_events(folder, values, suffix=""):
    """Write TensorBoard scalars, (tag, step, value) each, in this order."""
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for tag, step, value in values:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(step=step, wall_time=0.0, summary=summary))
    writer.close()


def training(expdir, start=10.0):
    """Write a training of three epochs of ten steps as ESPnet records it."""
    for split in ("train", "valid"):
        values = []
        for epoch in (1, 2, 3):
            step, mean = 10 * epoch, start / epoch
            values.append(("loss_cbpc", step, 99.0))  # of the last steps alone
            values += [("iter_epoch", step, epoch)] * (split == "train")
            values += [("loss_cbpc", step, mean if split == "train" else mean + 1)]
            values += [("forward_time", step, 1.0), ("acc", step, float("nan"))]
            values += [("cbpc_anchors", step, 30.0)]
        write_events(expdir / "tensorboard" / split, values)


def systems_and_sets(root):
    """Write the sets and what the systems made of them."""
    rng = np.random.default_rng(0)
    for set_name, count in (("test_clean", 6), ("test_seen", 24)):
        data, keys = root / "raw" / set_name, [f"u{i:02d}" for i in range(count)]
        ref = {key: " ".join(rng.choice(WORDS, rng.integers(3, 8))) for key in keys}
        tables = {name: {} for name in ("wav.scp", "spk1.scp", "utt2snr", "utt2noise")}
        noisy = set_name != "test_clean"
        for i, key in enumerate(keys):
            t = np.arange(FS // 2) / FS
            clean = 0.3 * np.sin(2 * np.pi * (300 + 40 * i) * t)
            for name, wave in (
                ("wav.scp", clean + 0.1 * noisy * rng.standard_normal(len(t))),
                ("spk1.scp", clean),
            ):
                path = root / "audio" / set_name / f"{key}.{name[:-4]}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, wave, FS, subtype="PCM_16")
                tables[name][key] = path
            tables["utt2snr"][key] = SNRS[i % 4] if noisy else "clean"
            tables["utt2noise"][key] = NOISES[i % 3] if noisy else "none"
        tables["text"] = ref
        tables["utt2category"] = dict.fromkeys(keys, "SIMU" if noisy else "CLEAN")
        for name, table in tables.items():
            write(data / name, table)
        for i, system in enumerate(SYSTEMS):
            folder = root / f"sys{i}" / set_name
            share = ERRORS[system]
            write(folder / "text", {key: corrupt(text, share, rng) for key, text in ref.items()})
            if i:
                write(folder / "enhanced" / "spk1.scp", tables["spk1.scp"])
                scores = {key: repr(float(rng.normal(10 * i, 1))) for key in keys}
                if noisy:
                    write(folder / "score_enh" / "SI_SDR_spk1", scores)


def tokenizer(folder):
    """Write what stage 11 leaves, but for its picture."""
    sizes = [40, 30, 20, 10]
    quality = {
        "frames": 100, "sizes": sizes, "dead": 0, "entropy": 1.2799, "perplexity": 3.596,
        "mean_run": 2.5, "noise_stability": 0.5, "inertia_per_frame": 3.25,
        "noise_stability_per_cluster": [0.6, 0.5, 0.4, None],
        "agreement": {
            "frames": 50, "phone_purity": 0.75, "cluster_purity": 0.8, "pnmi": 0.625, "symbols": 3,
            "share_without_reference": 0.5, "utterances_without_reference": 0,
            "reference": "most probable CTC tokens",
        },
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "quality.json").write_text(json.dumps(quality))


def clusters(seed=0):
    """Return frames around four centroids, with noise that tears some away; and the labels."""
    rng = np.random.default_rng(seed)
    centroids = 10 * np.eye(4, 6, dtype=np.float32)
    labels = np.repeat(np.arange(4), 20)
    clean = centroids[labels] + rng.normal(0, 0.1, (80, 6)).astype(np.float32)
    torn = clean.copy()
    torn[::4] = centroids[(labels[::4] + 1) % 4]  # 20 of 80, to the next cluster
    return {"clean": clean, "torn": torn}, labels, centroids
