"""Writing files: under a hidden name, synced to disk, then renamed in one step; with guards and locks.

Whatever is written here is complete or absent: a kill, a full disk or a missing permission leaves the former content.
A kill leaves only hidden files, which the next writer of the same name removes.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError, OutputError, OutputExistsError, RunError
from kenpin.locks import HOLDS_FOLDERS, hold, let_go
from kenpin.strict_json import parse_json, read_bounded

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# the last is PyTorch's message on a short write
_FULL_IN_WORDS = re.compile(
    r"no space left on device|os error 28\b|disk is full|disk quota exceeded|unexpected pos \d+ vs \d+", re.IGNORECASE
)
_SYNCED_ONE_BY_ONE = 256  # files; of more, one call for all that the system has not written yet is quicker
_EXCLUSIVE, _EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)  # flags of renamex_np and of renameat2
_AT_WORKING_FOLDER = -100
_AT_ONCE = 8  # hidden folders of one name that are looked for: as many writers of it may come together
_SURROGATE = re.compile("[\ud800-\udfff]")


# ---- guards ----


def check_free(target: Path, overwrite: bool) -> None:
    """Raises OutputExistsError where `target` exists and must not be replaced."""
    if os.path.lexists(target) and not overwrite:
        raise OutputExistsError(f"{target}: already exists; choose another name or allow it with --overwrite.")


def check_writable(target: Path | None, overwrite: bool, *, folder: bool = False) -> None:
    """Check before the work that a file, or a `folder`, can be written after it. target: None where nothing is written.

    Raises OutputExistsError, OptionError.
    """
    if target is None:
        return
    check_free(target, overwrite)
    if target.is_dir() is not folder and (target.exists() or not target.name):
        is_what, wanted = ("a file", "a folder") if folder else ("a folder", "a file in it")
        raise OutputExistsError(f"{target}: is {is_what}; name {wanted}.")
    above = next(parent for parent in target.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise OptionError(f"{target}: {above} is not a folder that can be written to; choose another folder.")


def refuse_to_destroy(target: Path, needed: Iterable[str | Path], *, overwrite: bool) -> None:
    """Raises OutputExistsError where `target` exists without `overwrite`, or holds files that are still `needed`."""
    occupied = target.is_file() or (target.is_dir() and any(target.iterdir()))
    if occupied and not overwrite:
        raise OutputExistsError(f"{target}: already exists; choose another folder, or add --overwrite.")
    if occupied and any(_lies_in(path, target) for path in needed):
        raise OutputExistsError(
            f"{target}: the data come from this folder, or it is the current folder; choose another folder."
        )


def _lies_in(path: str | Path, folder: Path) -> bool:
    return path != "" and Path(path).expanduser().absolute().resolve().is_relative_to(folder.resolve())


def partial_folder(out: Path) -> Path:
    """Hidden sibling folder for long work until it is complete, so that it can be continued."""
    return out.with_name(f".{out.name}.partial")


# ---- writing ----


@contextmanager
def new_file(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A path to write a file at, with the target's name in a hidden folder beside it. At the end the file is synced and
    replaces the target, or is removed.

    Raises OutputExistsError where the target exists by then, without `overwrite`, and OutputError where there is no
    room or no permission.
    """
    with cannot_write(target), hidden_folder(target) as hidden:
        yield hidden / target.name
        put_in_place(hidden / target.name, target, overwrite=overwrite)


@contextmanager
def new_folder(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A new folder to write in, hidden beside the target. At the end it is synced and replaces the target, or is
    removed. Raises as `new_file` does."""
    with cannot_write(target), hidden_folder(target) as hidden:
        folder = hidden / target.name
        folder.mkdir()
        yield folder
        put_in_place(folder, target, overwrite=overwrite)


def write_text(target: Path, text: str, *, overwrite: bool = True) -> None:
    """Write text as UTF-8, completely or not at all. Raises OutputExistsError, OutputError."""
    with new_file(target, overwrite=overwrite) as path:
        # in JSON, what is no UTF-8 in a name becomes its own escape, and is read back as it was
        path.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(target: Path, values: Mapping[str, Any], *, overwrite: bool = True) -> None:
    """Write a JSON object, completely or not at all. Raises OutputExistsError, OutputError."""
    text = json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False)
    # a path with bytes that are no UTF-8 is read back as it was
    text = _SURROGATE.sub(lambda character: f"\\u{ord(character.group()):04x}", text)
    write_text(target, text, overwrite=overwrite)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file that kenpin wrote. Raises RunError."""
    try:
        values = parse_json(read_bounded(path))
    except OSError as error:
        why = error.strerror or "no such file"
        raise RunError(f"{path}: cannot be read ({why}); restore it from a copy or make it again.") from error
    except ValueError as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); restore it from a copy or make it again.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: does not hold a JSON object; restore it from a copy or make it again.")
    return values


def put_in_place(new: Path, target: Path, *, overwrite: bool) -> None:
    """Sync a complete file or folder and rename it to `target`; the former target is removed only afterwards.

    Raises OutputExistsError where `target` exists, or came to exist meanwhile, and `overwrite` is not set.
    """
    sync(new)
    if not overwrite:
        _name_it(new, target)
    elif new.is_dir() and os.path.lexists(target):
        _exchange(new, target)
    else:
        new.replace(target)
    sync_folder(target.parent)


