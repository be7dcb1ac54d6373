"""A YAML file as a mapping with line numbers: no duplicate keys, and no words such as `on` as truth values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError, first_line
from kenpin.strict_json import check_values, read_bounded

_MOST_BYTES, _MOST_VALUES, _DEPTH = 1024**2, 20_000, 50


class YamlMapping(dict[str, Any]):
    """The mapping in a YAML file, and in `lines` the line of each of its keys, from 1."""

    def __init__(self, values: Mapping[str, Any] | None = None, lines: Mapping[str, int] | None = None) -> None:
        super().__init__(values or {})
        self.lines = lines or {}


def _check_depth(text: str) -> None:
    """Raises ValueError for many brackets within each other, on which the parser would spend minutes."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        if depth > 4 * _DEPTH:  # more than that, for some may stand within quotes
            raise ValueError(f"nested more than {_DEPTH} deep")


def _check_size(node: Any, sizes: dict[int, int], depth: int = 0) -> int:
    """Number of values in a node, each alias counted as what it stands for. Raises ValueError."""
    if id(node) not in sizes:
        sizes[id(node)] = _MOST_VALUES  # of a node within itself
        if depth > _DEPTH:
            raise ValueError(f"nested more than {_DEPTH} deep")
        below = node.value if isinstance(node.value, list) else ()
        parts = [part for item in below for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_check_size(part, sizes, depth + 1) for part in parts)
    if sizes[id(node)] > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES:,} values, with what its aliases stand for")
    return sizes[id(node)]


def read_yaml(path: Path) -> YamlMapping:
    """The mapping in a YAML file; true and false alone are truth values, as in YAML 1.2. Raises OptionError."""
    return read_yaml_with_bytes(path)[0]


def read_yaml_with_bytes(path: Path) -> tuple[YamlMapping, bytes]:
    """The mapping, and the bytes that it was read from. Raises OptionError."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses duplicate keys, and keeps on, off, yes and no as words."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            first_of: dict[Any, int] = {}
            for index, key in enumerate(keys):
                if isinstance(key, str) and first_of.setdefault(key, index) != index:
                    mark = node.value[index][0].start_mark
                    raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", mark)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
    if path.is_dir():
        raise OptionError(f"{path}: it is a folder, and a YAML file is needed here; give the path of one.")
    try:
        data = read_bounded(path, _MOST_BYTES)
        text = data.decode("utf-8")
        _check_depth(text)
        loader = Loader(text)
        root = loader.get_single_node()
        if root is not None:
            _check_size(root, {})
        values = None if root is None else loader.construct_document(root)
    except FileNotFoundError as error:
        raise OptionError(f"{path}: no such file; give the path of a YAML file with options.") from error
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        position, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        if isinstance(error, RecursionError):
            problem = f"nested more than {_DEPTH} deep"
        elif isinstance(error, ValueError) and not isinstance(error, UnicodeDecodeError):
            problem = first_line(error)
        line, why = f" line {position.line + 1}" if position else "", f" ({problem})" if problem else ""
        raise OptionError(f"{path}{line}: not readable as YAML{why}; write one `option: value` a line.") from error
    try:
        check_values(values)
    except ValueError as error:
        raise OptionError(f"{path}: not readable as options ({error}); write one `option: value` a line.") from error
    if root is None or not isinstance(values, dict):
        raise OptionError(f"{path}: holds no options; write one `option: value` a line.")
    if odd := [key for key in values if not isinstance(key, str)]:
        raise OptionError(f"{path}: {odd[0]!r} is not the name of an option; write one `option: value` a line.")
    return YamlMapping(values, {key.value: key.start_mark.line + 1 for key, _ in root.value}), data
