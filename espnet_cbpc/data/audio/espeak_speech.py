# SPDX-License-Identifier: Apache-2.0
"""Speech from text with the formant synthesiser espeak-ng of the ``espeakng-loader`` wheel."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soxr

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra

# Constants of espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_LIMITS = {"rate": (80, 450), "pitch": (0, 100), "pitch_range": (0, 100)}

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakSynthesizer:
    """Speak texts; the same arguments always give the same samples.

    espeak-ng keeps its pitch flutter from one utterance to the next and offers no call that resets
    it, and it seeds its breath noise with the time. So the library is reloaded for each
    utterance (about 5 ms) and seeded. That works only while nothing else in the process holds the
    library: there is one espeak-ng per process, and it is not safe to use from several threads.
    POSIX systems only.

    Args:
        fs: Sampling rate of the samples returned, in Hz.

    Raises:
        UserError: ``espeakng-loader`` is not installed.
    """

    def __init__(self, fs: int):
        with needs_extra("synthetic speech", "mini_synth"):
            import espeakng_loader
        self.fs = fs
        self._library = espeakng_loader.get_library_path()
        self._data = Path(espeakng_loader.get_data_path())

    def speak(
        self, text: str, voice: str, rate: int = 160, pitch: int = 50, pitch_range: int = 50
    ) -> np.ndarray:
        """Synthesise one utterance, with about 50 ms of silence before it and none after.

        Args:
            text: What to say.
            voice: A language or accent, and perhaps a variant: ``en-us``, ``en-gb-x-rp+f2``.
            rate: Words a minute, 80 to 450.
            pitch: Base pitch, 0 to 100.
            pitch_range: How lively the intonation is, 0 (monotone) to 100.

        Returns:
            float32 samples of shape (T,) at ``fs``, within about [-1, 1].

        Raises:
            UserError: no such voice, a value out of its range, or a text with nothing to say.
        """
        for name, value in (("rate", rate), ("pitch", pitch), ("pitch_range", pitch_range)):
            low, high = _LIMITS[name]
            if not low <= value <= high:
                raise UserError(f"{name} {value} of voice {voice!r}: must be {low} to {high}")
        self._check_variant(voice)
        chunks: list[np.ndarray] = []

        def collect(samples, count, _events) -> int:
            if samples and count > 0:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0

        callback = _CALLBACK(collect)  # must outlive the calls below
        with self._fresh_library() as (library, native_fs):
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise UserError(f"espeak-ng has no voice {voice!r}: choose one under {self._data}")
            for key, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(key, value, 0)
            data = text.encode()
            library.espeak_Synth(
                data, ctypes.c_size_t(len(data) + 1), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            library.espeak_Synchronize()
        samples = np.concatenate(chunks or [np.zeros(0, np.int16)]).astype(np.float32) / 32768
        if not samples.any():
            raise UserError(f"espeak-ng finds nothing to say in the text {text!r}")
        return soxr.resample(samples, native_fs, self.fs)

    def _check_variant(self, voice: str) -> None:
        # espeak-ng silently speaks with the plain voice where it does not know the variant.
        variants = self._data / "voices" / "!v"
        _, plus, variant = voice.partition("+")
        if plus and variant not in {p.name for p in variants.iterdir()}:
            raise UserError(
                f"espeak-ng has no voice {voice!r}: no variant {variant!r} in {variants}"
            )

    @contextmanager
    def _fresh_library(self) -> Iterator:
        dlclose = ctypes.CDLL(None).dlclose
        dlclose.argtypes = [ctypes.c_void_p]
        library = ctypes.CDLL(self._library)
        try:
            native_fs = library.espeak_Initialize(
                _SYNCHRONOUS, 0, str(self._data).encode(), _DONT_EXIT
            )
            if native_fs <= 0:
                raise UserError(
                    f"espeak-ng cannot read its data in {self._data}: reinstall espeakng-loader"
                )
            yield library, native_fs
            library.espeak_Terminate()
        finally:
            dlclose(library._handle)
