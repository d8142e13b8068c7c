# SPDX-License-Identifier: Apache-2.0
"""Trees of the true shape of CHiME-4, made for tests: true names, annotation fields and lists.

``full_tree`` has the organisers' counts, and three files linked under all names. ``tiny_tree``
has a few utterances whose audio is made by a known simulation, after the organisers' script, with
its own slow filter estimate, so that the clean references are known.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from generated_noise import make_noise

from espnet_cbpc.data.audio.espeak_speech import EspeakSynthesizer

FS = 16000
ENVIRONMENTS = ("BUS", "CAF", "PED", "STR")
NOISES = dict(zip(ENVIRONMENTS, ("hum", "white", "wind", "pink")))
PAIRS = [(1, 5), (6, 3), (4, 1), (5, 6), (3, 4)]  # of the 2ch track
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPEAKERS = {
    "tr05_simu": [f"{number:03d}" for number in range(11, 94)],
    "tr05_real": ["F02", "F03", "M01", "M02"],
    "dt05": ["F01", "F04", "M03", "M04"],
    "et05": ["F05", "F06", "M05", "M06"],
}
FULL = {
    "tr05_simu": {"BUS": 1728, "CAF": 1794, "PED": 1765, "STR": 1851},
    "tr05_real": dict.fromkeys(ENVIRONMENTS, 400),
    "dt05": dict.fromkeys(ENVIRONMENTS, 410),
    "et05": dict.fromkeys(ENVIRONMENTS, 330),
}
SENTENCES = [
    "the firm said no", "prices rose again", "we sold the shares", "banks cut rates today",
    "she asked for more", "oil fell two cents", "they bought a mill", "bonds were mixed",
]  # fmt: skip


def prompts(set_name: str, counts: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """Yield (speaker, prompt, environment); dt05 and et05 read each prompt in each environment."""
    number = 0
    for environment in ENVIRONMENTS:
        for index in range(counts[environment]):
            place = number if set_name == "tr05_simu" else index
            speakers = SPEAKERS[set_name]
            speaker, serial = speakers[place % len(speakers)], place // len(speakers)
            disk = speaker if set_name == "tr05_simu" else f"0{50 + speakers.index(speaker)}"
            code = f"{disk}C01{DIGITS[serial // 36]}{DIGITS[serial % 36]}"
            yield speaker, code, environment
            number += 1


@dataclass
class Tree:
    """A tree in the making: annotations, transcripts and lists by set; true references by id.

    Lists are by set and track, as ``dt05_simu_1ch``. In arrays, references are by channel, too.
    """

    root: Path
    annotations: dict[str, list[dict]] = field(default_factory=dict)
    dots: dict[str, list[str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    truth: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def audio(self) -> Path:
        return self.root / "CHiME4" / "data" / "audio" / "16kHz"

    @property
    def options(self) -> list[str]:
        folders = {"--chime4": self.root / "CHiME4", "--chime4_diff": self.root / "CHiME4_diff"}
        return [word for option, folder in folders.items() for word in (option, str(folder))]

    def annotate(self, set_name: str, words: str, name: str, entry: dict) -> None:
        self.annotations.setdefault(set_name, []).append(entry)
        self.dots.setdefault(set_name, []).append(f"{words} ({name})")

    def write_texts(self) -> None:
        """Write what is not audio; the list of et05_simu lies in CHiME4_diff."""
        data = self.root / "CHiME4" / "data"
        diff = self.root / "CHiME4_diff" / "CHiME3" / "data" / "annotations"
        for folder in (data / "annotations", data / "transcriptions", diff):
            folder.mkdir(parents=True, exist_ok=True)
        for name, entries in self.annotations.items():
            (data / "annotations" / f"{name}.json").write_text(json.dumps(entries, indent=1))
        for name, lines in self.dots.items():
            (data / "transcriptions" / f"{name}.dot_all").write_text("\n".join(lines) + "\n")
        for name, lines in self.lists.items():
            folder = diff if name.startswith("et05_simu") else data / "annotations"
            (folder / f"{name}_track.list").write_text("\n".join(lines) + "\n")


def full_tree(root: Path, counts=FULL, channels=(5,), seconds: float = 0.064) -> Tree:
    """Make a tree of ``counts``: one clean file, one of noise, and of both; no booth, no embedded.

    The tracks of several channels are there with several ``channels``.
    """
    tree = Tree(root)
    clean, noise = (
        write(root / f"{name}.wav", make_noise("white", round(seconds * FS), FS, _rng(i)) / 16)
        for i, name in enumerate(("clean", "noise"))
    )
    write(root / "noisy.wav", clean + noise)
    made = set()

    def link(folder: str, *names: str, to: str = "noisy") -> None:
        (tree.audio / folder).mkdir(parents=True, exist_ok=True)
        for target in {f"{tree.audio}/{folder}/{name}" for name in names} - made:
            os.symlink(root / f"{to}.wav", target)
            made.add(target)

    for part in counts:
        for speaker, prompt, env in prompts(part, counts[part]):
            name, piece = f"{speaker}_{prompt}_{env}", {"start": 0.0, "end": seconds}
            entry = {"speaker": speaker, "wsj_name": prompt, "environment": env, **piece}
            session = f"BGD_150203_010_{env}"
            noise = {"noise_wavfile": session, "noise_start": 0, "noise_end": seconds}
            kinds = (part[5:],) if part.startswith("tr05") else ("real", "simu")
            for kind in kinds:
                set_name = f"{part[:4]}_{kind}"
                more = noise if kind == "simu" else {"wavfile": f"{speaker}_150203_010_{env}"}
                tree.annotate(set_name, "so it goes", name, {**entry, **more})
                folder = f"{part[:4]}_{env.lower()}_{kind}"
                if part.startswith("tr05"):
                    link(f"isolated/{folder}", *(f"{name}.CH{c}.wav" for c in channels))
                else:
                    link(f"isolated_1ch_track/{folder}", f"{name}.wav")
                    tree.lists.setdefault(f"{set_name}_1ch", []).append(f"{folder}/{name}.CH5.wav")
                    files = [f"{name}.CH{c}.wav" for c in channels]
                    if len(files) > 1:
                        pair = [files[len(made) % 2], files[2]]
                        link(f"isolated_2ch_track/{folder}", *pair)
                        link(f"isolated_6ch_track/{folder}", *files)
                        line = " ".join(f"{folder}/{file}" for file in pair)
                        tree.lists.setdefault(f"{set_name}_2ch", []).append(line)
            if part == "tr05_simu":
                link("isolated/tr05_org", f"{speaker}_{prompt}_ORG.wav", to="clean")
                link("backgrounds", *(f"{session}.CH{c}.wav" for c in channels), to="noise")
    tree.write_texts()
    return tree


def tiny_tree(root: Path, train_per_environment: int = 3, arrays: bool = False) -> Tree:
    """Make a tree of a few utterances with audio by the simulation that this file describes.

    Args:
        root: where to.
        train_per_environment: utterances of tr05_simu.
        arrays: with the tracks of two and six channels.
    """
    tree, maker = Tree(root), _Maker(arrays)
    counts = dict.fromkeys(ENVIRONMENTS, train_per_environment)
    for environment in ENVIRONMENTS:
        maker.background(tree, environment)
    for speaker, prompt, environment in prompts("tr05_simu", counts):
        maker.simulated_training(tree, speaker, prompt, environment)
    for part in ("tr05_real", "dt05", "et05"):
        for speaker, prompt, environment in prompts(part, dict.fromkeys(ENVIRONMENTS, 1)):
            maker.recorded(tree, part[:4], speaker, prompt, environment)
            if part != "tr05_real":
                maker.simulated_test(tree, part, speaker, prompt, environment)
    tree.write_texts()
    return tree


def write(path: Path, samples: np.ndarray) -> np.ndarray:
    """Write 16 bits; return what a reader gets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, FS, subtype="PCM_16")
    return soundfile.read(path)[0]


