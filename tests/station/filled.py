"""A station with something of everything: parts of lots, reviews, people, tokens, what waits and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kenpin.records import Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.clock import MINUTE_US, now_us
from kenpin.station.running import Station
from kenpin.station.settings import ProductSettings, RetentionRule, StationSettings
from kenpin.station.sinks.message import part_of
from kenpin.station.store.account_tables import failed_tries
from kenpin.station.store.sink_tables import SinkMarks
from kenpin.station.told import Told
from kenpin.station.who.accounts import NewAccount, insert_account, set_disabled
from kenpin.station.who.machines import make_token, revoke_token
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, Person, Role
from kenpin.station.who.tries import account_key

ADMIN, PASSWORD = "ann", "a long enough password"
GERMAN = "Oberflächenbeschichtungsunregelmäßigkeitenverdachtsmeldungsstelle"
CHINESE = "绝缘端子外壳表面涂层不均匀且伴有细微划痕与缩孔缺陷疑似需要人工复核确认类别"
"""As long as words become, or unbroken as they are written: a screen of 360 pixels holds them all the same."""
_PEOPLE = (("aoi", Role.REVIEWER, "田中 葵"), ("ren", Role.ENGINEER, "Ren"), ("wei", Role.AUDITOR, f"王伟 {GERMAN}"))
_GONE = "zoe"


def filled_settings(policy: Path, folder: Path, dead_port: int) -> StationSettings:
    """A product that judges and one without parts; one of two sources works, and one of two sinks."""
    judged = ProductSettings(policy=policy, title="Parts", reviewed_passes=1, reviewed_fails=1, second_reviews=0)
    patient: dict[str, Any] = {"first_wait_s": 600.0, "longest_wait_s": 600.0}
    return StationSettings(
        products={"parts": judged, "valves": ProductSettings(title=f"Ventile {GERMAN}")},
        sources={
            "camera": {"kind": "video", "file": "film.mp4", **patient},
            "line-1": {"kind": "folder", "folder": str(folder / "in"), "product": "parts"},
        },
        sinks={
            "mes": {"kind": "webhook", "url": f"http://127.0.0.1:{dead_port}/parts", **patient},
            "files": {"kind": "folder", "folder": str(folder / "out")},
        },
        retention=(
            RetentionRule(after_days=30, verdicts=(Verdict.PASS,), reviewed=False, larger_than_bytes=1_000_000),
        ),
    )


def fill(station: Station, pictures: Sequence[tuple[str, Path]], reviewed: int) -> None:
    """Judge parts, review some of them, freeze what was said, and add people, tokens and a refused message. pictures:
    verdict of a person, `ok` or a class, and file of each part; the reviews are of the first that wait."""
    hashed = Passwords().hash(PASSWORD, ADMIN)
    now = now_us()
    with station.store.writing() as connection:
        for name, role, shown in ((ADMIN, Role.ADMIN, "Ann"), *_PEOPLE, (_GONE, Role.VIEWER, _GONE)):
            insert_account(connection, station.trail, CONSOLE.name, NewAccount(name, role, hashed, shown), now)
        set_disabled(connection, station.trail, CONSOLE, _GONE, True, now)
        make_token(connection, station.trail, CONSOLE, "press-7", ["submit"], now)
        make_token(connection, station.trail, CONSOLE, "old-press", ["submit", "look"], now)
        revoke_token(connection, station.trail, CONSOLE, "old-press", now)
        tried = {"key": account_key("ren"), "failures": 9, "last_us": now, "locked_until_us": now + 10 * MINUTE_US}
        connection.execute(failed_tries.insert().values(tried))
    labels = dict[str, str]()
    for number, (label, path) in enumerate(pictures, 1):
        id = f"{(GERMAN, CHINESE)[number % 2]}-{number:04}.png" if number % 4 > 1 else f"press-7/{number:04}.png"
        labels[id] = label
        lot = f"{CHINESE}-{number}" if number % 5 == 0 else f"L-{number // 20 + 7}"
        station.submit(Arrival(id, path.read_bytes(), "parts", lot)).record.result(60)
    for _ in range(reviewed):
        aoi = Person("aoi", Role.REVIEWER, RIGHTS_OF[Role.REVIEWER], None)
        task = station.reviewing.next_task(aoi, "parts")
        if task is None:
            break
        label = labels[task.part.id]
        verdict, told = (Verdict.PASS, None) if label == "ok" else (Verdict.FAIL, label)
        station.reviewing.review(
            aoi, task.part.key, verdict, told, None if told is None else f"across the edge, {GERMAN}, {CHINESE}"
        )
    station.learning.freeze(Person("ren", Role.ENGINEER, RIGHTS_OF[Role.ENGINEER], None), "parts")
    marks = SinkMarks(station.store, "mes", station.settings.node)
    for position, reason, tries in (
        (1, "https://mes/parts: 422, it knows no lot L-7.", 3),
        (2, "It waits behind an earlier message about the same part.", 0),
    ):
        at = "2026-11-27T10:00:00.000000+00:00"
        refused = Told(position, "judged", "parts", 1, at, "press-7/0001.png", "c0", "L-7", Verdict.FAIL)
        marks.put_aside(refused, part_of(refused), reason, tries)
