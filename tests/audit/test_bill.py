"""Bills of materials: valid CycloneDX, with what a run recorded and what that stands on."""

from __future__ import annotations

import hashlib
import json
import uuid
from importlib.metadata import distribution

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.audit.bill import NOT_INSTALLED, as_cyclonedx, components_of

_VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
_KNOWN = ("kenpin", "numpy", "pillow", "torch", "scikit-learn", "transformers")
MADE = "2026-11-28T04:00:00+00:00"


@settings(max_examples=15)
@given(
    st.dictionaries(
        st.sampled_from((*_KNOWN, "absent-package")), st.sampled_from(("here", "0.0.1", NOT_INSTALLED)), min_size=1
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=30),
)
def test_every_bill_is_valid_and_has_what_the_run_had(stated: dict[str, str], name: str) -> None:
    versions = {
        package: distribution(package).version if version == "here" and package in _KNOWN else version
        for package, version in stated.items()
    }
    bill = as_cyclonedx(components_of(versions), name, MADE, str(uuid.uuid4()))
    assert _VALIDATOR.validate_str(json.dumps(bill)) is None
    found = {one["name"].lower(): one for one in bill["components"]}
    for package, version in versions.items():
        if version != NOT_INSTALLED:
            assert found[package]["version"] == version
    recorded = {
        one["name"].lower()
        for one in bill["components"]
        if {"name": "kenpin:recorded-by-the-run", "value": "true"} in one["properties"]
    }
    assert recorded == {name for name, version in versions.items() if version != NOT_INSTALLED}
    references = {one["bom-ref"] for one in bill["components"]}
    assert len(references) == len(bill["components"])
    assert all(set(one["dependsOn"]) <= references for one in bill["dependencies"])


def test_a_component_has_the_hash_of_its_list_of_files_and_its_licence() -> None:
    installed = distribution("numpy")
    (numpy,) = (one for one in components_of({"numpy": installed.version}) if one.name == "numpy")
    record = installed.read_text("RECORD")
    assert record is not None
    assert numpy.record_sha256 == hashlib.sha256(record.encode()).hexdigest()
    assert "BSD" in numpy.licence


def test_another_version_than_the_run_had_is_told_and_not_hashed() -> None:
    (numpy,) = (one for one in components_of({"numpy": "1.0"}) if one.name == "numpy")
    assert (numpy.version, numpy.installed, numpy.record_sha256) == ("1.0", distribution("numpy").version, None)


@pytest.mark.parametrize("package", _KNOWN)
def test_what_a_package_stands_on_is_in_the_bill(package: str) -> None:
    found = {one.name.lower().replace("_", "-"): one for one in components_of({package: "1"})}
    assert all(name in found for one in found.values() for name in one.needs)
