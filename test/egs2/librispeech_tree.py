# SPDX-License-Identifier: Apache-2.0
"""Trees in the layout of LibriSpeech and of noise corpora, with short sounds in them."""

import os

import numpy as np
import soundfile

WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
SPEAKERS = {  # as in SPEAKERS.TXT: those of each part, with their gender
    "dev-clean": {"1272": "M", "1462": "F"},
    "test-clean": {"1089": "M", "121": "F"},
    "train-clean-100": {"19": "F", "26": "M", "103": "F"},
}
DEMAND = "DKITCHEN DLIVING NFIELD NPARK OOFFICE TBUS TCAR".split()


def syllables(seconds, fs, rng):
    """Noise that swells and falls, over a faint floor: never digital silence."""
    t = np.arange(int(seconds * fs)) / fs
    envelope = 0.02 + np.clip(np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6)), 0, None)
    return 0.3 * envelope * np.clip(rng.normal(size=len(t)), -3, 3) / 3


def make_librispeech(root, speak=None, chapters=2, utterances=3, fs=16000):
    """Write a small LibriSpeech.

    Args:
        root: the folder of the parts.
        speak: function of digits that returns their samples; None: made sounds.
        chapters: of each speaker.
        utterances: of each chapter.
        fs: sampling rate in Hz.
    """
    rng = np.random.default_rng(7)
    lines = ["; Some pipe(|) separated metadata\n", ";ID  |SEX| SUBSET |MINUTES| NAME\n"]
    for part, speakers in SPEAKERS.items():
        for speaker, gender in speakers.items():
            lines.append(f"{speaker:<5}| {gender} | {part:<16} | 8.0 | A Reader\n")
            for chapter in range(chapters):
                key = f"{speaker}-{130000 + chapter}"
                folder = root / part / speaker / f"{130000 + chapter}"
                folder.mkdir(parents=True)
                texts = []
                for i in range(utterances):
                    digits = rng.integers(10, size=rng.integers(2, 5))
                    sound = speak(digits) if speak else syllables(len(digits) * 0.4, fs, rng)
                    texts.append(f"{key}-{i:04d} {' '.join(WORDS[d] for d in digits)}\n")
                    soundfile.write(folder / f"{key}-{i:04d}.flac", sound, fs, subtype="PCM_16")
                (folder / f"{key}.trans.txt").write_text("".join(texts))
    (root / "SPEAKERS.TXT").write_text("".join(lines))


def make_full_part(folder, part, count, sound):
    """Write a part with as many utterances as the original, all of them the one file ``sound``."""
    for chapter in range(-(-count // 40)):
        key = f"{1000 + chapter // 4}-{chapter}"
        target = folder / part / key.split("-")[0] / key.split("-")[1]
        target.mkdir(parents=True)
        names = [f"{key}-{i:04d}" for i in range(min(40, count - 40 * chapter))]
        (target / f"{key}.trans.txt").write_text("".join(f"{name} A WORD\n" for name in names))
        for name in names:
            os.link(sound, target / f"{name}.flac")


def noise(seconds, fs, seed, channels=1):
    rng = np.random.default_rng(seed)
    samples = 0.1 * np.clip(rng.normal(size=(int(seconds * fs), channels)), -3, 3)
    return samples if channels > 1 else samples[:, 0]


def write(path, samples, fs):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, fs, subtype="PCM_16")


def make_musan(root):
    for i in range(25):
        write(root / f"noise/free-sound/noise-free-sound-{i:04d}.wav", noise(1.5, 16000, i), 16000)
    for i in range(4):
        path = root / f"noise/sound-bible/noise-sound-bible-{i:04d}.wav"
        write(path, noise(0.3, 16000, 50 + i), 16000)  # shorter than speech
    (root / "noise" / "free-sound" / "LICENSE").write_text("free\n")
    write(root / "music/fma/music-fma-0000.wav", noise(1, 16000, 99), 16000)


def make_demand(root):
    for i, environment in enumerate(DEMAND):
        for channel in (1, 2):
            path = root / environment / f"ch{channel:02d}.wav"
            write(path, noise(4, 48000, 100 + i), 48000)


def make_dns(root):
    for i in range(22):
        write(root / f"door Freesound_{i}.wav", noise(1, 16000, 200 + i), 16000)


def make_wham(root):
    for i, part in enumerate(["tr"] * 4 + ["cv"] * 4 + ["tt"] * 4):
        write(root / part / f"01to030{i}_0.7.wav", noise(1, 16000, 300 + i, channels=2), 16000)


def make_esc50(root):
    for fold in range(1, 6):
        for i, target in enumerate((0, 8, 13, 49)):
            samples = np.concatenate([noise(0.8, 44100, 10 * fold + i), np.zeros(44100)])
            name = f"{fold}-{1000 * fold + i}-A-{target}.wav"
            write(root / "audio" / name, samples, 44100)


def make_folder(root):
    for i in range(10):
        write(root / f"n{i % 2}" / f"noise {i}.flac", noise(1, 20000, 400 + i), 20000)


MAKERS = {
    "musan": make_musan,
    "demand": make_demand,
    "dns_noise": make_dns,
    "wham_noise": make_wham,
    "esc50": make_esc50,
    "noise": make_folder,
}
