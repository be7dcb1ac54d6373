"""How kenpin was installed, and the command that adds an extra to this installation."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")  # of an address, which the command would show and logs would keep


def installing(extra: str) -> str:
    """The command that adds an extra where this kenpin runs, such as `pip install "kenpin[train]"`.

    uvx and `pipx run` make an environment for each set of extras: the command is the present one, with the extra. What
    they and `uv tool` make has what is asked for alone: the extras that are there already are asked for again.
    """
    prefix = Path(sys.prefix)
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool install {_requirement(extra)}"
    if (prefix / "pipx_metadata.json").is_file():
        if prefix.parent.name == "venvs":
            return f"pipx install --force {_requirement(extra)}"
        return f"pipx run --spec {_requirement(extra)} {_typed()}"
    is_of_uv = _is_made_by_uv(prefix)
    if is_of_uv and any(re.match(r"(archive|environments)-v\d", folder.name) for folder in prefix.resolve().parents):
        by_pipx = shutil.which("uvx") is None and shutil.which("pipx") is not None  # which has uv for itself
        return f"{'pipx run --spec' if by_pipx else 'uvx --from'} {_requirement(extra)} {_typed()}"
    wanted = f'"kenpin[{extra}]"'  # pip and uv pip keep what is installed, whichever it was installed from
    if is_of_uv and find_spec("pip") is None:
        of_this = "" if os.environ.get("VIRTUAL_ENV") == sys.prefix else f"--python {_quoted(sys.executable)} "
        return f"uv pip install {of_this}{wanted}"
    found = shutil.which("pip")
    is_of_this = found is not None and Path(found).parent == Path(sys.executable).parent
    return f"pip install {wanted}" if is_of_this else f"{_quoted(sys.executable)} -m pip install {wanted}"


def _is_made_by_uv(prefix: Path) -> bool:
    try:
        return re.search(r"^uv\s*=", (prefix / "pyvenv.cfg").read_text("utf-8"), re.MULTILINE) is not None
    except OSError:
        return False  # no virtual environment


def _typed() -> str:
    """The command line as it was typed, or its beginning where Python is what was started."""
    if Path(sys.argv[0]).stem != "kenpin":
        return "kenpin"
    return " ".join(["kenpin", *(_quoted(_PASSWORD.sub("…@", word)) for word in sys.argv[1:])])


def _quoted(word: str) -> str:
    if os.name == "nt":
        from subprocess import list2cmdline

        return list2cmdline([word])
    return shlex.quote(word)


def _requirement(extra: str) -> str:
    """kenpin with an extra, in quotes, from where this kenpin came."""
    # most of what imports this module lacks nothing
    from importlib.metadata import distribution

    own = distribution("kenpin")
    extras = ",".join(sorted({extra, *_kept(own, extra)}))
    origin = _origin(own)
    return f'"kenpin[{extras}]{f" @ {origin}" if origin else ""}"'


def _origin(own: Distribution) -> str | None:
    """The address that a distribution was installed from (PEP 610); None where that was an index."""
    text = own.read_text("direct_url.json")
    if text is None:
        return None
    told = json.loads(text)
    url = str(told["url"])
    if versioned := told.get("vcs_info"):
        url = f"{versioned['vcs']}+{url}@{versioned.get('requested_revision') or versioned['commit_id']}"
    return f"{url}#subdirectory={told['subdirectory']}" if told.get("subdirectory") else url


def _kept(own: Distribution, wanted: str) -> list[str]:
    """The extras all of whose packages are installed, without those that the wanted one or another of them contains."""
    packages = {extra: _packages(own, extra) for extra in own.metadata.get_all("Provides-Extra") or ()}
    covered = set(packages.get(wanted, ()))
    kept = []
    for extra in sorted(packages, key=lambda extra: -len(packages[extra])):  # what contains others before these
        if not packages[extra] <= covered and all(map(_is_installed, packages[extra])):
            kept.append(extra)
            covered |= packages[extra]
    return kept


def _packages(own: Distribution, extra: str) -> frozenset[str]:
    """The distributions that an extra names; those of extras within it stand there as its own."""
    of_it = re.compile(rf"([\w.-]+).*;.*\bextra\s*==\s*['\"]{re.escape(extra)}['\"]")
    return frozenset(found[1] for line in own.requires or () if (found := of_it.match(line)))


def _is_installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
