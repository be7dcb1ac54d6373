"""What frameworks ask of an inspector that learned, line by line: met by a section of the pack, or yours to do.

In kenpin's own words and for orientation alone: the texts of the standards decide, and who reads them for the plant.
Sources: IATF 16949:2016, 7.1.5.1.1; VDA Volume 5, 3rd edition 2021; EU GMP Annex 22, draft for consultation of July
2025; Regulation (EU) 2024/1689, Articles 12, 19 and 26.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kenpin.audit.figures import CitedFigure
from kenpin.words import Texts

Proof = Literal[
    "approval", "counts", "doctor", "drift", "fixed", "gage", "gage-limits", "held-out", "intended-use", "mistakes",
    "record", "records", "signature", "test", "threshold", "trail",
]  # fmt: skip
"""What a pack may hold."""


@dataclass(frozen=True, slots=True)
class Met:
    """What of a pack meets a line: the section it stands in, and its figures."""

    section: str
    figures: tuple[tuple[str, CitedFigure], ...] = ()
    """Each with what it is of."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A line of a framework."""

    framework: str
    place: str
    asks: str
    met: tuple[Met, ...]
    """What meets it; empty where that is not there, or nothing in a pack can."""
    yours: str
    """What stays to be done by the plant; empty where nothing does."""


