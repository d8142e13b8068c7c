# SPDX-License-Identifier: Apache-2.0
"""Composite measures of speech quality: CSIG, CBAK and COVL."""

import numpy as np

from espnet_cbpc.scoring.quality.log_likelihood_ratio import log_likelihood_ratio
from espnet_cbpc.scoring.quality.segmental_snr import segmental_snr
from espnet_cbpc.scoring.quality.weighted_spectral_slope import weighted_spectral_slope

COMPOSITE = ("CSIG", "CBAK", "COVL")


def composite(ref: np.ndarray, inf: np.ndarray, fs: int, pesq: float) -> dict[str, float]:
    """Predict how listeners rate signal distortion, background noise and overall quality (1-5).

    Source: Hu and Loizou, "Evaluation of objective quality measures for speech enhancement", IEEE
    Trans. Audio, Speech, and Language Processing 16(1), 2008. Their regression was made with raw
    narrow-band PESQ (ITU-T P.862) at 8 kHz. The tables on VoiceBank-DEMAND use its coefficients
    with wide-band PESQ (P.862.2, MOS-LQO) at 16 kHz, and so does this project at that rate: such
    values compare with one another, not with those of the paper.

    Args:
        ref: (samples,) clean speech, in [-1, 1].
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz, 8000 or 16000.
        pesq: the PESQ score of the pair.

    Returns:
        CSIG, CBAK and COVL; nan where PESQ or a part of the measure is undefined.
    """
    llr = log_likelihood_ratio(ref, inf, fs)
    wss = weighted_spectral_slope(ref, inf, fs)
    snr = segmental_snr(ref, inf, fs)
    ratings = (
        3.093 - 1.029 * llr + 0.603 * pesq - 0.009 * wss,
        1.634 + 0.478 * pesq - 0.007 * wss + 0.063 * snr,
        1.594 + 0.805 * pesq - 0.512 * llr - 0.007 * wss,
    )
    return {name: float(np.clip(value, 1, 5)) for name, value in zip(COMPOSITE, ratings)}
