"""Scripts of others that pages load: as they were published, with their licences, and no page loads anything else."""

from __future__ import annotations

import hashlib
import json
import re

from kenpin.station.pages.rendering import STATIC
from tests.tree import PACKAGE

VENDOR = STATIC / "vendor"
TEMPLATES = sorted((PACKAGE / "station" / "pages" / "templates").glob("*.jinja"))


def test_each_is_what_it_says_and_has_its_licence() -> None:
    listed = json.loads((VENDOR / "vendored.json").read_text("utf-8"))
    for one in listed:
        file = VENDOR / one["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == one["sha256"], file.name
        licence = VENDOR / f"{one['file'].removesuffix('.js').removesuffix('.min')}.LICENSE"
        assert licence.read_text("utf-8").strip(), licence.name
        assert one["licence"] in ("0BSD", "BSD-3-Clause")
    assert {path.name for path in VENDOR.glob("*.js")} == {one["file"] for one in listed}


def test_pages_load_nothing_from_elsewhere_and_hold_no_script_of_their_own() -> None:
    for path in TEMPLATES:
        text = path.read_text("utf-8")
        assert not re.search(r"""(?:src|href|action|hx-\w+)=["']?(?:https?:)?//""", text), path.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
        assert not re.search(r"""\s(?:on\w+|style)=["']""", text), path.name
        for name in re.findall(r'"/static/([^"]+)"', text):
            assert (STATIC / name).is_file(), (path.name, name)


def test_values_are_escaped_everywhere() -> None:
    for path in TEMPLATES:
        assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup", path.read_text("utf-8")), path.name
