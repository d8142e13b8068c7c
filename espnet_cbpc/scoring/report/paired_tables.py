"""The paired tests of a report as tables: for each baseline, systems by sets or by measures."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence

from espnet_cbpc.scoring.quality.measures import MEASURES
from espnet_cbpc.scoring.report.wording import MISSING, difference, p_equals, p_value, title

Test = Mapping[str, Any]
EXPLANATION = (
    "The system less the one it is tested against, with the interval, WER in points: below 0, the "
    "system has fewer errors. p: two-sided, not corrected for the number of comparisons. The tests "
    "of CER are in results.json."
)


@dataclass(frozen=True)
class PairedTable:
    """Tests against one baseline.

    Attributes:
        baseline: the system that the others are tested against.
        what: ``WER``, or the set whose speech quality it is.
        columns: names of sets, or of measures.
        rows: a system, and a cell for each column.
    """

    baseline: str
    what: str
    columns: List[str]
    rows: List[List[str]]

    @property
    def of_wer(self) -> bool:
        """Return whether it is about errors."""
        return self.what == "WER"


def paired_tables(report: Mapping[str, Any]) -> List[PairedTable]:
    """Return the tests of ``results.json``, by baseline: of the WER, then of each set's quality."""
    tables = []
    for baseline in dict.fromkeys(test["b"] for test in report["tests"]):
        tests = [test for test in report["tests"] if test["b"] == baseline]
        tables.append(_table(baseline, "WER", [t for t in tests if t["measure"] == "WER"], "set"))
        for name in report["quality"]:
            quality = [t for t in tests if t["set"] == name and t["measure"] in MEASURES]
            tables.append(_table(baseline, name, quality, "measure"))
    return [table for table in tables if table.rows]


def _table(baseline: str, what: str, tests: Sequence[Test], column: str) -> PairedTable:
    keys = list(dict.fromkeys(test[column] for test in tests))
    cells: Dict[str, Dict[str, str]] = {}
    for test in tests:
        cells.setdefault(test["a"], {})[test[column]] = _cell(test)
    rows = [[system, *(row.get(key, MISSING) for key in keys)] for system, row in cells.items()]
    return PairedTable(baseline, what, [title(key) for key in keys], rows)


def _cell(test: Test) -> str:
    matched = test["p_matched_pairs"]
    cell = f"{difference(test)}, {p_equals(test['p'])}"
    return cell + (f" (matched pairs {p_value(matched)})" if matched is not None else "")