class _Maker:
    """Makes the audio of a tree, and notes it in the tree."""

    def __init__(self, arrays: bool):
        self.arrays = arrays
        self.noises: dict[str, np.ndarray] = {}  # (samples, 6) of each session
        self.synthesizer = EspeakSynthesizer(FS)
        self.backgrounds: dict[str, np.ndarray] = {}  # (samples, 6)
        self.booth: dict[tuple[str, str], tuple[str, np.ndarray]] = {}
        self.count = 0

    def speak(self, speaker: str) -> tuple[str, np.ndarray]:
        words = SENTENCES[self.count % len(SENTENCES)]
        self.count += 1
        voice = "en-us+f2" if speaker.startswith("F") else "en-us+m3"
        speech = self.synthesizer.speak(words, voice, rate=220, pitch=40 + self.count % 5)
        return words, 0.3 * speech / np.abs(speech).max()

    def noise(self, environment: str, length: int) -> np.ndarray:
        """(length, 6): one noise, which reaches the microphones with delays, and their own hiss."""
        rng = _rng(self.count)
        common = make_noise(NOISES[environment], length + 8, FS, rng)
        hiss = rng.standard_normal((length, 6))
        return 0.03 * np.stack([common[c : c + length] for c in range(6)], 1) + 0.001 * hiss

    def background(self, tree: Tree, environment: str) -> None:
        noise = self.noise(environment, 6 * FS)
        session = f"BGD_150203_010_{environment}"
        for c in range(6):
            path = tree.audio / "backgrounds" / f"{session}.CH{c + 1}.wav"
            noise[:, c] = write(path, noise[:, c])
        self.backgrounds[environment] = noise

    def simulated_training(self, tree: Tree, speaker: str, prompt: str, env: str) -> None:
        words, speech = self.speak(speaker)
        dry = write(tree.audio / "isolated" / "tr05_org" / f"{speaker}_{prompt}_ORG.wav", speech)
        begin = 1000 * self.count
        name, length = f"{speaker}_{prompt}_{env}", len(dry)
        for c in range(6):
            noise = self.backgrounds[env][begin : begin + length, c]
            image = np.convolve(dry, [0, *[0] * c, 0.5, 0.15])[:length]  # a delay and an equaliser
            path = tree.audio / f"isolated/tr05_{env.lower()}_simu" / f"{name}.CH{c + 1}.wav"
            write(path, image + noise)
            tree.truth[f"{name}.CH{c + 1}_SIMU"] = image
        times = {"noise_start": begin / FS, "noise_end": (begin + length) / FS}
        entry = {"speaker": speaker, "wsj_name": prompt, "environment": env, **times}
        entry.update(noise_wavfile=f"BGD_150203_010_{env}", ir_wavfile="unused")
        tree.annotate("tr05_simu", f"{words} ,COMMA [loud_breath]", name, entry)

    def recorded(self, tree: Tree, part: str, speaker: str, prompt: str, env: str) -> None:
        words, close = self.speak(speaker)
        gap = np.zeros(FS)  # on either side in the session, as simulated pieces may be longer
        close = np.concatenate([gap, close, gap])
        room = [np.exp(-np.arange(400) / 80) * _rng(c).standard_normal(400) / 4 for c in range(6)]
        far = np.stack([np.convolve(close, taps)[: len(close)] for taps in room], 1)
        name, session = f"{speaker}_{prompt}_{env}", f"{speaker}_150204_{self.count:03d}_{env}"
        self.noises[session] = self.noise(env, len(close))
        far += self.noises[session]
        begin, end = len(gap), len(close) - len(gap)
        channels = {0: close, **{c + 1: far[:, c] for c in range(6)}}
        folder = f"{part}_{env.lower()}_real"
        for c, samples in channels.items():
            write(tree.audio / "embedded" / f"{session}.CH{c}.wav", samples)
            write(tree.audio / "isolated" / folder / f"{name}.CH{c}.wav", samples[begin:end])
        if part != "tr05":
            write(tree.audio / "isolated_1ch_track" / folder / f"{name}.wav", far[begin:end, 4])
            tree.lists.setdefault(f"{part}_real_1ch", []).append(f"{folder}/{name}.CH5.wav")
            self.tracks(tree, folder, name)
        entry = {"speaker": speaker, "wsj_name": prompt, "environment": env, "wavfile": session}
        entry.update(start=begin / FS, end=end / FS)
        tree.annotate(f"{part}_real", "[<tap] " + words.capitalize(), name, entry)

    def tracks(self, tree: Tree, folder: str, name: str) -> None:
        """Give an utterance to the tracks of two and six channels."""
        if not self.arrays:
            return
        pair = PAIRS[self.count % 5]
        for track, channels in (("2ch", pair), ("6ch", range(1, 7))):
            for c in channels:
                path = tree.audio / f"isolated_{track}_track" / folder / f"{name}.CH{c}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(tree.audio / "isolated" / folder / path.name, path)
        line = " ".join(f"{folder}/{name}.CH{c}.wav" for c in pair)
        tree.lists.setdefault(f"{folder[:4]}_{folder[-4:]}_2ch", []).append(line)

    def simulated_test(self, tree: Tree, part: str, speaker: str, prompt: str, env: str) -> None:
        recording = tree.annotations[f"{part}_real"][-1]
        if (speaker, prompt) not in self.booth:  # read there once, for all environments
            words, speech = self.speak(speaker)
            path = tree.audio / f"isolated/{part}_bth" / f"{speaker}_{prompt}_BTH.CH0.wav"
            self.booth[speaker, prompt] = words, write(path, speech)
        words, booth = self.booth[speaker, prompt]
        self.count += 1
        begin = int(FS * recording["start"]) - 1000
        end, channel = begin + len(booth), (1, 3, 4, 5, 6)[self.count % 5]
        embedded = tree.audio / "embedded" / recording["wavfile"]
        close, far = (soundfile.read(f"{embedded}.CH{c}.wav")[0][begin:end] for c in (0, channel))
        noise = far - slow_filter_image(close, far)
        image = 0.3 * np.concatenate([np.zeros(channel), booth[:-channel]])
        name, folder = f"{speaker}_{prompt}_{env}", f"{part}_{env.lower()}_simu"
        write(tree.audio / "isolated" / folder / f"{name}.CH{channel}.wav", image + noise)
        write(tree.audio / "isolated_1ch_track" / folder / f"{name}.wav", image + noise)
        tree.lists.setdefault(f"{part}_simu_1ch", []).append(f"{folder}/{name}.CH{channel}.wav")
        tree.truth[f"{name}_SIMU"] = image
        if self.arrays:
            pair = PAIRS[self.count % 5]
            for c in range(1, 7):
                image = 0.3 * np.concatenate([np.zeros(c), booth[:-c]])
                noise = self.noises[recording["wavfile"]][begin:end, c - 1]
                if c in (5, pair[0]):  # references
                    far = soundfile.read(f"{embedded}.CH{c}.wav")[0][begin:end]
                    noise = far - slow_filter_image(close, far)
                    tree.truth[f"{name}.CH{c}_SIMU"] = image
                write(tree.audio / "isolated" / folder / f"{name}.CH{c}.wav", image + noise)
            self.tracks(tree, folder, name)
        entry = {"speaker": speaker, "wsj_name": prompt, "environment": env}
        entry.update(noise_wavfile=recording["wavfile"], noise_start=begin / FS, noise_end=end / FS)
        tree.annotate(f"{part}_simu", words, name, entry)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def slow_filter_image(close, far, taps=12, first=-3, block=4000):
    """The organisers' filter estimate, band by band and frame by frame, each fit by ``lstsq``."""
    spectra = []
    frames = -(-len(close) // 128)
    sine = np.sin((np.arange(256) + 0.5) / 256 * np.pi)
    overlap = np.zeros((frames + 1) * 128)
    for t in range(frames):
        overlap[128 * t : 128 * t + 256] += sine**2
    windows = [sine / np.sqrt(overlap[128 * t : 128 * t + 256]) for t in range(frames)]
    for signal in (close, far):
        padded = np.zeros(len(overlap))
        padded[64 : 64 + len(signal)] = signal
        framed = [padded[128 * t : 128 * t + 256] * windows[t] for t in range(frames)]
        spectra.append(np.fft.rfft(framed).T)  # (129, T)
    source, target = spectra
    fitted = np.zeros_like(target)
    for begin, fade in slow_blocks(source, block):
        end = begin + len(fade)
        for f in range(129):
            matrix = np.zeros((end - begin, taps), complex)
            for t in range(begin, end):
                for d in range(taps):
                    if begin <= t - (first + d) < end:
                        matrix[t - begin, d] = source[f, t - (first + d)]
            root = np.sqrt(fade)
            weights, *_ = np.linalg.lstsq(
                root[:, None] * matrix, root * target[f, begin:end], rcond=None
            )
            fitted[f, begin:end] += fade * (matrix @ weights)
    total = np.zeros(len(overlap))
    for t in range(frames):
        total[128 * t : 128 * t + 256] += np.fft.irfft(fitted[:, t]) * windows[t]
    return total[64 : 64 + len(close)]


def slow_blocks(source, block):
    """(first frame, weights) of each block, by walking through the frames."""
    magnitude = abs(source[:-1])
    loud = [sum(column > np.median(magnitude, axis=1)) for column in magnitude.T]
    total, frames = sum(loud), len(loud)
    count = max(1, int(total / (block / 2) + 0.5))
    middles = [sum(loud[:t]) + loud[t] / 2 + 1e-6 * (t + 1) for t in range(frames)]
    edges = [0]
    for step in range(1, 2 * count):
        goal = step * total / (2 * count)
        t = max(i for i in range(frames) if middles[i] <= goal)
        part = (goal - middles[t]) / (middles[t + 1] - middles[t]) if t + 1 < frames else 0
        edges.append(int(t + 1 + part))
    edges.append(frames)
    for k in range(count):
        begin, middle = (edges[2 * k - 1] if k else 0), edges[2 * k + 1]
        end = edges[2 * k + 3] if k + 1 < count else frames
        fade = []
        for t in range(begin, end):
            if t < middle:
                share = (t - begin + 0.5) / (middle - begin)
                fade.append(np.sin(share * np.pi / 2) ** 2 if k else 1.0)
            else:
                share = (t - middle + 0.5) / (end - middle)
                fade.append(np.cos(share * np.pi / 2) ** 2 if k + 1 < count else 1.0)
        yield begin, np.array(fade)
