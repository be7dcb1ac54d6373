"""Software bill of materials: the installed distributions that a run stands on, as CycloneDX 1.6."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any
from urllib.parse import quote

from kenpin.errors import MissingExtraError
from kenpin.installing import installing

NOT_INSTALLED = "not installed"
"""As a run's record has the version of a package that was not there."""
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True, slots=True)
class Component:
    """A distribution."""

    name: str
    version: str
    licence: str
    """As its metadata states it; empty where they state none."""
    is_expression: bool
    """Whether that is an SPDX expression."""
    record_sha256: str | None
    """Hash of its RECORD, which holds the hash of each of its files; None where it is not installed here."""
    installed: str | None = None
    """The version that is installed where the pack was made, where that is another one."""
    needs: tuple[str, ...] = ()
    """Names of the components that it stands on."""
    is_recorded: bool = False
    """Whether the run recorded it; else it is there because another one stands on it."""


def components_of(versions: Mapping[str, str]) -> tuple[Component, ...]:
    """The distributions that a run recorded, and all that these stand on here, by their names.

    versions: of the packages that the run recorded.
    """
    recorded = {_key(name): version for name, version in versions.items() if version != NOT_INSTALLED}
    names, found = [*recorded], dict[str, Component]()
    while names:
        key = names.pop()
        if key in found:
            continue
        try:
            one = distribution(key)
        except PackageNotFoundError:
            if key in recorded:
                found[key] = Component(key, recorded[key], "", False, None, is_recorded=True)
            continue
        needs = tuple(sorted(set(_needs(one))))
        names += needs
        found[key] = _component(key, one, recorded.get(key), needs)
    known = {key: _having(one, found) for key, one in found.items()}
    return tuple(known[key] for key in sorted(known))


def as_cyclonedx(components: Iterable[Component], subject: str, made: str, serial: str) -> dict[str, Any]:
    """The bill as CycloneDX 1.6 (ECMA-424). subject: name of what was audited; made: UTC, ISO 8601; serial: a UUID."""
    every = tuple(components)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": made,
            "component": {"type": "application", "bom-ref": "subject", "name": subject},
            "properties": [
                {"name": "kenpin:python", "value": platform.python_version()},
                {"name": "kenpin:platform", "value": f"{platform.system()} {platform.machine()}"},
            ],
        },
        "components": [_as_json(one) for one in every],
        "dependencies": [
            {"ref": "subject", "dependsOn": [_reference(one) for one in every]},
            *(
                {
                    "ref": _reference(one),
                    "dependsOn": [_reference(other) for other in every if _key(other.name) in one.needs],
                }
                for one in every
            ),
        ],
    }


def _component(key: str, one: Distribution, recorded: str | None, needs: tuple[str, ...]) -> Component:
    name, version = one.metadata["Name"] or key, one.version
    licence, is_expression = _licence(one.metadata)  # type: ignore[arg-type]  # a Message in all but its type
    if recorded is not None and recorded != version:
        return Component(name, recorded, licence, is_expression, None, version, needs, is_recorded=True)
    record = one.read_text("RECORD")
    digest = None if record is None else hashlib.sha256(record.encode()).hexdigest()
    return Component(name, version, licence, is_expression, digest, None, needs, is_recorded=recorded is not None)


def _having(one: Component, found: Mapping[str, Component]) -> Component:
    return replace(one, needs=tuple(name for name in one.needs if name in found))


def _needs(one: Distribution) -> Iterator[str]:
    """What it requires here, without its extras. Raises MissingExtraError."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError as error:
        raise MissingExtraError(f"a bill of materials needs packaging: {installing('audit')}") from error
    for line in one.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _key(requirement.name)


def _licence(metadata: Message) -> tuple[str, bool]:
    if expression := metadata.get("License-Expression"):
        return str(expression), True
    stated = [str(line).rpartition(" :: ")[2] for line in metadata.get_all("Classifier", ()) if _CLASSIFIER in line]
    if stated:
        return " AND ".join(stated), False
    # some write the whole text there
    return str(metadata.get("License") or "").strip().partition("\n")[0][:100], False


def _as_json(one: Component) -> dict[str, Any]:
    values: dict[str, Any] = {
        "type": "library",
        "bom-ref": _reference(one),
        "name": one.name,
        "version": one.version,
        "purl": _reference(one),
    }
    if one.licence:
        values["licenses"] = (
            [{"expression": one.licence}] if one.is_expression else [{"license": {"name": one.licence}}]
        )
    if one.record_sha256 is not None:
        record = {
            "type": "file",
            "name": f"{one.name}-{one.version}.dist-info/RECORD",
            "hashes": [{"alg": "SHA-256", "content": one.record_sha256}],
        }
        values["components"] = [record]
    values["properties"] = [{"name": "kenpin:recorded-by-the-run", "value": str(one.is_recorded).lower()}]
    if one.installed is not None:
        values["properties"].append({"name": "kenpin:installed-where-packed", "value": one.installed})
    return values


def _reference(one: Component) -> str:
    return f"pkg:pypi/{quote(_key(one.name))}@{quote(one.version)}"


def _key(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
