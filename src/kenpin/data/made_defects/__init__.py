"""Made defects: pictures of good parts with a scratch, a spot, a pasted patch or a missing piece, and its mask."""

from kenpin.data.made_defects.making import KINDS, SIZES, Kind, MadeDefect, make_defect

__all__ = ["KINDS", "SIZES", "Kind", "MadeDefect", "make_defect"]
