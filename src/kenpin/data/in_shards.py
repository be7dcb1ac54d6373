"""Pictures inside shards, tar archives and Parquet files, read in place: here, or behind an address as s3://.

A picture's path is then that of its shard, where in it the picture lies, and its name: `a/01.tar::o1024+5321::b.png`
for the bytes from 1,024 on, `a/01.parquet::g3r17::b.png` for row 17 of row group 3. Whatever opens a picture takes such
a path, in any process and on any machine that sees the shard. Nothing is unpacked, and nothing is kept on disk.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import pyarrow.fs as arrow_files
    import pyarrow.parquet as parquet

Value = TypeVar("Value")
TAR, PARQUET = ".tar", ".parquet"
_MARK = "::"
_AT = re.compile(r"o(?P<offset>\d+)\+(?P<size>\d+)|g(?P<group>\d+)r(?P<row>\d+)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")
_CLOUDS = ("s3", "gs", "gcs")
_BLOCK_BYTES = 8 * 1024**2
KEPT_BYTES = 256 * 1024**2
"""Bytes of blocks, and of pictures of row groups, that are kept for what is read next: pictures come in their order."""
_LARGEST_GROUP = 2 * 1024**3
_HEADER = 512  # bytes of a member's header, in front of its content


@dataclass(frozen=True, slots=True)
class Member:
    """Where a picture lies."""

    shard: str
    at: re.Match[str]
    name: str


def address(shard: str, at: str, name: str) -> str:
    """The path of a picture in a shard. at: `oOFFSET+SIZE`, or `gGROUPrROW`."""
    return _MARK.join((shard, at, PurePosixPath(name).name))


def of_tar(shard: str, offset: int, size: int, name: str) -> str:
    """The path of a member of a tar archive, whose content begins at this byte."""
    return address(shard, f"o{offset}+{size}", name)


def member_of(path: str) -> Member | None:
    """The picture in a shard that a path names; None for that of a file."""
    if _MARK not in path:
        return None
    shard, _, rest = path.rpartition(_MARK)[0].rpartition(_MARK)
    at = _AT.fullmatch(rest)
    return Member(shard, at, path.rpartition(_MARK)[2]) if shard and at else None


def file_of(path: str) -> str:
    """The file that holds a picture: its shard, or itself."""
    member = member_of(path)
    return path if member is None else member.shard


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether it lies behind an address such as s3://bucket/folder."""
    return _ADDRESS.match(os.fspath(path)) is not None


def bytes_of(member: Member, limit: int) -> bytes:
    """The bytes of a picture. Raises OSError; ValueError where the shard does not hold it, or it exceeds `limit`."""
    if (group := member.at["group"]) is not None:
        return _of_group(member.shard, int(group), int(member.at["row"]), limit)
    offset, size = int(member.at["offset"]), int(member.at["size"])
    if size > limit:
        raise ValueError(f"it has {size:,} bytes, more than the {limit:,} that are read")
    if offset < _HEADER:
        raise ValueError("no member of an archive begins there")
    found = _range(member.shard, offset - _HEADER, size + _HEADER)
    header = found[:_HEADER]
    # the bytes of another member, of a shard that was replaced since it was listed, must not be taken for the picture's
    stated = header[124:136].rstrip(b"\0 ")
    if len(found) < size + _HEADER or header[257:262] != b"ustar" or (stated.isdigit() and int(stated, 8) != size):
        raise ValueError("the archive does not hold it there any more; read the data set again")
    return found[_HEADER:]


def fetched_with(path: str) -> tuple[str, int] | None:
    """What is fetched together with a picture, by shard and number: its block, or its row group. None where it is read
    by itself, from a local archive or a file of its own."""
    member = member_of(path)
    if member is None:
        return None
    if (group := member.at["group"]) is not None:
        return member.shard, int(group)
    return (member.shard, int(member.at["offset"]) // _BLOCK_BYTES) if is_address(member.shard) else None


def fetched_bytes(shard: str, number: int) -> int:
    """Bytes that are fetched together. Raises OSError, ValueError."""
    if not shard.partition("?")[0].endswith(PARQUET):
        return _BLOCK_BYTES
    sizes = _group_bytes(os.getpid(), shard)
    return sizes[number] if number < len(sizes) else 0


@lru_cache(maxsize=4_096)
def _group_bytes(process: int, shard: str) -> tuple[int, ...]:
    """Bytes of pictures in each row group of a Parquet file."""
    with parquet_file(shard) as opened:
        column = picture_column(opened.schema_arrow)
        return tuple(
            _bytes_in(opened.metadata.row_group(group), column or "") for group in range(opened.num_row_groups)
        )


def _bytes_in(group: Any, column: str) -> int:
    leaves = (group.column(number) for number in range(group.num_columns))
    return sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] == column)


