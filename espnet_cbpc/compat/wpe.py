# SPDX-License-Identifier: Apache-2.0
"""ESPnet's WPE dereverberation, for arrays with duplicate channels."""

from espnet2.enh.layers import wpe
from espnet2.enh.layers.beamformer import tik_reg

PROVEN_ON = ("202511", "202611")

LOADING = (
    1e-10  # of the trace; what ESPnet adds, 1e-10 whatever the trace, is lost in double precision
)

_stock = wpe.get_filter_matrix_conj


def _loaded(correlation_matrix, correlation_vector, eps=1e-10):
    """Return ESPnet's filters, of correlations that can be inverted."""
    return _stock(tik_reg(correlation_matrix, LOADING, 0.0), correlation_vector, eps)


def support_doubled_channels() -> None:
    """Let WPE take channels that are equal, as where a failing one is replaced by another.

    ESPnet's own correlations are then singular, and it stops.
    """
    wpe.get_filter_matrix_conj = _loaded
