# SPDX-License-Identifier: Apache-2.0
"""Lists of noise and of room impulse responses for dynamic mixing: lines ``id path``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from noise_corpora import AUDIO, WHOLE, Noise

from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.kaldi.text_rules import as_id, read_lines
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile
from espnet_cbpc.data.noisy_sets.noise_parts import NoisePart, write_noise_parts
from espnet_cbpc.data.noisy_sets.noisy_mixture import noise_name
from espnet_cbpc.utils.cli import UserError, listed


def write_noise_list(
    data: Path,
    noises: Sequence[Noise],
    sounds: Mapping[str, NoiseFile],
    corpora: Path,
    fs: int,
    nj: int,
) -> None:
    """Write ``noise_train.scp``; of files that training may hear in part, that part is copied.

    Args:
        data: folder to write to; the copies go to ``audio/noise_train`` in it.
        noises: those for training.
        sounds: where the files sound that are heard in part.
        corpora: folder that the paths of noises are below.
        fs: sampling rate of the copies in Hz.
        nj: processes.

    Raises:
        UserError: two files of one name, or one that cannot be read.
    """
    names = _names(noise.file for noise in noises)
    audio = data / "audio" / "noise_train"
    table = {}
    copies: list[NoisePart] = []
    for noise in noises:
        source = (corpora / noise.file).resolve()
        table[names[noise.file]] = str(source)
        if noise.share != WHOLE:
            copy = f"{names[noise.file]}.wav"
            copies.append(NoisePart(source, copy, sounds[noise.file].part(noise.share)))
            table[names[noise.file]] = str(audio / copy)
    write_noise_parts(audio, copies, fs, nj)
    write_table(data / "noise_train.scp", table)


def write_rir_list(data: Path, given: str) -> None:
    """Write ``rir_train.scp``, or remove an earlier one where the user names no folder.

    Args:
        data: folder to write to.
        given: folder of SLR28 (``RIRS_NOISES``), of which the simulated and the real impulse
            responses are taken but not the noises; or any other folder of audio.

    Raises:
        UserError: no such folder, or nothing in it.
    """
    if not given:
        (data / "rir_train.scp").unlink(missing_ok=True)
        return
    root = Path(given)
    root = root / "RIRS_NOISES" if (root / "RIRS_NOISES").is_dir() else root
    found = _find_rirs(root)
    if not found:
        raise UserError(
            f"RIRS={given}: no room impulse responses ({', '.join(sorted(AUDIO))}): correct RIRS "
            "in db.sh, or leave it empty to train without reverberation"
        )
    names = _names(path.relative_to(root).as_posix() for path in found)
    write_table(
        data / "rir_train.scp",
        {names[path.relative_to(root).as_posix()]: str(path.resolve()) for path in found},
    )


def _find_rirs(root: Path) -> list[Path]:
    simulated, real = root / "simulated_rirs", root / "real_rirs_isotropic_noises"
    if not simulated.is_dir() and not real.is_dir():
        return sorted(path for path in root.rglob("*") if path.suffix.lower() in AUDIO)
    found = sorted(simulated.glob("*/*/*.wav"))
    if (real / "rir_list").is_file():  # it tells responses from noises: a path ends each line
        lines = read_lines(real / "rir_list")
        found += sorted({real / Path(line.split()[-1]).name for line in lines if line.strip()})
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise UserError(
            f"{real}: {len(missing)} file(s) of rir_list are missing "
            f"({listed(path.name for path in missing)}): unpack rirs_noises.zip completely"
        )
    return found


def _names(files: Iterable[str]) -> dict[str, str]:
    """Return an id of each file, without blanks."""
    names = {file: as_id(noise_name(file)) for file in files}
    if len(set(names.values())) < len(names):
        first: dict[str, str] = {}
        twins = [file for file, name in names.items() if first.setdefault(name, file) != file]
        raise UserError(
            f"{len(twins)} file(s) differ from another in suffix or blanks alone "
            f"({listed(twins)}): remove or rename them"
        )
    return names