Proofs = Callable[[Proof], Met | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line before it is looked at."""

    place: str
    asks: str
    needs: tuple[Proof, ...]
    """All that must be there for it to be met; nothing where only the plant can meet it."""
    without: str
    """What is to be done where that is not there; empty where nothing helps."""
    then: str = ""
    """What stays to be done where it is."""


def requirements(proofs: Proofs, texts: Texts) -> tuple[Requirement, ...]:
    """All lines, with what of the pack meets each."""
    frameworks = {
        "IATF 16949:2016": _iatf(texts),
        "VDA 5 (2021)": _vda(texts),
        texts("EU GMP Annex 22 (draft 2025)"): _annex(texts),
        texts("EU 2024/1689 (AI Act)"): _act(texts),
    }
    return tuple(_answered(name, line, proofs) for name, lines in frameworks.items() for line in lines)


def _answered(framework: str, line: _Line, proofs: Proofs) -> Requirement:
    found = tuple(one for name in line.needs if (one := proofs(name)) is not None)
    if line.needs and len(found) == len(line.needs):
        return Requirement(framework, line.place, line.asks, found, line.then)
    return Requirement(framework, line.place, line.asks, (), line.without)


def _iatf(texts: Texts) -> Iterator[_Line]:
    place = "7.1.5.1.1"
    yield _Line(
        place,
        texts("The variation of each inspection system in the control plan is studied by statistics."),
        ("gage",),
        texts("Make a gage study of the inspector (kenpin gage) and add it with --with."),
        texts("Name the inspector in the control plan, and repeat the study after changes."),
    )
    yield _Line(
        place,
        texts("Methods and acceptance criteria are those of the reference manual (AIAG MSA)."),
        ("gage", "gage-limits"),
        texts("Fix limits of the study below `gage` in the acceptance criteria, and make the study."),
    )
    yield _Line(
        place,
        texts("Other methods are accepted by the customer, and the records of that are kept."),
        (),
        texts("Get the customer's acceptance of inspection by a trained model, and keep it."),
    )
    yield _Line(
        place,
        texts("Studies go first to critical and special characteristics."),
        (),
        texts("Say which characteristics the inspector decides about, and their rank."),
    )


def _vda(texts: Texts) -> Iterator[_Line]:
    yield _Line(
        texts("attributive inspection"),
        texts("The capability of an attributive inspection process is shown by test parts of known truth."),
        ("gage",),
        texts("Judge parts of known truth several times (kenpin gage), and add the study with --with."),
        texts("Choose parts near the limit; say who found their truth, and how."),
    )
    yield _Line(
        texts("attributive inspection"),
        texts("Escapes and false alarms are estimated with their uncertainty."),
        ("test",),
        texts("Test on parts that were kept apart: kenpin evaluate --name."),
    )
    yield _Line(
        texts("measuring"),
        texts("The expanded uncertainty of a measured size is set against its tolerance."),
        (),
        texts(
            "Where sizes decide, add calibration, resolution, temperature and fixture: a gage study has "
            "repeatability and reproducibility alone."
        ),
    )
    yield _Line(
        texts("ongoing capability"),
        texts("Ongoing capability is verified by stability parts or charts."),
        ("drift",),
        texts("Write a plan below `drift` in the acceptance criteria."),
        texts("Keep to the plan, and keep its charts."),
    )


def _annex(texts: Texts) -> Iterator[_Line]:
    yield _Line(
        texts("1 scope"),
        texts("The model is static, and gives the same answer to the same picture."),
        ("record",),
        texts("It answers in words, as language models do: the draft leaves these out of critical use."),
    )
    yield _Line(
        texts("3 intended use"),
        texts("The intended use, the parts and their variation are described before the test, and approved."),
        ("intended-use",),
        texts("Write it below `intended_use` in the acceptance criteria."),
        texts("Let the owner of the process approve it."),
    )
    yield _Line(
        texts("4 acceptance criteria"),
        texts("Measures and limits are set before the test; the inspector is no worse than what it replaces."),
        ("fixed",),
        texts("Fix acceptance criteria before the next test."),
        texts("State how good the inspection was that it replaces."),
    )
    yield _Line(
        texts("5 test data"),
        texts("Test parts represent the intended use, are many enough, and their labels are verified."),
        ("counts",),
        texts("Take test parts apart from those that train."),
        texts("Say how the parts were taken, and who verified their labels."),
    )
    yield _Line(
        texts("6 independence"),
        texts("Test parts were used neither to train nor to choose, and no copy of them was."),
        ("held-out", "doctor"),
        texts("Test on parts that were kept apart, and let the doctor look for copies across splits."),
        texts("Keep who trained away from the test parts until the test."),
    )
    yield _Line(
        texts("7 test execution"),
        texts("The test follows a plan; its result, deviations and failures are recorded."),
        ("test", "fixed"),
        texts("Fix criteria, then test once on parts that were kept apart."),
        texts("Explain each failure."),
    )
    yield _Line(
        texts("8 explainability"),
        texts("What in a picture led to a decision is recorded and reviewed."),
        ("mistakes",),
        texts("Explain some parts of each kind: kenpin explain RUN PICTURE."),
        texts("Look at the maps of mistakes in the report of the run, and at whether they lie on the defects."),
    )
    yield _Line(
        texts("9 confidence"),
        texts("Confidence is recorded, and doubtful parts go to a person."),
        ("threshold",),
        texts("Give a cost of a review, so that doubtful parts go to a person: --cost-review."),
        texts("Plan who looks at REVIEW parts, and how soon."),
    )
    yield _Line(
        texts("10 operation"),
        texts("Model and system stand under change control, and performance and inputs are monitored."),
        ("drift", "approval"),
        texts("Write a plan against drift, and let a person approve each version at a station."),
    )


def _act(texts: Texts) -> Iterator[_Line]:
    add_records = texts("Add the records of the line with --records, or audit the policy of a station.")
    yield _Line(
        texts("Art. 6, Annex III"),
        texts("Whether these articles apply: only to systems of high risk."),
        (),
        texts("Decide whether yours is one, as a safety component is, and keep the reasons."),
    )
    yield _Line(
        texts("Art. 12 (1)"),
        texts("Events are recorded automatically over the lifetime of the system."),
        ("records",),
        add_records,
    )
    yield _Line(
        texts("Art. 12 (2) a"),
        texts("Records show situations of risk, and substantial modifications."),
        ("records", "trail"),
        add_records,
    )
    yield _Line(
        texts("Art. 12 (2) b"),
        texts("Records serve the monitoring after it was put on the market."),
        ("records", "drift"),
        texts("Add records, and write a plan against drift."),
    )
    yield _Line(
        texts("Art. 12 (2) c"),
        texts("Records serve the monitoring of its operation."),
        ("records",),
        add_records,
        texts("Name who watches it, and by what."),
    )
    yield _Line(
        texts("Art. 19, 26 (6)"),
        texts("Records are kept for six months at least."),
        (),
        texts("Records are never removed by kenpin; keep their disk and its copies."),
    )
    yield _Line(
        texts("Art. 12, 19"),
        texts("Whoever receives the records can tell that nothing was changed."),
        ("signature",),
        texts("Sign the pack with a key of the plant: --sign KEY."),
        texts("Keep the public key where the pack cannot reach it."),
    )
