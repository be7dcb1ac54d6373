"""Misuse of the command line in a sentence: what was wrong, and the nearest of what there is."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from itertools import takewhile
from typing import Any, Literal, get_args, get_origin

import cyclopts

from kenpin.nearest import did_you_mean, nearest_name


def sentence(error: cyclopts.CycloptsError, global_options: tuple[str, ...] = ()) -> str:
    """What is wrong, in kenpin's own words. global_options: those of every command."""
    match error:
        case cyclopts.UnknownCommandError(unused_tokens=[word, *_]):
            lacks_family = error.app is not None and "train" in error.app.name
            if word.startswith("-"):
                if lacks_family and word not in global_options:
                    return f"the family is missing before {word}; name one, as in {_train('DATA')}."
                return _unknown_option(word, global_options, error)
            near = nearest_name(word, () if error.app is None else list(error.app))
            if lacks_family and near is None:
                return f"`{word}` is no family; name one, as in {_train(word)}."
            return f"unknown command `{word}`; {f'did you mean `{near}`?' if near else f'see {_help(error)}.'}"
        case cyclopts.UnusedCliTokensError():
            words = " ".join(error.unused_tokens or ())
            chain = list(error.command_chain or ())
            has_data = any(token.partition("=")[0] == "--data" for token in error.root_input_tokens or ())
            if chain[:1] == ["train"] and len(chain) > 1 and not has_data:
                named = _train(words.split()[0], chain[1])
                return f"unexpected argument `{words}`; data and run are given by name: {named}."
            return f"unexpected argument `{words}`; leave it out, or see {_help(error)}."
        case cyclopts.UnknownOptionError():
            word = (error.token.keyword or error.token.value).partition("=")[0]
            known = [name for one in error.argument_collection if one.parse for name in one.names]
            return _unknown_option(word, [*known, *global_options], error)
        case cyclopts.CoercionError(argument=argument, token=token) if argument is not None and token is not None:
            name = f"option `{token.keyword}`" if token.keyword else f"argument {_name(argument)}"
            if choices := _choices(error.target_type):
                return f"{name} is {token.value!r}; {did_you_mean(token.value, choices)}"
            return f"{name} is {token.value!r}; give {_WANTED.get(error.target_type, 'another value')}."
        case cyclopts.RepeatArgumentError():
            return f"option `{error.token.keyword}` is given twice; give it once."
        case cyclopts.MissingArgumentError(argument=argument) if argument is not None:
            option = error.keyword or (argument.name if argument.name.startswith("-") else None)
            chain = list(error.command_chain or ())
            rest = (error.root_input_tokens or ())[len(chain) :]
            given = list(takewhile(lambda word: not word.startswith("-"), rest))
            if option == "--data" and len(given) == 2:
                right = f"`kenpin {' '.join(chain)} {given[0]} --data {given[1]}`"
                return f"unexpected argument `{given[1]}`; data is given by name: {right}."
            if option is None:
                return f"argument {_name(argument)} is missing; see {_help(error)}."
            what = "has no value" if argument.tokens or error.keyword else "is missing"
            return f"option `{option}` {what}; give it one, or see {_help(error)}."
    return str(error)


_WANTED: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _train(data: str, family: str = "FAMILY") -> str:
    return f"`kenpin train {family} --data {data} --out RUN`, where RUN is a new folder for the run"


def _unknown_option(word: str, known: Iterable[str], error: cyclopts.CycloptsError) -> str:
    near = nearest_name(word, known)
    if near and not near.startswith("-"):
        return f"unknown option {word}; {near} is given without an option's name: see {_help(error)}."
    return f"unknown option {word}; " + (f"did you mean {near}?" if near else f"see {_help(error)}.")


def _choices(kind: Any) -> list[str]:
    """The words that a value of this type may be; empty where they are not so few."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [name.lower().replace("_", "-") for name in kind.__members__]
    return []


def _name(argument: Any) -> str:
    return str(argument.name).lstrip("-").upper()


def _help(error: cyclopts.CycloptsError) -> str:
    return f"`{' '.join(('kenpin', *(error.command_chain or ()), '--help'))}`"
