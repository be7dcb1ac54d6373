"""Fingerprints of files: size and hash of each, and of its blocks, so that a change is found with its place."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kenpin.errors import RunError

_SMALLEST_BLOCK = 4096
_MOST_BLOCKS = 256
Opens = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file was."""

    bytes: int
    sha256: str
    """64 hexadecimal digits."""
    block: int
    """Size of a block in bytes."""
    blocks: tuple[str, ...] = ()
    """SHA-256 of each block, 16 hexadecimal digits; none where there is but one."""
    grows: bool = False
    """Whether lines are appended to it: what stands behind these bytes is not looked at."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What is not as it was."""

    file: str
    problem: str


def of_path(path: Path) -> Opens:
    """What opens a file."""
    return lambda: path.open("rb")


def of_bytes(data: bytes) -> Opens:
    """What opens these bytes as a file."""
    return lambda: io.BytesIO(data)


def fingerprint(opens: Opens, *, grows: bool = False, most_bytes: int | None = None) -> Fingerprint:
    """The fingerprint of what a file holds; most_bytes: of its first bytes alone."""
    with opens() as file:
        size = file.seek(0, os.SEEK_END) if most_bytes is None else most_bytes
        file.seek(0)
        block = block_of(size)
        whole, blocks = hashlib.sha256(), []
        for piece in _pieces(file, block, size):
            whole.update(piece)
            blocks.append(hashlib.sha256(piece).hexdigest()[:16])
    return Fingerprint(size, whole.hexdigest(), block, tuple(blocks) if len(blocks) > 1 else (), grows)


def block_of(size: int) -> int:
    """Size of the blocks of a file of so many bytes: a power of two, so that there are 256 at most."""
    block = _SMALLEST_BLOCK
    while block * _MOST_BLOCKS < size:
        block *= 2
    return block


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file in and below a folder, by its path with forward slashes. Raises RunError for what is no file, which
    no hash covers."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise RunError(f"{path}: is a link or no file, which no hash covers; remove it, or put the file there.")
        if path.is_file():
            yield name, path


def changes(kept: Mapping[str, Fingerprint], found: Mapping[str, Opens]) -> Iterator[FileChange]:
    """What differs between files as they were and as they are: changed, missing, added and renamed ones."""
    now = {name: fingerprint(opens) for name, opens in found.items() if name not in kept}
    added = {one.sha256: name for name, one in now.items()}
    renamed = set()
    for name, was in kept.items():
        if name in found:
            yield from (FileChange(name, problem) for problem in _problems(was, found[name]))
        elif (other := added.get(was.sha256)) is not None:
            renamed.add(other)
            yield FileChange(name, f"is named {other} now")
        else:
            yield FileChange(name, "is missing")
    for name in now:
        if name not in renamed:
            yield FileChange(name, "was added")


def _problems(was: Fingerprint, opens: Opens) -> Iterator[str]:
    """At most one: what of a file is another."""
    with opens() as file:
        size = file.seek(0, os.SEEK_END)
    if was.grows and size >= was.bytes:
        size = was.bytes
    now = fingerprint(opens, most_bytes=size)
    if (now.bytes, now.sha256) == (was.bytes, was.sha256):
        return
    if now.bytes != was.bytes:
        yield f"was changed: it has {now.bytes:,} bytes and had {was.bytes:,}{_first(was, opens, min(size, was.bytes))}"
    else:
        yield f"was changed{_first(was, opens, size)}"


def _first(was: Fingerprint, opens: Opens, size: int) -> str:
    """Where the first changed block of what both have lies, in words; empty where all of it is equal."""
    if not was.blocks:
        return f" in its bytes 1 to {was.bytes:,}" if size == was.bytes else ""
    with opens() as file:
        for number, piece in enumerate(_pieces(file, was.block, size)):
            if hashlib.sha256(piece).hexdigest()[:16] != was.blocks[number]:
                begin = number * was.block
                return f"; the first change is in its bytes {begin + 1:,} to {min(begin + was.block, was.bytes):,}"
    return ""


def _pieces(file: IO[bytes], block: int, size: int) -> Iterable[bytes]:
    left = size
    while left and (piece := file.read(min(block, left))):
        left -= len(piece)
        yield piece
