"""A YAML file as a mapping with line numbers: no duplicate keys, and no words such as `on` as truth values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError


class YamlMapping(dict[str, Any]):
    """The mapping in a YAML file, and in `lines` the line of each of its keys, from 1."""

    def __init__(self, values: Mapping[str, Any] | None = None, lines: Mapping[str, int] | None = None) -> None:
        super().__init__(values or {})
        self.lines = lines or {}


def read_yaml(path: Path) -> YamlMapping:
    """The mapping in a YAML file; true and false alone are truth values, as in YAML 1.2. Raises OptionError."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses duplicate keys, and keeps on, off, yes and no as words."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            if again := [key for index, key in enumerate(keys) if key in keys[:index]]:
                mark = node.value[len(keys) - 1 - keys[::-1].index(again[0])][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"{again[0]} is there twice", mark)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
    try:
        loader = Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        values = None if root is None else loader.construct_document(root)
    except FileNotFoundError as error:
        raise OptionError(f"{path}: no such file; give the path of a YAML file with options.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        position, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line, why = f" line {position.line + 1}" if position else "", f" ({problem})" if problem else ""
        raise OptionError(f"{path}{line}: not readable as YAML{why}; write one `option: value` a line.") from error
    if root is None or not isinstance(values, dict):
        raise OptionError(f"{path}: holds no options; write one `option: value` a line.")
    if odd := [key for key in values if not isinstance(key, str)]:
        raise OptionError(f"{path}: {odd[0]!r} is not the name of an option; write one `option: value` a line.")
    return YamlMapping(values, {key.value: key.start_mark.line + 1 for key, _ in root.value})
