"""The manifest of a pack: fingerprints of all that it holds, and of all files of what was audited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kenpin.audit.fingerprints import Fingerprint
from kenpin.errors import RunError
from kenpin.records_json import from_json
from kenpin.run.record import seal_of
from kenpin.strict_json import parse_json

_FORM = "kenpin audit pack 1"
Files = Mapping[str, Fingerprint]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a pack holds, and what it is about."""

    made: str
    """UTC, ISO 8601."""
    by: str
    """`kenpin` and its version."""
    kind: str
    """Kind of what was audited: run, package or policy."""
    name: str
    signer: str | None
    """The public key that signs it, as minisign has it with -P."""
    pack: Files
    """Files of the pack, but of this one and its signature."""
    outside: Mapping[str, Files]
    """Files of what was audited, by its place in the pack: `runs/look`, `policy`, `station`, `records`."""


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as JSON, sealed by a hash over its own content, in one way alone."""
    values = _values(manifest)
    return _canonical(values | {"seal": seal_of(values)})


def read_manifest(data: bytes) -> Manifest:
    """What `manifest_bytes` wrote. Raises RunError where a byte of it is another."""
    try:
        values = parse_json(data)
        if not isinstance(values, dict) or values.get("form") != _FORM:
            raise ValueError("it is of another form")
        rest = {name: value for name, value in values.items() if name != "seal"}
        if _canonical(values) != data or values.get("seal") != seal_of(rest):
            raise ValueError("its seal does not fit")
        rest.pop("form")
        return from_json(Manifest, rest, "manifest.json")
    except (ValueError, TypeError) as error:
        raise RunError("was changed: it is not what kenpin wrote") from error


def _values(manifest: Manifest) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps({"form": _FORM, **asdict(manifest)}))
    return plain


def _canonical(values: Mapping[str, Any]) -> bytes:
    # no < stands in it, so that a page may hold it
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, sort_keys=True, indent=0)
    return text.replace("<", "\\u003c").encode()