# ---- files here and behind addresses ----


def file_system(shard: str) -> tuple[arrow_files.FileSystem, str]:
    """What opens a file, and its path there. Raises OSError, ValueError; MissingExtraError where a package is missing
    that knows such addresses."""
    import pyarrow.fs as arrow_files

    if not is_address(shard):
        return arrow_files.LocalFileSystem(), os.path.abspath(shard)
    place, question, settings = shard.partition("?")
    scheme, _, path = place.partition("://")
    if scheme == "file":
        return arrow_files.LocalFileSystem(), path
    bucket = path.partition("/")[0]  # with who asks in front of it, such as gs://anonymous@bucket, which the path lacks
    opener = _system_of(os.getpid(), scheme, bucket, f"{question}{settings}")
    return opener, path[bucket.rfind("@") + 1 :] if scheme in _CLOUDS else path


@lru_cache(maxsize=64)
def _system_of(process: int, scheme: str, bucket: str, settings: str) -> arrow_files.FileSystem:
    """Of this process: connections do not survive a fork."""
    import pyarrow.fs as arrow_files

    if scheme in _CLOUDS:
        return arrow_files.FileSystem.from_uri(f"{'gs' if scheme == 'gcs' else scheme}://{bucket}{settings}")[0]
    from kenpin.errors import MissingExtraError, OptionError
    from kenpin.installing import installing

    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(
            f"{scheme}://{bucket}: addresses of this kind need the package fsspec: `{installing('cluster')}`; "
            "s3:// and gs:// need none."
        ) from error
    try:
        return arrow_files.PyFileSystem(arrow_files.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError) as error:
        raise OptionError(f"{scheme}://{bucket}: cannot be opened ({error}); give s3://, gs:// or a folder.") from error


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard: its path or address, and its path below the folder that was named."""

    path: str
    below: str
    size: int


def shards_below(root: str, ending: str) -> list[ShardFile]:
    """The files of this ending, in the order of their names: the file itself, or those in and below a folder. Raises
    OSError."""
    import pyarrow.fs as arrow_files

    files, path = file_system(root)
    place, question, settings = root.partition("?") if is_address(root) else (os.fspath(root), "", "")
    info = files.get_file_info(path)
    if info.type == arrow_files.FileType.File:
        return [ShardFile(root, PurePosixPath(path).name, info.size)]
    if info.type == arrow_files.FileType.NotFound:
        raise FileNotFoundError(f"{root}: there is no such file or folder")
    found = files.get_file_info(arrow_files.FileSelector(path, recursive=True))
    start = path.strip("/")  # some file systems begin their paths with a slash that the address has not
    shards = []
    for one in sorted(found, key=lambda one: one.path):
        if one.type == arrow_files.FileType.File and one.path.endswith(ending):
            below = one.path.lstrip("/")[len(start) + 1 :]
            if not any(part.startswith(".") for part in below.split("/")):
                shards.append(ShardFile(f"{place.rstrip('/')}/{below}{question}{settings}", below, one.size))
    return shards


def stream_of(shard: str) -> IO[bytes]:
    """A shard from its begin, to be read once. Raises OSError."""
    files, path = file_system(shard)
    opened: IO[bytes] = files.open_input_stream(path, buffer_size=_BLOCK_BYTES)
    return opened


def parquet_file(shard: str) -> parquet.ParquetFile:
    """A Parquet shard with its footer read. Raises OSError, ArrowException."""
    import pyarrow.parquet as parquet

    files, path = file_system(shard)
    return parquet.ParquetFile(files.open_input_file(path))


def _range(shard: str, start: int, size: int) -> bytes:
    """So many bytes of a shard. What lies behind an address is fetched in blocks, each once where pictures are read in
    their order."""
    if not is_address(shard):
        with open(shard, "rb") as file:
            return os.pread(file.fileno(), size, start)
    blocks = range(start // _BLOCK_BYTES, -(-(start + size) // _BLOCK_BYTES))
    found = b"".join(_recent().get((shard, number), partial(_block, shard, number), len) for number in blocks)
    skipped = start - blocks.start * _BLOCK_BYTES
    return found[skipped : skipped + size]


def _block(shard: str, number: int) -> bytes:
    files, path = file_system(shard)
    with files.open_input_file(path) as file:
        start = number * _BLOCK_BYTES
        return bytes(file.read_at(min(_BLOCK_BYTES, max(0, file.size() - start)), start))


# ---- rows of Parquet files ----


def _of_group(shard: str, group: int, row: int, limit: int) -> bytes:
    pictures = _recent().get((shard, -1 - group), lambda: _pictures_of(shard, group), lambda column: column.nbytes)
    if row >= len(pictures):
        raise ValueError("the file does not hold it there any more; read the data set again")
    picture = pictures[row].as_py()
    if picture is None:
        raise ValueError("its row holds no picture")
    if len(picture) > limit:
        raise ValueError(f"it has {len(picture):,} bytes, more than the {limit:,} that are read")
    return bytes(picture)


def _pictures_of(shard: str, group: int) -> Any:
    """The bytes of all pictures of a row group, (rows,). A value that stands for many is held once."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with parquet_file(shard) as opened:
        column = picture_column(opened.schema_arrow)
        if column is None or group >= opened.num_row_groups:
            raise ValueError("the file does not hold it there any more; read the data set again")
        held = _bytes_in(opened.metadata.row_group(group), column)
        metadata = opened.metadata
    if held > _LARGEST_GROUP:
        raise ValueError(f"its row group holds {held:,} bytes of pictures; write the file with smaller row groups")
    files, path = file_system(shard)
    is_struct = pa.types.is_struct(opened.schema_arrow.field(column).type)
    leaf = f"{column}.bytes" if is_struct else column
    with parquet.ParquetFile(files.open_input_file(path), metadata=metadata, read_dictionary=[leaf]) as once:
        read = once.read_row_group(group, columns=[leaf]).column(0)
    values: pa.ChunkedArray = read
    if pa.types.is_struct(values.type):
        values = pa.chunked_array([chunk.field("bytes") for chunk in values.chunks])
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)


