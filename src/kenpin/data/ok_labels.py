"""Which of a data set's classes mean a good part, guessed from their names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_OK_NAMES = (
    "ok okay okpart okparts good goodpart goodparts pass passed normal nominal functional intact healthy "
    "undamaged flawless acceptable accepted accept conforming conform compliant defectfree nodefect "
    "nodefects nondefective faultless nofault gut gutteil io inordnung fehlerfrei bon bonne conforme "
    "sansdefaut bueno buena sindefecto buono buona ok品 良品 良 良好 合格 合格品 正常 正常品 適合 "
    "異常なし 欠陥なし 傷なし 問題なし 无缺陷 無缺陷 양품 정상 합격 годен годный норма"
)


def guess_ok_labels(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes whose names mean "good part", in their order, whatever their case and separators; often none."""
    ok_names = set(_OK_NAMES.split())
    return tuple(name for name in classes if _bare(name) in ok_names)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
