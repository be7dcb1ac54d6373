"""Whether the stack that signals are handled on still is memory of this process."""

from __future__ import annotations

import ctypes
import mmap
import sys


class _Stack(ctypes.Structure):
    """What `sigaltstack` tells: `stack_t` of Linux."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


_C = ctypes.CDLL(None) if sys.platform == "linux" else None


def is_sound() -> bool:
    """Of the calling thread, which may have set none. On other systems than Linux nobody looks."""
    if _C is None:
        return True
    stack = _Stack()
    assert _C.sigaltstack(None, ctypes.byref(stack)) == 0
    if not stack.start:
        return True
    page = stack.start // mmap.PAGESIZE * mmap.PAGESIZE
    length = stack.start + stack.size - page
    resident = (ctypes.c_ubyte * (length // mmap.PAGESIZE + 1))()
    return bool(_C.mincore(ctypes.c_void_p(page), ctypes.c_size_t(length), resident) == 0)  # else: not mapped
