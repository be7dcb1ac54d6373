"""A version on disk: a policy with its runs, a folder that nothing changes any more."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from kenpin.errors import OptionError, RunError
from kenpin.files import new_folder, write_text
from kenpin.inspection.policy import Policy, read_policy
from kenpin.station.folder import StationFolder

POLICY = "policy.yaml"
_RUNS = "runs"


def install_version(folder: StationFolder, product: str, number: int, policy: Policy) -> Path:
    """Copy a policy and its runs into the folder of a version, whole or not at all, and return its policy's file.

    policy: as `read_policy` gives it. Raises OptionError where the version exists or a run does not, OutputError.
    """
    target = folder.version(product, number)
    if target.exists():
        raise OptionError(f"{target}: this version exists already; take the next number.")
    with new_folder(target, overwrite=False) as unfinished:
        names = {name: options.run for name, options in policy.runs.items()}
        described = policy.describe
        if described is not None:
            names["describer " + described.run.name] = described.run
        for name, run in names.items():
            if not run.is_dir():
                raise RunError(f"{run}: no such run; name a folder that `kenpin train` or `kenpin export` wrote.")
            shutil.copytree(run, unfinished / _RUNS / name, symlinks=True)
        runs = {name: options.model_copy(update={"run": Path(_RUNS) / name}) for name, options in policy.runs.items()}
        inside = policy.model_copy(update={"runs": runs})
        if described is not None:
            run = Path(_RUNS) / ("describer " + described.run.name)
            inside = inside.model_copy(update={"describe": described.model_copy(update={"run": run})})
        values = inside.model_dump(mode="json", exclude_defaults=True)
        write_text(unfinished / POLICY, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
    return target / POLICY


def read_version(folder: StationFolder, product: str, number: int) -> Policy:
    """The policy of a version. Raises RunError where it is gone, OptionError."""
    file = folder.version(product, number) / POLICY
    if not file.exists():
        raise RunError(f"{file}: version {number} of {product} is gone; restore it from a copy.")
    return read_policy(file)
