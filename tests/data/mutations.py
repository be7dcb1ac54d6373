"""Annotation files as they never should be: mutated where their structure is, by kind, from a seeded generator."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

NASTY: list[Any] = [
    None, True, [], {}, "", 0, -1, 1e308, -1e-9, 10**30, 2**63, "0", "NaN", "a" * 3_000, "\ud800", "\0", "良品", "é",
    "../../etc/passwd", "/etc/hostname", "C:\\x\\y.png", [[]], [{}], {"a": {"b": []}}, [1, 2, 3], [[1, 2], [3]],
    "=1+1", "\u202e", "a\nb",
]  # fmt: skip
"""Values that no annotation has where one of them stands."""
TEXTS = [
    "", "nan", "inf", "-1", "1e309", "9" * 40, "0", "x", "\t", "\0", '"', "<", "&", "%s", "..", "*a", "&a", "[", "{",
    "良", "\ufeff",
]  # fmt: skip


def mutated(content: bytes, suffix: str, random_: random.Random) -> bytes:
    """The content with one to three changes: of its structure where it parses, of its text or bytes elsewhere."""
    for _ in range(random_.randint(1, 3)):
        kinds: list[Callable[[bytes, random.Random], bytes]] = [_bytes_changed, _text_changed]
        if suffix in _STRUCTURES:
            kinds += [_STRUCTURES[suffix]] * 4
        content = random_.choice(kinds)(content, random_)
    return content


def _bytes_changed(content: bytes, random_: random.Random) -> bytes:
    if not content:
        return bytes(random_.randrange(256) for _ in range(8))
    at, count = random_.randrange(len(content)), random_.randint(1, 8)
    return random_.choice(
        [
            content[:at],
            content[:at] + content[at + count :],
            content[:at] + bytes([content[at] ^ (1 << random_.randrange(8))]) + content[at + 1 :],
            content[:at] + bytes(random_.randrange(256) for _ in range(count)) + content[at:],
            b"\xff\xfe" + content,
            content.replace(b"\n", b"\r"),
            content + content,
        ]
    )


def _text_changed(content: bytes, random_: random.Random) -> bytes:
    """A word, a number or a line is taken out, doubled or exchanged."""
    text = content.decode("utf-8", "surrogateescape")
    words = list(re.finditer(r"[^\s,;:<>\"{}\[\]=]+", text))
    lines = text.splitlines(keepends=True)
    if words and random_.random() < 0.7:
        word = random_.choice(words)
        text = text[: word.start()] + random_.choice([*TEXTS, word.group() * 2]) + text[word.end() :]
    elif lines:
        at = random_.randrange(len(lines))
        lines[at : at + 1] = random_.choice([[], [lines[at]] * 3, [random_.choice(TEXTS) + "\n"], lines[::-1][:50]])
        text = "".join(lines)
    return text.encode("utf-8", "surrogateescape" if "\ud800" not in text else "replace")


def _json_changed(content: bytes, random_: random.Random) -> bytes:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _bytes_changed(content, random_)
    nodes: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            nodes.append((node, key))
            walk(node[key])

    walk(value)
    if not nodes:
        return json.dumps(random_.choice(NASTY)).encode()
    node, key = random_.choice(nodes)
    change = random_.randrange(5)
    if change == 0:
        del node[key]
    elif change == 1 and isinstance(node, list):
        node.append(node[key])
    elif change == 2:
        for _ in range(random_.choice([3, 2_000])):
            node[key] = [node[key]]
        return _dumped(value) if random_.random() < 0.5 else content[:-1] + b"," + content[1:]
    elif change == 3 and isinstance(node, dict):
        node[str(key).upper()] = node.pop(key)
    else:
        node[key] = random_.choice(NASTY)
    return _dumped(value)


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 5_000 + b"]" * 5_000


def _json_lines_changed(content: bytes, random_: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = random_.randrange(len(lines))
    lines[at] = _json_changed(lines[at], random_)
    return b"\n".join(lines)


def _xml_changed(content: bytes, random_: random.Random) -> bytes:
    """A tag is taken out, doubled, or has another text or name; or an entity is declared."""
    text = content.decode("utf-8", "surrogateescape")
    tags = list(re.finditer(r"<(\w+)[^<>]*>[^<]*</\1>|<\w[^<>]*/?>|\"[^\"]*\"", text))
    if not tags:
        return _bytes_changed(content, random_)
    tag = random_.choice(tags)
    old = tag.group()
    new = random_.choice(
        [
            "",
            old * 2,
            re.sub(r">[^<]*<", f">{random_.choice(TEXTS)}<", old),
            re.sub(r"\w+", lambda word: word.group()[::-1], old, count=1),
            f"<a>{old}</a>",
            "<object>" * 300,
        ]
    )
    head = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>' if random_.random() < 0.1 else ""
    return (head + text[: tag.start()] + new + text[tag.end() :]).encode("utf-8", "surrogateescape")


def _table_changed(content: bytes, random_: random.Random) -> bytes:
    """A cell is another one, a row loses or gains cells, or a column is named twice."""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    if not lines:
        return _bytes_changed(content, random_)
    at = random_.choice([0, random_.randrange(len(lines))])
    cells = lines[at].split(",")
    cell = random_.randrange(len(cells))
    other = [random_.choice(TEXTS)]
    cells[cell : cell + 1] = random_.choice([other, [], [cells[cell]] * 2, [cells[0]], [f'"{cells[cell]}']])
    lines[at] = ",".join(cells)
    return random_.choice(["\n", "\r\n", "\r"]).join(lines).encode("utf-8", "surrogateescape")


_STRUCTURES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _json_changed,
    ".jsonl": _json_lines_changed,
    ".xml": _xml_changed,
    ".csv": _table_changed,
}
