"""Parts without a product: the nearest unit space judges, each has one record, and people assign what is near none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kenpin.errors import OptionError
from kenpin.export import export_package
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.policy import Policy
from kenpin.inspection.record import PartRecord
from kenpin.quality.bounds import clopper_pearson
from kenpin.records import Verdict
from kenpin.runtime import version_of
from kenpin.station.arrival import Arrival, LineFullError
from kenpin.station.clock import now_us
from kenpin.station.demonstration.made_parts import DISCS, FOREIGN, PLATES, MadePart, write_defective, write_good
from kenpin.station.folder import NO_VERSION, UNASSIGNED, StationFolder
from kenpin.station.running import Station
from kenpin.station.service import gate
from kenpin.station.settings import NearestSettings, ProductSettings, StationSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.following import rebuild
from kenpin.station.store.node_parts import Claimed, NodeParts
from kenpin.station.store.opening import Store, open_store
from kenpin.station.store.queries import PartRow, lots, page, tallied
from kenpin.station.versions.installing import read_version
from kenpin.station.who.accounts import NewAccount, insert_account
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, NotAllowedError, Person, Role
from tests.inspection.made import record
from tests.station.conftest import PASSWORD
from tests.station.store.made import append, content, key
from tests.toy_runs import trained

NEAR = NearestSettings(limit=40)
"""A tiny random network tells less apart than a real one."""
ANN = Person("ann", Role.REVIEWER, RIGHTS_OF[Role.REVIEWER], None)
EVE = Person("eve", Role.VIEWER, RIGHTS_OF[Role.VIEWER], None)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Policies of three kinds of parts, each with a unit space on one tiny base."""
    folder = tmp_path_factory.mktemp("kinds")
    found = {}
    for place, product in enumerate((PLATES, DISCS, FOREIGN)):
        data = write_good(folder / "data" / product, product, 40, 10_000 * place)
        if product != FOREIGN:
            write_defective(data, product, 14, 10_000 * place + 5_000)
        trained("mahalanobis", folder / product, data, ok_labels=("ok",))
        found[product] = folder / f"{product}.yaml"
        found[product].write_text(f"runs: {{space: {product}}}\n")
    return found


@pytest.fixture
def settings(policies: dict[str, Path]) -> StationSettings:
    """Two products, of which the nearest one judges."""
    return StationSettings(products=_products(policies, PLATES, DISCS), choose_product="nearest", nearest=NEAR)


def _products(policies: dict[str, Path], *names: str) -> dict[str, ProductSettings]:
    return {name: ProductSettings(policy=policies[name], second_reviews=0) for name in names}


@pytest.fixture
def station(tmp_path: Path, settings: StationSettings) -> Iterator[Station]:
    with Station(tmp_path / "station", settings, engine="torch") as opened:
        yield opened


def _send(station: Station, id: str, data: bytes, product: str | None = None) -> tuple[PartRecord, str]:
    found = station.submit(Arrival(id, data, product, "L-1")).record.result(60)
    return found, station.product_of(found)


def _png(product: str, seed: int, defect: str | None = None) -> bytes:
    return MadePart(product, defect, 500_000 + seed).png


def _journalled(station: Station) -> Counter[tuple[str, str]]:
    """How often each part stands in any journal."""
    return Counter(
        (one.id, one.picture_hash)
        for path in station.folder.records.glob(f"*/*/{JOURNAL}")
        for one in read_records(path)
    )


def _parts(station: Station, product: str) -> tuple[PartRow, ...]:
    with station.store.reading() as connection:
        return page(connection, PartFilter(product)).parts


def test_the_nearest_product_judges_and_the_record_says_how_near(station: Station) -> None:
    for product in (PLATES, DISCS):
        found, stands = _send(station, f"{product}.png", _png(product, 1))
        assert stands == product
        assert found.choice is not None
        first, second = found.choice.nearest
        assert (found.choice.product, first.product) == (product, product)
        assert second.times >= found.choice.margin * first.times
        assert first.distance == pytest.approx(found.distance)
        assert found.reasons[-1].startswith(f"It came without a product; the nearest is {product}, ")
        assert found.reasons[0].startswith("space: The score")
        assert station.state()[product].judged == 1
    named, stands = _send(station, "named.png", _png(DISCS, 2), PLATES)
    assert (named.choice, stands) == (None, PLATES), "whoever names a product is believed"