def sync(path: Path) -> None:
    """Sync a file, or all files of a folder, against a power failure."""
    if not path.is_dir():
        _sync_one(path)
        return
    walked = [(Path(folder), names) for folder, _, names in os.walk(path)]
    files = [folder / name for folder, names in walked for name in names]
    if len(files) > _SYNCED_ONE_BY_ONE and sys.platform != "win32":
        os.sync()
        return
    for entry in (*files, *(folder for folder, _ in walked)):
        if not entry.is_symlink():
            with suppress(FileNotFoundError):  # another process may remove what it has replaced
                _sync_one(entry)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder against a power failure."""
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    if not HOLDS_FOLDERS and path.is_dir():
        return  # Windows writes names down by itself
    descriptor = os.open(path, os.O_RDONLY if HOLDS_FOLDERS else os.O_RDWR)  # Windows syncs what it may write
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network shares sync no folders
            raise
    finally:
        os.close(descriptor)


def _name_it(new: Path, target: Path) -> None:
    """Rename where the target does not exist; refuse in the same step where it does."""
    if new.is_dir() and target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
        target.rmdir()  # an empty folder was made for it
    try:
        if _rename(new, target, _EXCLUSIVE):
            return
        if new.is_dir():
            check_free(target, overwrite=False)
            new.rename(target)  # fails where a folder with something in it came there since
        else:
            os.link(new, target)
            new.unlink()
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        raise OutputExistsError(
            f"{target}: already exists; another process wrote it meanwhile. Choose another name or allow it with "
            "--overwrite."
        ) from error


def _exchange(new: Path, target: Path) -> None:
    """Replace a folder by another, in one step where the file system has such; else in two, between which a kill leaves
    the old one under a hidden name that `take_back` knows."""
    old = _replaced(target)
    if _rename(new, target, _EXCHANGE):
        new.rename(old)  # a kill while it is removed must not leave the old one where the new one was written
    else:
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink()


def _rename(old: Path, new: Path, flag: int) -> bool:
    """Rename with a flag of the system's own call; False where system or file system has none. Raises OSError."""
    if not HOLDS_FOLDERS:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(old), os.fsencode(new)
    if hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_WORKING_FOLDER, names[0], _AT_WORKING_FOLDER, names[1], flag)
    elif hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*names, flag)
    else:
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(old), None, str(new))


# ---- what a kill left ----


@contextmanager
def hidden_folder(target: Path) -> Iterator[Path]:
    """A new hidden folder beside the target, locked until the end and then removed, as are those of dead writers."""
    made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    take_back(target)
    hidden, descriptor = _held_folder(target)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        let_go(hidden, descriptor)
        for folder in made:  # that were made for a target which did not come
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def take_back(target: Path) -> None:
    """Remove the hidden files of killed writers of this name, and restore a target that one had moved to replace it.

    Only these names are looked up: the folder may hold a million others.
    """
    aside = _replaced(target)
    if os.path.lexists(aside) and not os.path.lexists(target):
        aside.rename(target)
    elif aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    for number in range(_AT_ONCE):
        left = _hidden_name(target, number)
        if left.is_dir() and (descriptor := hold(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            let_go(left, descriptor)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _hidden_name(target: Path, number: int) -> Path:
    return target.with_name(f".{target.name}.new-{number:08x}.partial")


def _held_folder(target: Path) -> tuple[Path, int]:
    """A new hidden folder that no other writer has, and the descriptor of its lock."""
    for number in count():
        hidden = _hidden_name(target, number)
        with suppress(FileExistsError):  # another writer's
            hidden.mkdir()
            if (descriptor := hold(hidden, locked=False)) is not None:
                return hidden, descriptor
    raise AssertionError  # it counts without end


@contextmanager
def sole_writer(partial: Path, doing: str = "training") -> Iterator[None]:
    """Lock a folder of long work: a second process that is `doing` the same is refused. Raises RunError,
    OutputError."""
    name = partial.with_name(f"{partial.name}.lock")
    with cannot_write(partial):
        name.parent.mkdir(parents=True, exist_ok=True)
        if name.is_symlink():
            raise RunError(f"{name}: is a link, where a lock must be a file; remove it.")
        descriptor = hold(name, folder=False)
    if descriptor is None:
        raise RunError(f"{partial}: another process is {doing} into it; wait, or choose another --out.")
    try:
        yield
    finally:
        if HOLDS_FOLDERS:
            name.unlink(missing_ok=True)
        os.close(descriptor)
        if not HOLDS_FOLDERS:  # Windows removes no file that is open
            with suppress(OSError):
                name.unlink(missing_ok=True)


# ---- no room, no right ----


@contextmanager
def cannot_write(target: Path) -> Iterator[None]:
    """Turn errors of any library on missing room or permission for the target into one sentence. Raises OutputError."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        if (reason := why_unwritable(error, target)) is None:
            raise
        raise OutputError(f"{target}: {reason}") from error


def why_unwritable(error: BaseException, target: Path | None = None) -> str | None:
    """A sentence with the remedy where there is no room, or the target may not be written; None for other errors.

    A missing permission elsewhere, such as for reading pictures, is another error. target: None is any path.
    """
    chain: dict[int, BaseException] = {}
    seen: BaseException | None = error
    while seen is not None and id(seen) not in chain:  # some libraries close the chain to a ring
        chain[id(seen)] = seen
        if getattr(seen, "errno", None) in _FULL or _FULL_IN_WORDS.search(str(seen)):
            return "there is no room left on its disk; free some, or choose a folder on another disk."
        if isinstance(seen, OSError) and seen.errno in _FORBIDDEN and _is_beside(seen, target):
            return f"it may not be written there ({seen.strerror}); get the right to, or choose another folder."
        seen = seen.__cause__ or seen.__context__
    return None


def _is_beside(error: OSError, target: Path | None) -> bool:
    if target is None:
        return False
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    above = target.absolute().parent
    return any(
        Path(name).absolute().is_relative_to(above) or above.is_relative_to(Path(name).absolute()) for name in names
    )
