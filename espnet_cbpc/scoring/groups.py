"""Utterances by a property, as their SNR."""

from typing import Dict, Iterable, List, Mapping, Optional

NO_VALUE = "none"


def group(utterances: Iterable[str], table: Mapping[str, str]) -> Dict[str, List[str]]:
    """Split utterances by their value in a Kaldi ``utt2*`` table.

    Args:
        utterances: the ids.
        table: value by id; an id without one goes to the group ``none``.

    Returns:
        Ids by value, numbers first, in ascending order.
    """
    groups: Dict[str, List[str]] = {}
    for utterance in utterances:
        groups.setdefault(table.get(utterance, NO_VALUE), []).append(utterance)
    return {value: groups[value] for value in sorted(groups, key=_order)}


def number(value: str) -> Optional[float]:
    """Return ``value`` as a number, or None if it is none."""
    try:
        return float(value)
    except ValueError:
        return None


def _order(value: str) -> tuple:
    n = number(value)
    return (n is None, n or 0.0, value)
