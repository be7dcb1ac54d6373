"""The command `push`, and runs of the hub in place of folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import OUTPUT


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """What is pushed, and who may see it."""

    public: Annotated[
        bool,
        Parameter(group=OUTPUT, negative=(), help="Make a new repository for all to see; it is private otherwise."),
    ] = False
    pictures: Annotated[
        bool,
        Parameter(group=OUTPUT, negative=(), help="Push thumbnails, maps and pictures of the training too."),
    ] = False
    branch: Annotated[
        str | None, Parameter(group=OUTPUT, help="Branch to push to, made where there is none; by default main.")
    ] = None
    licence: Annotated[
        str | None, Parameter(group=OUTPUT, help="Licence of the repository, by the hub's name, such as apache-2.0.")
    ] = None
    base_licence: Annotated[
        str | None, Parameter(group=OUTPUT, help="Licence of the base; by default what the hub says of it.")
    ] = None
    data_licence: Annotated[
        str | None, Parameter(group=OUTPUT, help="Licence of the data; by default what the hub says of it.")
    ] = None
    message: Annotated[str | None, Parameter(group=OUTPUT, help="Message of the commit.")] = None


def push(run: Path, to: str, /, *, options: PushOptions = PushOptions()) -> int:
    """Push a run or a package to the Hugging Face hub, with a model card. Nothing local goes along, pictures only where
    they are asked for.

    Parameters
    ----------
    run:
        Run or package folder.
    to:
        Repository, owner/name; made where there is none.
    """
    from kenpin.hub import push as push_to_hub
    from kenpin.hub.card import Licences

    pushed = push_to_hub(
        run,
        to,
        public=options.public,
        pictures=options.pictures,
        branch=options.branch,
        licences=Licences(options.licence, options.base_licence, options.data_licence),
        message=options.message,
    )
    _show.row(pushed.name)
    _show.say(f"kenpin: {pushed.url}")
    return 0
