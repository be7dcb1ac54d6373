"""The sentences that kenpin's core gives to errors, read from its sources, with each choice of their words."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

from kenpin.plural import counted
from tests.tree import PACKAGE

_MOST = 48  # ways to say one sentence
_DEEPEST = 4
_FAR = frozenset({"MissingExtraError", "ValueError", "TypeError", "KeyError", "IndexError", "ShapeError", "OSError"})
"""Errors of a call in Python that is wrong, and of what is not installed: both end before there is a page."""


def sentences(name: str, samples: Mapping[str, Sequence[str]] | None = None) -> Iterator[tuple[int, str]]:
    """Line and text of each sentence that a file of the package gives to an error. samples: texts that expressions
    give, by their source, where this cannot be read from it."""
    file = PACKAGE / name
    tree = ast.parse(file.read_text("utf-8"))
    module = vars(importlib.import_module(_module(file)))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not (kind := ast.unparse(node.func)).endswith("Error"):
            continue
        if not node.args or kind in _FAR:
            continue
        around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or one.lineno)]
        known = _Known(module, around[-1] if around else None, samples or {})
        if kind == "PictureError":
            if len(node.args) == 4:
                for what, remedy in product(known.ways(node.args[2]), known.ways(node.args[3])):
                    yield node.lineno, f"7.png: {what}. {remedy}."
            continue
        for text in known.ways(node.args[0]):
            if text.endswith((".", "?")) and " " in text:
                yield node.lineno, text


def _module(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Known:
    """What the names in a function stand for, as far as its source says it."""

    def __init__(
        self, module: Mapping[str, Any], function: ast.FunctionDef | None, samples: Mapping[str, Sequence[str]]
    ) -> None:
        self.module, self.samples = module, samples
        self.given: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function) if function else ():
            for target, value in _assigned(node):
                self.given.setdefault(target, []).append(value)

    def ways(self, node: ast.expr, depth: int = 0) -> list[str]:
        """The texts that an expression may give; "7" stands for what only running tells."""
        if depth > _DEEPEST:
            return ["7"]
        if (found := self.samples.get(ast.unparse(node))) is not None:
            return list(found)
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=values):
                each = [self.ways(one, depth) for one in values]
                return ["".join(one) for one in islice(product(*each), _MOST)]
            case ast.FormattedValue(value=value):
                return self.ways(value, depth)
            case ast.IfExp(body=body, orelse=other):
                return [*self.ways(body, depth), *self.ways(other, depth)]
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return [a + b for a, b in product(self.ways(left, depth), self.ways(right, depth))]
            case ast.Call(func=ast.Name(id="counted"), args=[_, *nouns]):
                each = [self.ways(noun, depth) for noun in nouns]
                return [counted(number, *words) for number in (1, 7) for words in product(*each)]
            case ast.Call(func=ast.Name(id="is_are")):
                return ["is", "are"]
            case ast.Call(func=ast.Name(id="was_were")):
                return ["was", "were"]
            case ast.Call(func=ast.Name(id="did_you_mean")):
                return ["did you mean `7`?", "there are 7, 8.", "there are none."]
            case ast.Name(id=name) if name in self.given:
                each_way = (text for value in self.given[name] for text in self.ways(value, depth + 1))
                return list(dict.fromkeys(each_way))
            case ast.Name(id=name) if isinstance(self.module.get(name), str):
                return [self.module[name]]
        return ["7"]


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.NamedExpr(target=ast.Name(id=name), value=value)
        ):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            yield from (
                (name.id, value) for name, value in zip(names, values, strict=True) if isinstance(name, ast.Name)
            )
