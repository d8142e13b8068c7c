"""Names of systems in a report: a title and, for joint systems of a recipe, a tag in brackets."""

import re
from typing import Optional, Sequence


def find_system(systems: Sequence[str], name: str) -> Optional[str]:
    """Return the system that a name or a tag stands for, None if there is none.

    Args:
        systems: names such as ``Joint, CBPC (joint_cbpc)``.
        name: one of them, or what stands in brackets at its end; of several, it is the last one.
    """
    found = [system for system in systems if name == system or system.endswith(f"({name})")]
    return found[-1] if found else None


def without_tag(system: str) -> str:
    """Return the title alone: ``Joint, CBPC`` of ``Joint, CBPC (joint_cbpc)``."""
    return re.sub(r" \([\w.-]+\)$", "", system)