def test_one_part_has_one_record_whatever_product_is_named_and_whichever_version_judges(
    station: Station, tmp_path: Path, settings: StationSettings
) -> None:
    unnamed, named, foreign = _png(PLATES, 3), _png(DISCS, 4), _png(FOREIGN, 5)
    first = [_send(station, "u", unnamed), _send(station, "n", named, PLATES), _send(station, "f", foreign)]
    assert [stands for _, stands in first] == [PLATES, PLATES, UNASSIGNED]
    again = [
        *(_send(station, id, data) for id, data in (("u", unnamed), ("n", named), ("f", foreign))),
        *(_send(station, id, data, DISCS) for id, data in (("u", unnamed), ("n", named), ("f", foreign))),
    ]
    assert again == [*first, *first]
    station.close()
    with Station(tmp_path / "station", settings, engine="torch") as later:
        version = later.versions.install(CONSOLE, PLATES, _policy_of(later, DISCS), "for the test")
        later.versions.approve(CONSOLE, PLATES, version, "test", four_eyes=False)
        later.versions.switch(CONSOLE, PLATES, version, "test")
        later._open(PLATES, version)  # not a second later
        while later.state()[PLATES].version != version:
            pass
        assert [_send(later, id, data) for id, data in (("u", unnamed), ("n", named), ("f", foreign))] == first
        both_alike, stands = _send(later, "alike", _png(DISCS, 6))
        assert (stands, both_alike.verdict) == (UNASSIGNED, Verdict.REVIEW)
        assert "may be of two" in both_alike.reasons[0]
        assert set(_journalled(later).values()) == {1}


def _policy_of(station: Station, product: str) -> Policy:
    return read_version(station.folder, product, 1)


def test_a_part_that_comes_named_and_unnamed_at_once_is_judged_once(station: Station) -> None:
    parts = [(f"{number}", _png(PLATES, 20 + number)) for number in range(6)]

    def send(product: str | None) -> list[PartRecord]:
        found = []
        for id, data in parts:
            while True:
                try:
                    found.append(station.submit(Arrival(id, data, product)).record.result(60))
                    break
                except LineFullError:
                    pass
        return found

    with ThreadPoolExecutor(6) as pool:
        answers = [one.result() for one in [pool.submit(send, product) for product in (None, PLATES, DISCS) * 2]]
    assert all(answer == answers[0] for answer in answers)
    assert set(_journalled(station).values()) == {1}
    assert len(_journalled(station)) == 6


def test_what_is_near_none_waits_for_a_person_who_assigns_it(station: Station) -> None:
    found, stands = _send(station, "f.png", _png(FOREIGN, 7))
    assert (found.verdict, stands, found.answers) == (Verdict.REVIEW, UNASSIGNED, ())
    assert found.choice is not None
    assert found.choice.product is None
    assert "is near none: the nearest is" in found.reasons[0]
    broken, stands = _send(station, "b.png", b"no picture")
    assert (broken.verdict, stands, broken.choice) == (Verdict.REVIEW, UNASSIGNED, None)
    assert "b.png" in broken.reasons[0]
    assert station.unassigned() == 2
    part = next(one for one in _parts(station, UNASSIGNED) if one.id == "f.png")
    assert (part.version, part.product) == (NO_VERSION, UNASSIGNED)
    with pytest.raises(NotAllowedError):
        station.assigning.assign(EVE, part.key, DISCS)
    with pytest.raises(OptionError, match="did you mean `discs`"):
        station.assigning.assign(ANN, part.key, "disc")
    station.assigning.assign(ANN, part.key, PLATES)
    station.assigning.assign(ANN, part.key, DISCS)
    assert [one.id for one in _parts(station, DISCS)] == ["f.png"]
    assert [one.id for one in _parts(station, UNASSIGNED)] == ["b.png"]
    assert station.unassigned() == 1
    with station.store.reading() as connection:
        found_lots = {(one.product, one.lot): (one.passes, one.fails, one.reviews) for one in lots(connection)}
        assert found_lots == {(DISCS, "L-1"): (0, 0, 1), (UNASSIGNED, "L-1"): (0, 0, 1)}
        assert tallied(connection, PartFilter(), ("product",)) == {(DISCS,): 1, (UNASSIGNED,): 1}
    assert _send(station, "f.png", _png(FOREIGN, 7)) == (found, DISCS), "sent again it is the same part"
    assert _send(station, "f.png", _png(FOREIGN, 7), PLATES) == (found, DISCS)
    task = station.reviewing.next_task(ANN, DISCS)
    assert task is not None
    assert task.part.key == part.key
    station.reviewing.review(ANN, part.key, Verdict.FAIL, None, None)
    with pytest.raises(OptionError, match="people have settled it"):
        station.assigning.assign(ANN, part.key, PLATES)
    _send(station, "p.png", _png(PLATES, 8))
    (plate,) = _parts(station, PLATES)
    with pytest.raises(OptionError, match="was judged as plates"):
        station.assigning.assign(ANN, plate.key, DISCS)
    # what a rebuilt store knows is the same
    before = content(station.store)
    folder = station.folder
    station.close()
    with open_store(folder, None) as store:
        rebuild(store, folder, station._needs)
        assert content(store) == before