def picture_column(schema: Any) -> str | None:
    """The column that holds pictures as bytes, alone or with a path; None where there is none."""
    import pyarrow as pa

    def holds(kind: pa.DataType) -> bool:
        if pa.types.is_struct(kind):
            return any(part.name == "bytes" and holds(part.type) for part in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fits = [name for name, kind in zip(schema.names, schema.types, strict=True) if holds(kind)]
    return next((name for name in fits if name.casefold() in ("image", "img", "picture")), fits[0] if fits else None)


# ---- what is kept for what is read next ----


class _Recent(Generic[Value]):
    """Values that are made once, whichever threads ask for them; the least recently used are dropped."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._held: dict[tuple[str, int], Future[Value]] = {}
        self._sizes: dict[tuple[str, int], int] = {}

    def get(self, key: tuple[str, int], make: Callable[[], Value], size_of: Callable[[Value], int]) -> Value:
        """The value of this key."""
        with self._lock:
            known = self._held.pop(key, None)
            future: Future[Value] = Future() if known is None else known
            self._held[key] = future
        if known is not None:
            return future.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                self._held.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(value)
        with self._lock:
            self._sizes[key] = size_of(value)
            for old in self._oldest():
                if sum(self._sizes.values()) <= self._limit or old == key:
                    break
                del self._held[old], self._sizes[old]
        return value

    def _oldest(self) -> Iterator[tuple[str, int]]:
        yield from [key for key in self._held if key in self._sizes]


@lru_cache(maxsize=1)
def _recent_of(process: int) -> _Recent[Any]:
    return _Recent(KEPT_BYTES)


def _recent() -> _Recent[Any]:
    """Of this process: a lock that another thread held at a fork would never be released."""
    return _recent_of(os.getpid())
