"""Conditions on regions in rules: how many there are, how large, long or wide, and in which place of the picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kenpin.errors import OptionError
from kenpin.regions.region import DefectRegion, number, told_region

Figure = Literal["area", "length", "width"]
_HEAD = re.compile(r"(?:(no) |more than (\d{1,3}) |at least (\d{1,3}) )?regions? of ([^\s,]+)(.*)")
_IS_REGION = re.compile(r"\bregions? of\b")
_SIZE = re.compile(r"(\d+\.?\d*|\.\d+) ?(mm|px)(²|\^?2)?(?![\w²^])")
_BOUND = re.compile(r"(>=|≥|>|larger than|longer than|wider than) ?")
_PLACE = re.compile(r"(in|outside) ([^\s,]+)")
_FIGURES: dict[str, Figure] = {"longer than": "length", "wider than": "width"}
_FORM = "write one such as `FAIL if region of distance > 0.8 mm²` or `FAIL if at least 3 regions of distance in seal`"


@dataclass(frozen=True, slots=True)
class SizeBound:
    """A size that a region exceeds, or, `reached`, has at least."""

    figure: Figure
    size: float
    unit: Literal["mm", "px"]
    reached: bool = False

    def holds(self, region: DefectRegion) -> bool:
        """Whether the region is that large. Raises OptionError where it was not measured in this unit."""
        squared = "2" if self.figure == "area" and self.unit == "mm" else ""
        measured: float | None = getattr(region, f"{self.figure}_{self.unit}{squared}")
        if measured is None:
            raise OptionError("a region was not measured in mm; give `px_per_mm` in the policy.")
        return measured >= self.size if self.reached else measured > self.size


@dataclass(frozen=True, slots=True)
class RegionTerm:
    """The condition that a run found so many such regions, or, `negated`, none."""

    run: str
    least: int = 1
    negated: bool = False
    bounds: tuple[SizeBound, ...] = ()
    place: str | None = None
    outside: bool = False
    """Whether they lie not at all in the place; else they lie in it, or touch it."""

    @property
    def measures_mm(self) -> bool:
        """Whether it needs a scale."""
        return any(bound.unit == "mm" for bound in self.bounds)

    def matching(self, regions: Sequence[DefectRegion]) -> list[DefectRegion]:
        """The regions that count and are as it says."""
        return [
            region
            for region in regions
            if not region.ignored
            and all(bound.holds(region) for bound in self.bounds)
            and (self.place is None or (self.place in region.places) is not self.outside)
        ]

    def holds(self, regions: Sequence[DefectRegion]) -> bool:
        """Whether the condition holds, by all regions that the run found."""
        found = len(self.matching(regions))
        return not found if self.negated else found >= self.least

    def told(self, regions: Sequence[DefectRegion]) -> str | None:
        """A sentence on the regions that are as it says, the largest by its size; None where there are none."""
        found = self.matching(regions)
        if not found:
            return None
        largest = f"{self.run}: {told_region(found[0])}"
        return f"{largest}." if len(found) == 1 else f"{largest}, and {len(found) - 1} more."


def is_region_term(words: str) -> bool:
    """Whether the words are a condition on regions."""
    return _IS_REGION.search(words) is not None


def parse_region_term(words: str, rule: str) -> RegionTerm:
    """`[no | more than N | at least N] region(s) of RUN [SIZE …] [in PLACE | outside PLACE]`. Raises OptionError.

    >>> parse_region_term("region of distance longer than 2 mm in seal", "").bounds
    (SizeBound(figure='length', size=2.0, unit='mm', reached=False),)
    """
    head = _HEAD.fullmatch(words)
    if head is None:
        raise OptionError(f"rule {rule!r}: {words!r} is no condition on regions; {_FORM}.")
    none, more, least, run, rest = head.groups()
    if least is not None and int(least) < 1:
        raise OptionError(f"rule {rule!r}: at least 0 regions there always are; write `no region of {run} …`.")
    bounds: list[SizeBound] = []
    place: str | None = None
    outside = False
    rest = rest.strip(" ,")
    while rest:
        bound, where = _BOUND.match(rest), _PLACE.match(rest)
        if bound is not None:
            size = _SIZE.match(rest, bound.end())
            if size is None:
                raise OptionError(f"rule {rule!r}: {_size_expected(rest[bound.end() :])}")
            figure = _FIGURES.get(bound[1], "area")
            _check_unit(figure, size, rule, run)
            bounds.append(SizeBound(figure, float(size[1]), _unit(size), bound[1] in (">=", "≥")))
            rest = rest[size.end() :]
        elif where is not None and place is None:
            place, outside = where[2], where[1] == "outside"
            rest = rest[where.end() :]
        elif where is not None:
            raise OptionError(f"rule {rule!r}: names two places; join two conditions by `and`, or draw one place.")
        else:
            raise OptionError(
                f"rule {rule!r}: {rest!r} is not understood; after the run come sizes such as `> 0.8 mm²`, `longer "
                "than 2 mm` or `wider than 0.3 mm`, and `in PLACE` or `outside PLACE`. To leave small regions out, "
                "give the run `ignore_below`."
            )
        rest = rest.strip(" ,")
    count = 1 if more is None and least is None else int(least) if least is not None else int(more) + 1
    return RegionTerm(run, count, none is not None, tuple(bounds), place, outside)


def parse_ignored(text: str) -> SizeBound:
    """The size below which regions do not count: `0.05 mm²` is an area, `0.3 mm` a length. Raises OptionError.

    >>> parse_ignored("0.05 mm²").figure, parse_ignored("0.3 mm").figure
    ('area', 'length')
    """
    size = _SIZE.fullmatch(" ".join(text.split()))
    if size is None:
        raise OptionError(_size_expected(text))
    return SizeBound("area" if size[3] else "length", float(size[1]), _unit(size), reached=True)


def told_bound(bound: SizeBound) -> str:
    """The size with its unit.

    >>> told_bound(parse_ignored("0.05 mm2"))
    '0.05 mm²'
    """
    return f"{number(bound.size)} {bound.unit}{'²' * (bound.figure == 'area')}"


def _unit(size: re.Match[str]) -> Literal["mm", "px"]:
    return "mm" if size[2] == "mm" else "px"


def _size_expected(text: str) -> str:
    hint = " with a decimal point" if re.match(r"\d+,\d", text) else ""
    return f"{text.strip()!r} does not begin with a number and a unit; write a size such as `0.8 mm²` or `40 px`{hint}."


def _check_unit(figure: Figure, size: re.Match[str], rule: str, run: str) -> None:
    if (size[3] is not None) is (figure == "area"):
        return
    if figure == "area":
        raise OptionError(
            f"rule {rule!r}: {size[0]!r} is a length, and `>` compares areas; write `{size[1]} {size[2]}²`, or `region "
            f"of {run} longer than {size[0]}`."
        )
    raise OptionError(
        f"rule {rule!r}: {size[0]!r} is an area, and the {figure} is compared; write `{size[1]} {size[2]}`."
    )