def test_nothing_is_learned_under_the_name_of_those_that_wait(station: Station, policies: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="is where parts wait"):
        station.learning.freeze(CONSOLE, UNASSIGNED)
    with pytest.raises(ValueError, match="is where parts wait"):
        StationSettings(products=_products(policies, PLATES) | {UNASSIGNED: ProductSettings()})
    with pytest.raises(OptionError, match="no version of it judges"):
        station.submit(Arrival("a", b"", UNASSIGNED))


def test_without_the_setting_a_part_without_a_product_is_refused(tmp_path: Path, policies: dict[str, Path]) -> None:
    settings = StationSettings(products=_products(policies, PLATES, DISCS))
    with Station(tmp_path / "station", settings, engine="torch") as station:
        with pytest.raises(OptionError, match="there are several products; name one of them"):
            station.submit(Arrival("a", _png(PLATES, 1)))
        assert UNASSIGNED not in station.products
        first, second = (_send(station, "a", _png(PLATES, 1), product)[0] for product in (PLATES, DISCS))
        assert first.policy != second.policy, "where products are named, they are part of what a part is"


def test_of_several_nodes_one_alone_judges_a_part_of_any_product(tmp_path: Path) -> None:
    folder, one = StationFolder(tmp_path), record(1)
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        first = NodeParts(store, folder, "n1", UNASSIGNED, of_any=True)
        second = NodeParts(store, folder, "n2", "b", of_any=True)
        assert first.claim([key(one)]) == Claimed({}, frozenset())
        assert second.claim([key(one)]) == Claimed({}, frozenset([key(one)]))
        append(folder, [one], node="n1", product="a")
        first.follow()
        assert second.claim([key(one)]) == Claimed({key(one): one}, frozenset()), "recorded, as another product"
        assert content(store)["claims"] == []


def test_pages_show_it_and_a_person_assigns_it_there(station: Station) -> None:
    base = "http://localhost"
    with station.store.writing() as connection:
        new = NewAccount("ann", Role.ENGINEER, Passwords().hash(PASSWORD, "ann"))
        insert_account(connection, station.trail, "console", new, now_us())
    with TestClient(
        gate(station, "127.0.0.1"), base_url=base, headers={"Origin": base, "Accept": "text/html"}
    ) as browser:
        browser.post("/sign-in", data={"name": "ann", "password": PASSWORD})
        browser.headers["X-CSRF-Token"] = browser.get("/line").text.partition('name="csrf" content="')[2].split('"')[0]
        answer = browser.post("/api/v1/parts", params={"id": "d.png"}, content=_png(DISCS, 9)).json()
        assert (answer["product"], answer["choice"]["product"]) == (DISCS, DISCS)
        assert [one["product"] for one in answer["choice"]["nearest"]] == [DISCS, PLATES]
        several = browser.post("/api/v1/parts/views", params={"id": "v"}, files={"top": ("a.png", _png(DISCS, 9))})
        assert several.status_code == 400
        assert "name that of a part by several as `product`" in several.json()["error"]
        for number in (1, 2):
            sent = browser.post("/api/v1/parts", params={"id": f"f{number}.png"}, content=_png(FOREIGN, 9 + number))
            assert (sent.json()["product"], sent.json()["verdict"]) == (UNASSIGNED, "REVIEW")
        assert browser.get("/api/v1/state").json()[UNASSIGNED]["version"] == NO_VERSION
        line = browser.get(f"/line?product={PLATES}").text
        assert "2 parts came without a product" in line
        assert "Product unknown" in line
        for path in ("line", "parts", "review", "quality", "learn"):
            assert browser.get(f"/{path}?product={UNASSIGNED}").status_code == 200, path
        task = browser.get(f"/review?product={UNASSIGNED}").text
        part = task.partition('data-review="')[2].split('"')[0]
        assert f'value="product:{DISCS}"' in task
        then = browser.post(f"/review/{part}?product={UNASSIGNED}", data={"say": f"product:{DISCS}"})
        assert then.status_code == 200
        (other,) = (one for one in _parts(station, UNASSIGNED))
        shown = browser.get(f"/parts/{other.key}").text
        assert f'<button name="product" value="{PLATES}"' in shown
        assert browser.post(f"/parts/{other.key}/product", data={"product": PLATES}).url.path == f"/parts/{other.key}"
        assert {one.id for one in _parts(station, PLATES)} == {other.id}
        assert station.unassigned() == 0
        assert "Times as far as its usual good part" in browser.get(f"/parts/{other.key}").text


