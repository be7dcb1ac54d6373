"""Rights: every pair of role and right is what it should be, and nobody approves what they asked for."""

from __future__ import annotations

import itertools

import pytest

from kenpin.station.who.rights import (
    CONSOLE,
    RESERVED_NAMES,
    RIGHTS_OF,
    STATION,
    TOKEN_RIGHTS,
    NotAllowedError,
    Person,
    Right,
    Role,
    check_approval,
)
from tests.tree import ROOT

EXPECTED = """
             viewer reviewer engineer auditor admin token
look           x       x        x        x      x     x
review         -       x        x        -      x     -
submit         -       -        x        -      x     x
upload         -       -        x        -      x     x
learn          -       -        x        -      x     -
approve        -       -        x        -      x     -
set-policy     -       -        x        -      x     -
operate        -       -        x        -      x     -
audit          -       -        -        x      x     x
administer     -       -        -        -      x     -
"""


def _person(role: Role, name: str = "aoi") -> Person:
    return Person(name, role, RIGHTS_OF[role], None)


def test_every_role_has_the_rights_of_the_table() -> None:
    lines = EXPECTED.strip("\n").splitlines()
    table = {right: dict(zip(lines[0].split(), marks, strict=True)) for right, *marks in map(str.split, lines[1:])}
    assert set(table) == set(Right)
    for right, role in itertools.product(Right, Role):
        assert (right in RIGHTS_OF[role]) is (table[right][role] == "x"), f"{role} and {right}"
    assert {right for right in Right if table[right]["token"] == "x"} == TOKEN_RIGHTS


def test_the_documentation_shows_the_table() -> None:
    page = (ROOT / "docs" / "access.md").read_text("utf-8")
    lines = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    rows = {cells[1].strip(" `"): cells[3:-1] for cells in lines}
    columns = [cell.strip() for cell in rows.pop("right")]
    assert columns == [*Role, "token"]
    for right in Right:
        shown = {name for name, cell in zip(columns, rows[right], strict=True) if cell.strip() in ("yes", "may")}
        has = {role.value for role in Role if right in RIGHTS_OF[role]} | (
            {"token"} if right in TOKEN_RIGHTS else set()
        )
        assert shown == has


@pytest.mark.parametrize(("role", "right"), list(itertools.product(Role, Right)))
def test_a_right_is_checked_by_the_table(role: Role, right: Right) -> None:
    if right in RIGHTS_OF[role]:
        _person(role).check(right)
    else:
        with pytest.raises(NotAllowedError, match=f"takes the right {right}"):
            _person(role).check(right)


def test_viewer_reviewer_and_engineer_have_more_and_more() -> None:
    assert RIGHTS_OF[Role.VIEWER] < RIGHTS_OF[Role.REVIEWER] < RIGHTS_OF[Role.ENGINEER] < RIGHTS_OF[Role.ADMIN]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        RIGHTS_OF[Role.VIEWER] = frozenset(Right)  # type: ignore[index]


def test_four_eyes_see_an_approval() -> None:
    engineer = _person(Role.ENGINEER)
    check_approval(engineer, "somebody", four_eyes=True)
    check_approval(engineer, "aoi", four_eyes=False)
    for asked_by in ("aoi", "AOI"):
        with pytest.raises(NotAllowedError, match="ask another person"):
            check_approval(engineer, asked_by, four_eyes=True)
    with pytest.raises(NotAllowedError, match="takes the right approve"):
        check_approval(_person(Role.REVIEWER), "somebody", four_eyes=False)


def test_the_station_itself_has_no_rights_and_no_account_its_name() -> None:
    assert not STATION.rights
    assert {CONSOLE.name, STATION.name} < RESERVED_NAMES
