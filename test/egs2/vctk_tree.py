# SPDX-License-Identifier: Apache-2.0
"""Trees in the layout of VoiceBank + DEMAND."""

import os

import numpy as np
import soundfile

SPEAKERS = {"train": ("p226", "p228", "p287"), "test": ("p232", "p257")}
FOLDERS = {
    "train": ("clean_trainset_28spk_wav", "noisy_trainset_28spk_wav", "trainset_28spk_txt"),
    "test": ("clean_testset_wav", "noisy_testset_wav", "testset_txt"),
}
LOGS = {"train": "log_trainset_28spk.txt", "test": "log_testset.txt"}
NOISES = {"train": ("babble", "cafeteria", "ssn"), "test": ("bus", "psquare")}
SNRS = {"train": ("15", "10", "5", "0"), "test": ("17.5", "12.5", "7.5", "2.5")}


def make_vctk_noisy(root, speak, utterances=4):
    """Write a small corpus.

    Args:
        root: the folder of the archives' folders.
        speak: function of a number that returns clean speech (samples,) at 48 kHz and its words.
        utterances: of each speaker.
    """
    number = 0
    (root / "logfiles").mkdir(parents=True)
    for name, speakers in SPEAKERS.items():
        clean_dir, noisy_dir, text_dir = (root / folder for folder in FOLDERS[name])
        for folder in (clean_dir, noisy_dir, text_dir):
            folder.mkdir()
        log = []
        for speaker in speakers:
            for i in range(1, utterances + 1):
                clean, words = speak(number)
                snr, noise = SNRS[name][number % 4], NOISES[name][number % len(NOISES[name])]
                level = np.sqrt(np.mean(clean**2)) * 10 ** (-float(snr) / 20)
                noisy = clean + level * np.random.default_rng(number).normal(size=len(clean))
                key = f"{speaker}_{i:03d}"
                soundfile.write(clean_dir / f"{key}.wav", clean, 48000, subtype="PCM_16")
                soundfile.write(noisy_dir / f"{key}.wav", noisy, 48000, subtype="PCM_16")
                (text_dir / f"{key}.txt").write_text(words + "\n", encoding="utf-8")
                log.append(f"{key} {noise} {snr}\n")
                number += 1
        (root / "logfiles" / LOGS[name]).write_text("".join(log) + "\n")


def make_full(root, sizes, sound):
    """Write as many utterances as the original has, all of them the one file ``sound``."""
    for name, count in sizes.items():
        folders = [root / folder for folder in FOLDERS[name]]
        for folder in folders:
            folder.mkdir(parents=True)
        speakers = SPEAKERS[name]
        keys = [f"{speakers[i % len(speakers)]}_{i // len(speakers):04d}" for i in range(count)]
        for key in keys:
            os.link(sound, folders[0] / f"{key}.wav")
            os.link(sound, folders[1] / f"{key}.wav")
            (folders[2] / f"{key}.txt").write_text("Words.\n")
        (root / LOGS[name]).write_text("".join(f"{key} bus 2.5\n" for key in keys))