def test_made_parts_of_three_kinds_are_told_apart(tmp_path: Path, policies: dict[str, Path]) -> None:
    """Shares with exact bounds: of good parts, of defective ones, and of a kind that no product knows."""
    settings = StationSettings(products=_products(policies, PLATES, DISCS), choose_product="nearest", nearest=NEAR)
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    kinds: dict[str, list[tuple[str, str | None]]] = {
        "good": [(PLATES, None), (DISCS, None)] * 30,
        "defective": [(PLATES, "scratch"), (DISCS, "chip"), (DISCS, "stain")] * 14,
        "foreign": [(FOREIGN, None)] * 40,
    }
    with Station(tmp_path / "station", settings, engine="torch") as station:
        for kind, parts in kinds.items():
            for number, (product, defect) in enumerate(parts):
                _, stands = _send(station, f"{kind}-{number}", _png(product, 7_000 + number, defect))
                right[kind] += stands == (UNASSIGNED if product == FOREIGN else product)
                wrong[kind] += stands not in (UNASSIGNED, product)
    for kind, parts in kinds.items():
        least, _ = clopper_pearson(right[kind], len(parts)) or (0, 0)
        _, most = clopper_pearson(wrong[kind], len(parts)) or (0, 1)
        assert least > 0.9, (kind, right, wrong)
        assert most < 0.1, (kind, right, wrong)


WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None: None if name.split(".")[0] in ("torch", "transformers") else
    found(name, path, target)
)
from pathlib import Path
from kenpin.station.arrival import Arrival
from kenpin.station.running import Station
from kenpin.station.settings import read_settings
folder = Path(sys.argv[1])
with Station(folder, read_settings(folder / "station.yaml")) as station:
    for picture in sys.argv[2:]:
        record = station.submit(Arrival(picture, Path(picture).read_bytes())).record.result(60)
        print(station.product_of(record), len(record.choice.nearest), "torch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.skipif(version_of("openvino") is None, reason="the extra openvino is not installed")
def test_packages_choose_without_torch(tmp_path: Path, policies: dict[str, Path]) -> None:
    folder = tmp_path / "station"
    folder.mkdir()
    pictures = []
    for product in (PLATES, DISCS, FOREIGN):
        if product != FOREIGN:
            export_package(policies[product].with_name(product), folder / product, to="openvino")
            (folder / f"{product}.yaml").write_text(f"runs: {{space: {product}}}\n")
        pictures.append(tmp_path / f"{product}.png")
        pictures[-1].write_bytes(_png(product, 1))
    (folder / "station.yaml").write_text(
        "choose_product: nearest\nnearest: {limit: 40}\n"
        f"products: {{{PLATES}: {{policy: {PLATES}.yaml}}, {DISCS}: {{policy: {DISCS}.yaml}}}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, folder, *pictures],
        capture_output=True, text=True, env=os.environ | {"KENPIN_ENGINE": "auto"}, timeout=180, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"{one} 2 False" for one in (PLATES, DISCS, UNASSIGNED)], done.stderr
