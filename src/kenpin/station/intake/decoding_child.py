"""The process that opens pictures of strangers: it may run out of memory, hang or crash without harm to the station.

It reads requests from standard input and answers on standard output, both framed: the length of a JSON object in four
bytes, the object, and as many raw bytes as the object's `bytes` says.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import BinaryIO

_LENGTH = struct.Struct(">I")
_MEMORY_BYTES = 6 * 1024**3
"""Address space: the largest picture that is opened, some copies of it, and the libraries."""


def write_frame(file: BinaryIO, values: Mapping[str, object], data: bytes | memoryview = b"") -> None:
    """Write an object and raw bytes. Raises OSError."""
    text = json.dumps({**values, "bytes": len(data)}).encode()
    file.write(_LENGTH.pack(len(text)) + text)
    file.write(data)
    file.flush()


def frame_length(head: bytes) -> int:
    """Length of the object that follows the four bytes."""
    return int(_LENGTH.unpack(head)[0])


def _bound() -> None:
    """No more memory than a picture may need, and no file."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Answer until standard input ends."""
    from kenpin.data.picture_look import look_of
    from kenpin.data.streaming import room_asked_of
    from kenpin.errors import ImageError
    from kenpin.inspection.pictures import image_of_bytes

    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _bound()

    def ask(size_bytes: int) -> None:
        write_frame(answers, {"room": size_bytes})
        requests.read(1)

    write_frame(answers, {"ready": True})
    while head := requests.read(_LENGTH.size):
        asked = json.loads(requests.read(frame_length(head)))
        try:
            with room_asked_of(ask):
                image = image_of_bytes(asked["name"], requests.read(asked["bytes"]))
        except ImageError as error:
            write_frame(answers, {"error": f"{error}", "size_wh": None})
        else:
            told = {"error": None, "size_wh": image.size, "mode": image.mode, "look": asdict(look_of(image))}
            write_frame(answers, told, image.tobytes())  # of a grey one a third of the bytes
            del image


if __name__ == "__main__":
    main()
