"""Names on disk: the standard splits, class names as folder names, and file names that never collide."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable

from kenpin.data.reading.encodings import decode
from kenpin.errors import DatasetError, LabelError

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",  # MNIST's own name for it
}
_OF_PICTURES = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "画像", "图片", "图像"}
_OF_MASKS = {
    "masks", "mask", "ground_truth", "groundtruth", "gt", "label", "labels", "annotations", "segmentationclass",
    "segmentationobject",
}  # fmt: skip
_YEAR = re.compile(r"[-_]?(?:19|20)[0-9]{2}$")
# what Linux, Windows or a shell user cannot have in a folder name; "%" only where it would read as an escape
_UNFIT_IN_FOLDER = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]|^\.|[. ]$|%(?=[0-9A-Fa-f]{2})')
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNFIT_IN_FILE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]|^\.|[. ]$')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:\.|$)", re.IGNORECASE
)
"""Names that Windows keeps for devices, whatever ending follows."""
_NO_XML_TEXT = re.compile("[\x00-\x08\x0a-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_NAME_BYTES = 255  # of every common file system
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python holds a byte of a file name that is no UTF-8
_STORED_BYTE = re.compile("[\U0010fe80-\U0010feff]")
_STORED_AT = 0x10FE00 - 0xDC00  # private characters, which no name of a file system's user has
_DRIVE = re.compile(r"[A-Za-z]:[/\\]|file://")


def readable(name: str) -> str:
    """A name of the file system as text that can be printed and stored: bytes that are no UTF-8 are read in the most
    plausible encoding, as Windows of that country wrote them.

    >>> readable(os.fsdecode("良品".encode("cp932")))
    '良品'
    """
    if name.isascii() or _ESCAPED_BYTE.search(name) is None:
        return name
    parts = (part if _ESCAPED_BYTE.search(part) is None else _guessed(part) for part in name.split("/"))
    return "/".join(parts)


def _guessed(part: str) -> str:
    try:
        found = decode(os.fsencode(part))
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        found = None
    if found is None or not found.text.isprintable():
        return _ESCAPED_BYTE.sub(lambda byte: f"\\x{ord(byte.group()) - 0xDC00:02x}", part)
    return found.text


def stored_path(path: str | None) -> str | None:
    """A path as text that Arrow, JSON and pages can hold, whatever bytes it has; `path_of_stored` gives it back."""
    if path is None or path.isascii():
        return path
    return _ESCAPED_BYTE.sub(lambda byte: chr(ord(byte.group()) + _STORED_AT), path)


def path_of_stored(text: str | None) -> str | None:
    """The inverse of `stored_path`."""
    if text is None or text.isascii():
        return text
    return _STORED_BYTE.sub(lambda byte: chr(ord(byte.group()) - _STORED_AT), text)


class AbsolutePaths:
    """Absolute paths of files. Most lie in few folders, and each of those is looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The absolute path of a file."""
        at = path.rfind(os.sep) + 1
        folder = path[:at]
        if (start := self._folders.get(folder)) is None:
            start = self._folders[folder] = os.path.join(os.path.abspath(folder), "")
        return start + path[at:]


def familiar(path: str) -> str:
    """A path as this system writes it: forward slashes, no drive, no `./` in front, composed characters (NFC).

    >>> familiar(".\\\\images\\\\0001.png")
    'images/0001.png'
    """
    path = unicodedata.normalize("NFC", path).replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    return path


def folded(name: str) -> str:
    """A name as macOS and Windows compare it: whatever the case and the composition of its letters."""
    return unicodedata.normalize("NFC", readable(name)).casefold()


def is_of_another_machine(path: str) -> bool:
    """Whether a path begins at a drive, a share or the root of a file system."""
    return path.startswith(("/", "\\")) or _DRIVE.match(path) is not None


def split_name(text: str) -> str | None:
    """`train`, `validation` or `test` for a name such as `val2017`; None for any other name."""
    return _SPLITS.get(_YEAR.sub("", text.strip().casefold()))


def is_layout(name: str) -> bool:
    """Whether a folder of this name holds pictures of any class, or masks, by the habit of tools: it is no class."""
    return name.strip().casefold() in _OF_PICTURES | _OF_MASKS


def is_of_masks(name: str) -> bool:
    """Whether the pictures in a folder of this name are masks or drawings of labels."""
    return name.strip().casefold() in _OF_MASKS


def require_standard_split(split: str, format: str) -> str:
    """The split itself. Raises DatasetError where the format cannot hold a split of that name."""
    if split not in _SPLITS.values():
        raise DatasetError(
            f"split {split!r}: the format {format} knows only train, validation and test. "
            "Rename the split, or write csv, coco or a JSON-lines format."
        )
    return split


def require_xml_text(label: str) -> str:
    """The label itself. Raises LabelError where it holds a character that XML cannot carry."""
    if _NO_XML_TEXT.search(label):
        raise LabelError(f"label {label!r} holds a character that XML cannot carry. Rename the class.")
    return label


def _escape(match: re.Match[str]) -> str:
    return f"%{ord(match.group()):02X}"


def folder_of_label(label: str) -> str:
    """A folder name for any class name, percent-encoded where a folder cannot hold it. Raises LabelError."""
    name = _UNFIT_IN_FOLDER.sub(_escape, label)
    # a class called "test" must not be taken for a split, nor one called "con" for a device of Windows
    if split_name(name) is not None or is_layout(name) or _DEVICE.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if not name or len(name.encode()) > _LONGEST_NAME_BYTES:
        what = "is empty" if not name else "is too long for a folder name"
        raise LabelError(f"label {label!r} {what}. Rename the class.")
    return name


def folders_of_labels(labels: Iterable[str]) -> dict[str, str]:
    """A folder name for each class name, no two alike where the case of letters does not count. Raises LabelError."""
    names: dict[str, str] = {}
    label_of: dict[str, str] = {}
    for label in sorted(set(labels), reverse=True):  # small letters first: they stay as they are
        name = folder_of_label(label)
        if folded(name) in label_of:
            name = re.sub("[A-Z]", _escape, name)
        if (other := label_of.setdefault(folded(name), label)) != label:
            raise LabelError(
                f"labels {label!r} and {other!r}: macOS and Windows take these for the same folder. Rename one."
            )
        names[label] = name
    return names


def label_of_folder(name: str) -> str:
    """The class name that a folder name stands for; the inverse of `folder_of_label`."""
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), readable(name))


def folder_of_split(split: str) -> str:
    """A name for any split in file and folder names. Raises LabelError."""
    return split if split_name(split) == split else folder_of_label(split)


def split_of_folder(name: str) -> str:
    """The split that a name stands for; the inverse of `folder_of_split`."""
    return split_name(name) or label_of_folder(name)


def name_of_file(name: str) -> str:
    """A file name that Linux, macOS and Windows can have: what none of them holds becomes `_`.

    >>> name_of_file("a:b?.png"), name_of_file("CON.png")
    ('a_b_.png', '_CON.png')
    """
    name = _UNFIT_IN_FILE.sub("_", name)
    return f"_{name}" if _DEVICE.match(name) else name


class UniqueNames:
    """Gives out file names that differ within a folder, by stem and whatever the case: `a.png`, `a-2.png`."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}  # how many asked for it, so that n equal names take n steps and not n²

    def take(self, folder: str, name: str) -> str:
        """`name`, or its next free variation."""
        stem, suffix = os.path.splitext(name_of_file(name))

        def key(candidate: str) -> str:
            return unicodedata.normalize("NFC", f"{folder}/{candidate}").casefold()

        # by stem, since annotation files and masks find their picture by it
        candidate, asked = stem, key(stem)
        while key(candidate) in self._taken:
            self._taken[asked] += 1
            candidate = f"{stem}-{self._taken[asked]}"
        self._taken[key(candidate)] = 1
        return candidate + suffix
