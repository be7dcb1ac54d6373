"""A pack as a file: a zip whose every byte follows from its content, or a page that carries its own manifest.

A zip holds times, flags and gaps that no hash of a content covers. So it is written in one way alone, its files as they
are, by name, without time; what deviates from that is found by writing it again.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

from kenpin.errors import RunError, first_line

PAGE, MANIFEST, SIGNATURE, FIGURES, BILL = (
    "pack.html", "manifest.json", "manifest.json.minisig", "figures.json", "sbom.cdx.json",
)  # fmt: skip
MOST_BYTES = 2 * 1024**3
_MOST_FILES = 20_000
_HEADER_BYTES = 30
_MODE = 0o644
_LONGEST_NAME = 1024
_BEFORE = b'<script type="application/json" id="manifest">'
_BETWEEN = b'</script>\n<script type="text/plain" id="signature">'
_AFTER = b"</script>\n</body>"
_END = b"</body>"
_PARTS = re.compile(r"[\x00-\x1f\x7f\\:]|^\.{0,2}$", re.ASCII)
_TIME = (1980, 1, 1, 0, 0, 0)


def write_zip(file: BinaryIO, contents: Mapping[str, bytes]) -> None:
    """Write files by their names, in one way alone."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _MODE << 16
            entry.create_system = 3  # else it would depend on the system
            packed.writestr(entry, contents[name])


def read_zip(data: bytes, where: str) -> dict[str, bytes]:
    """The files in a pack, by name. Raises RunError for what kenpin did not write: names that lead out of it, entries
    twice, packed or encrypted ones, links, more than its size."""
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, OverflowError) as error:
        raise RunError(
            f"{where}: its directory is damaged, so that it is no zip ({first_line(error)}); restore it from a copy."
        ) from error
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > len(data):
        raise RunError(f"{where}: its files would take more room than it has itself; it is no pack of kenpin.")
    for entry in entries:
        _check_entry(where, entry, contents)
        # where its content lies in an archive as `write_zip` writes it; what else it says is looked at as a whole
        begin = entry.header_offset + _HEADER_BYTES + len(entry.filename.encode())
        contents[entry.filename] = data[begin : begin + entry.file_size]
    return contents


def first_other_byte(found: bytes, contents: Mapping[str, bytes]) -> str | None:
    """Where a pack differs from what kenpin writes of these contents, in words; None where it does not."""
    again = io.BytesIO()
    write_zip(again, contents)
    expected = again.getvalue()
    if expected == found:
        return None
    both = zip(expected, found, strict=False)
    at = next((i for i, (one, other) in enumerate(both) if one != other), min(len(expected), len(found)))
    return f"byte {at + 1:,} of the archive, outside of its files' contents, is not as it was written"


def _check_entry(where: str, entry: zipfile.ZipInfo, before: Mapping[str, bytes]) -> None:
    name = entry.orig_filename
    parts = name.split("/")
    unfit = any(_PARTS.search(part) for part in parts) or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME
    if unfit or name != entry.filename:
        raise RunError(f"{where}: its entry {name!r:.80} leads out of it or names nothing; it is no pack of kenpin.")
    if name in before:
        raise RunError(f"{where}: its entry {name!r:.80} is there twice; it is no pack of kenpin.")
    packed = entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size
    if packed or entry.flag_bits & 1 or entry.external_attr >> 16 != _MODE:
        raise RunError(
            f"{where}: its entry {name!r:.80} is packed, encrypted, a link or no file, which no pack of kenpin holds."
        )


def with_manifest(page: bytes, manifest: bytes, signature: str | None) -> bytes:
    """A page with its manifest and signature at its end."""
    head, _, tail = page.rpartition(_END)
    between = b"" if signature is None else _BETWEEN + signature.encode()
    return head + _BEFORE + manifest + between + _AFTER + tail


def apart(data: bytes, where: str) -> tuple[bytes, bytes, str | None]:
    """The page without them, its manifest and its signature. Raises RunError where it holds no manifest."""
    head, begin, rest = data.rpartition(_BEFORE)
    inner, after, tail = rest.partition(_AFTER)
    if not begin or not after:
        raise RunError(
            f"{where}: holds no manifest, or a damaged one; give a page or a zip that `kenpin audit` wrote, or a copy."
        )
    manifest, between, signature = inner.partition(_BETWEEN)
    return head + _END + tail, manifest, signature.decode("utf-8", "replace") if between else None
