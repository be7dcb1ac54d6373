"""What a part belongs to, by all that the settings of its source say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kenpin.station.sources.contract import SourceOptions
from kenpin.station.sources.naming import NOTHING, Belonging, belonging_by, check_barcodes_installed, code_in


class Belongings:
    """The rules of a source: a code in the picture before its path, and both before what is fixed."""

    def __init__(self, options: SourceOptions, path_rule: str | None = None) -> None:
        """Raises MissingExtraError where codes are to be read and cannot be."""
        if options.barcode is not None:
            check_barcodes_installed()
        self._fixed = Belonging(options.product, options.lot)
        self._code_rule, self._region = options.barcode, options.barcode_region
        self._path_rule = path_rule

    def of(self, path: str, grey: Callable[[], NDArray[np.uint8] | None]) -> Belonging:
        """Product and lot of a part. path: below the source; grey: gives the grey values of its picture, (h, w), where
        they are needed; None where it is none."""
        pixels = grey() if self._code_rule is not None else None
        code = None if pixels is None else code_in(pixels, self._region)
        by_code = NOTHING if code is None else belonging_by(self._code_rule, code)
        return by_code.or_else(belonging_by(self._path_rule, path)).or_else(self._fixed)
