"""Installed fonts that can write a text: their faces by their characters, the likely families first."""

from __future__ import annotations

import os
import struct
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import ImageFont, features

_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_LIKELY = (
    "notosanscjk-regular",
    "notosanscjkjp-regular",
    "notosans-regular",
    "ipaexg",
    "dejavusans",
    "ヒラギノ角ゴシック w3",
    "yugothm",
    "meiryo",
    "arial unicode",
    "arial",
)
_STYLED = ("bold", "black", "heavy", "light", "thin", "italic", "oblique", "condensed", "narrow", "mono", "serif")
_IGNORED = ("lastresort", "adobeblank")  # they have every character, as a placeholder
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")


@dataclass(frozen=True, slots=True)
class Face:
    """A face of a font file; `path` None: the few characters of Pillow's own font."""

    path: str | None
    index: int
    """Index in a collection (.ttc) of faces; 0 elsewhere."""
    characters: frozenset[int] = field(repr=False)

    def at(self, size_px: int) -> ImageFont.FreeTypeFont:
        """The face, opened at a size."""
        if self.path is not None:
            return ImageFont.truetype(self.path, size_px, index=self.index)
        built_in = ImageFont.load_default(size_px)
        assert isinstance(built_in, ImageFont.FreeTypeFont)
        # opened again, because Pillow opens its own without the layout engine for scripts
        return ImageFont.truetype(BytesIO(built_in.font_bytes), size_px)


def font_note(texts: Iterable[str]) -> str | None:
    """A sentence on what prevents writing these texts on this system, and the remedy; None where nothing does."""
    needed = _visible(texts)
    if missing := sorted(needed.difference(*(face.characters for face in faces_for(needed)))):
        named = ", ".join(f"{chr(code)} (U+{code:04X})" for code in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        packages = sorted({_package(code) for code in missing})
        return (
            f"No installed font has {named}{more}, so labels show empty rectangles in their place; "
            f"install one, on Debian: apt-get install {' '.join(packages)}"
        )
    if any(unicodedata.bidirectional(chr(code)) in ("R", "AL") for code in needed) and not features.check("raqm"):
        return (
            "Labels that run from right to left are drawn unjoined and in reverse, because Pillow finds no FriBidi; "
            "install it, on Debian: apt-get install libfribidi0"
        )
    return None


def faces_for(characters: Iterable[int]) -> tuple[Face, ...]:
    """The fewest likely faces that cover these characters, as far as any font has them; at least one."""
    return _faces_for(frozenset(characters))


@lru_cache
def _faces_for(characters: frozenset[int]) -> tuple[Face, ...]:
    chosen: list[Face] = []
    missing = characters
    for face in _faces():
        if not missing:
            break
        if missing & face.characters:
            # a face with all characters replaces the earlier ones: a label in one face looks better
            chosen = [face] if characters <= face.characters else [*chosen, face]
            missing -= face.characters
    return tuple(chosen) or (_BUILT_IN,)


_OUTLINES = ("glyf", "CFF ", "CFF2")
_BUILT_IN = Face(None, 0, frozenset(range(0x20, 0x7F)))


def _visible(texts: Iterable[str]) -> frozenset[int]:
    """Code points that need a glyph: joiners, direction marks and variation selectors are never drawn."""
    return frozenset(ord(letter) for letter in set().union(*texts) if not is_invisible(letter))


def is_invisible(letter: str) -> bool:
    """Whether a character only controls how its neighbours are drawn."""
    return unicodedata.category(letter) in ("Cf", "Cc") or "\ufe00" <= letter <= "\ufe0f"


def _faces() -> Iterator[Face]:
    for path in _font_files():
        for index in _faces_in(path):
            if face := _face(path, index):
                yield face
    yield _BUILT_IN


@cache
def _faces_in(path: str) -> tuple[int, ...]:
    """Indices of the faces of a font file that differ in their characters; none where it is damaged or has no outlines,
    as fonts of coloured emoji."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    of_tables: dict[int, int] = {}
    try:
        with open(path, "rb") as file:
            fonts = TTCollection(file, lazy=True).fonts if _is_collection(path) else [TTFont(file, lazy=True)]
            size_bytes = file.seek(0, os.SEEK_END)
            for index, font in enumerate(fonts):
                tables = font.reader.tables
                is_whole = max(table.offset + table.length for table in tables.values()) <= size_bytes
                # faces of a collection often share one table of characters, which takes long to read
                if is_whole and not tables.keys().isdisjoint(_OUTLINES):
                    of_tables.setdefault(tables["cmap"].offset, index)
    except (TTLibError, OSError, KeyError, AssertionError, ValueError, struct.error):
        return ()
    return tuple(of_tables.values())


@cache
def _face(path: str, index: int) -> Face | None:
    """One face of a font file; None where its table of characters is damaged."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with (
            open(path, "rb") as file,
            TTFont(file, fontNumber=index if _is_collection(path) else -1, lazy=True) as font,
        ):
            # their names, which take longer to read than all else, tell nothing of characters
            font.setGlyphOrder([*map(str, range(font["maxp"].numGlyphs))])
            return Face(path, index, frozenset(font.getBestCmap() or ()))
    except (TTLibError, OSError, KeyError, AssertionError, ValueError, struct.error):
        return None


def _is_collection(path: str) -> bool:
    return path.casefold().endswith("c")


@cache
def _font_files() -> tuple[str, ...]:
    """Every font file of this system, likely ones first, plain ones before bold and slanted ones."""
    files = {path for folder in _font_folders() if folder.is_dir() for path in folder.rglob("*")}
    fonts = (path for path in files if path.suffix.casefold() in _SUFFIXES)
    return tuple(str(path) for path in sorted(fonts, key=_order) if not path.stem.casefold().startswith(_IGNORED))


def _order(path: Path) -> tuple[int, bool, str]:
    stem = unicodedata.normalize("NFC", path.stem.casefold())
    rank = _LIKELY.index(stem) if stem in _LIKELY else len(_LIKELY)
    return rank, any(word in stem for word in _STYLED), str(path)


def _font_folders() -> list[Path]:
    home = Path.home()
    # matplotlib, which supervision needs, brings DejaVu Sans: a container may have no other font
    matplotlib = find_spec("matplotlib")
    bundled = [Path(matplotlib.origin).parent / "mpl-data" / "fonts"] if matplotlib and matplotlib.origin else []
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts", *bundled]
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home))
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", local / "Microsoft/Windows/Fonts", *bundled]
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    return [*(Path(folder) / "fonts" for folder in (own, *data.split(":"))), home / ".fonts", *bundled]


def _package(code: int) -> str:
    if unicodedata.name(chr(code), "").startswith(_CJK):
        return "fonts-noto-cjk"
    return "fonts-symbola" if unicodedata.category(chr(code)) == "So" else "fonts-noto-core"
