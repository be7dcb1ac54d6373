"""`audit verify` on packs: one byte changed anywhere is found with its file; missing, added, renamed files as well."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.audit import Beside, PublicKey, make_key, read_public, read_secret, verify_pack, write_pack
from kenpin.audit.archive import MANIFEST, PAGE, SIGNATURE, write_zip
from kenpin.audit.fingerprints import block_of, changes, fingerprint, of_bytes
from kenpin.errors import KenpinError, RunError
from kenpin.inspection.journal import JOURNAL
from tests.commands import Run
from tests.toy_runs import ToyRun


@pytest.fixture(scope="module")
def made(toy_run: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with packs, signed and not, and the run that they are of."""
    folder = tmp_path_factory.mktemp("packs")
    run = toy_run("classifier", folder / "run")
    make_key(folder / "plant.key", "")
    key = read_secret(folder / "plant.key", "")
    for ending in ("zip", "html"):
        write_pack(run, folder / f"plain.{ending}")
        write_pack(run, folder / f"signed.{ending}", key=key)
    return folder, run


def _problems(pack: Path, **given: object) -> list[str]:
    """What is found, each with its file; a refusal is one too."""
    try:
        return [f"{one.file}: {one.problem}" for one in verify_pack(pack, **given).problems]  # type: ignore[arg-type]
    except KenpinError as error:
        return [str(error)]


def _flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


@pytest.mark.parametrize("name", ["plain.zip", "signed.zip", "plain.html", "signed.html"])
def test_a_pack_is_as_it_was(made: tuple[Path, Path], name: str) -> None:
    folder, run = made
    found = verify_pack(folder / name, of=run)
    assert not found.problems
    assert found.files > 10
    assert (found.signer is not None) is name.startswith("signed")


@pytest.mark.parametrize("name", ["plain.zip", "signed.zip", "plain.html", "signed.html"])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_anywhere_in_a_pack_is_found(
    made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, name: str, share: float, bit: int
) -> None:
    data = (made[0] / name).read_bytes()
    other = tmp_path_factory.mktemp("changed") / name
    other.write_bytes(_flipped(data, int(share * len(data)), bit))
    assert _problems(other)


@pytest.mark.parametrize("name", ["plain.zip", "signed.zip"])
def test_one_byte_between_the_files_of_a_zip_is_found(made: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    """Headers, names, times, attributes, checksums, the directory: what no hash of a content covers."""
    data = (made[0] / name).read_bytes()
    between = set(range(len(data)))
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for entry in packed.infolist():
            begin = entry.header_offset + 30 + len(entry.filename.encode())
            between -= set(range(begin, begin + entry.file_size))
    chance = random.Random(2)
    other = tmp_path / name
    for at in chance.sample(sorted(between), 150):
        other.write_bytes(data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :])
        assert _problems(other), at
    for more in (data + b"x", b"x" + data, data[:-1]):
        other.write_bytes(more)
        assert _problems(other)


@pytest.mark.parametrize("name", ["plain.zip", "plain.html"])
def test_a_manifest_that_says_the_same_in_other_bytes_is_found(
    made: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    data = (made[0] / name).read_bytes()
    begin = data.index(b'{\n"by"')
    same = ((b"{\n", b"{ "), (b",\n", b",\t"), (b": ", b":\n"), (b'"kenpin audit', b'"\\u006benpin audit'))
    for old, new in same:
        at = data.index(old, begin)
        (tmp_path / name).write_bytes(data[:at] + new + data[at + len(old) :])
        assert _problems(tmp_path / name), old


@pytest.mark.parametrize("name", ["plain.zip", "signed.zip"])
def test_one_byte_in_each_file_of_a_zip_is_found_in_that_file(
    made: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    data = (made[0] / name).read_bytes()
    chance = random.Random(0)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = packed.infolist()
    assert len(entries) > 8
    for entry in entries:
        begin = entry.header_offset + 30 + len(entry.filename.encode())
        for offset in {0, entry.file_size - 1, *(chance.randrange(entry.file_size) for _ in range(3))}:
            other = tmp_path / "p.zip"
            other.write_bytes(_flipped(data, begin + offset, chance.randrange(8)))
            (told, *more) = _problems(other)
            assert not more
            assert told.startswith(f"{entry.filename}: "), (entry.filename, offset, told)
            if entry.filename not in (MANIFEST, SIGNATURE):
                assert _lies_in(told, offset), (offset, told)


def _lies_in(told: str, offset: int) -> bool:
    """Whether the place that was told holds the byte at this offset."""
    words = told.replace(",", "").split()
    first, last = int(words[words.index("bytes") + 1]), int(words[words.index("to") + 1])
    return first <= offset + 1 <= last


@pytest.mark.parametrize("name", ["plain.zip", "plain.html"])
def test_one_byte_in_each_file_of_the_run_is_found_in_that_file(
    made: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    folder, run = made
    other = shutil.copytree(run, tmp_path / "run")
    chance = random.Random(1)
    files = [file for file in sorted(other.rglob("*")) if file.is_file()]
    assert len(files) > 8
    for file in files:
        data = file.read_bytes()
        for offset in {0, len(data) - 1, chance.randrange(len(data))}:
            file.write_bytes(_flipped(data, offset, chance.randrange(8)))
            (told,) = _problems(folder / name, of=other)
            assert told.startswith(f"runs/run/{file.relative_to(other).as_posix()}: was changed")
            assert _lies_in(told, offset)
        file.write_bytes(data)
    assert not _problems(folder / name, of=other)


def test_missing_added_and_renamed_files_are_told_apart(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, run = made
    other = shutil.copytree(run, tmp_path / "run")
    (other / "evaluation.json").unlink()
    (other / "model" / "head.npz").rename(other / "model" / "tail.npz")
    (other / "more.txt").write_text("more")
    with (other / "run.json").open("a") as file:
        file.write(" ")
    told = _problems(folder / "plain.zip", of=other)
    assert sorted(told) == sorted(
        [
            "runs/run/evaluation.json: is missing",
            "runs/run/model/head.npz: is named model/tail.npz now",
            "runs/run/more.txt: was added",
            next(one for one in told if one.startswith("runs/run/run.json: was changed: it has ")),
        ]
    )
    assert "the folder of a run, and" in _problems(folder / "plain.zip", of=tmp_path / "absent")[0]


@given(st.binary(max_size=70_000), st.integers(0, 10**6), st.data())
def test_where_a_file_was_changed_is_told_to_the_block(data: bytes, at: int, draw: st.DataObject) -> None:
    was = {"file": fingerprint(of_bytes(data))}
    assert not [*changes(was, {"file": of_bytes(data)})]
    longer = draw.draw(st.binary(max_size=10))
    changed = data + longer if longer else _flipped(data, at % len(data)) if data else b"x"
    (one,) = changes(was, {"file": of_bytes(changed)})
    if not longer and data:
        assert _lies_in(one.problem, at % len(data))


@given(st.integers(0, 10**12))
def test_a_file_has_at_most_256_blocks(size: int) -> None:
    block = block_of(size)
    assert block >= 4096
    assert -(-size // block) <= 256


def _rewritten(pack: Path, change: Callable[[dict[str, bytes]], object], out: Path) -> Path:
    with zipfile.ZipFile(pack) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    change(contents)
    with out.open("wb") as file:
        write_zip(file, contents)
    return out


def test_files_of_a_zip_that_are_missing_added_or_renamed_are_told(made: tuple[Path, Path], tmp_path: Path) -> None:
    pack = made[0] / "signed.zip"

    def told(change: Callable[[dict[str, bytes]], object]) -> list[str]:
        return _problems(_rewritten(pack, change, tmp_path / "p.zip"))

    assert told(lambda files: None) == []
    assert told(lambda files: files.pop("figures.json")) == ["figures.json: is missing"]
    assert told(lambda files: files.update(new=b"x")) == ["new: was added"]
    assert told(lambda files: files.update(other=files.pop(PAGE))) == [f"{PAGE}: is named other now"]
    assert told(lambda files: files.pop(SIGNATURE)) == [f"{SIGNATURE}: is missing"]
    assert "holds no manifest.json" in told(lambda files: files.pop(MANIFEST))[0]


def test_a_manifest_made_anew_is_not_what_the_key_signed(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, run = made
    key = read_public(folder / "plant.pub")
    make_key(tmp_path / "evil.key", "")
    write_pack(run, tmp_path / "forged.zip", key=read_secret(tmp_path / "evil.key", ""))
    assert not verify_pack(tmp_path / "forged.zip").problems  # whose key it is, the pack cannot tell
    assert "is of the key" in _problems(tmp_path / "forged.zip", key=key)[0]
    assert "there is none" in _problems(folder / "plain.zip", key=key)[0]
    assert verify_pack(folder / "signed.zip", key=key).is_known
    same_id = PublicKey(key.id, read_public(tmp_path / "evil.pub").key)
    assert "not one that the key" in _problems(folder / "signed.zip", key=same_id)[0]
    with zipfile.ZipFile(folder / "plain.zip") as one, zipfile.ZipFile(folder / "signed.zip") as other:
        manifest, signature = one.read(MANIFEST), other.read(SIGNATURE)
    assert manifest != signature
    mixed = _rewritten(folder / "plain.zip", lambda files: files.update({SIGNATURE: signature}), tmp_path / "mixed.zip")
    assert _problems(mixed) == [f"{SIGNATURE}: was added"]


# ---- hostile archives ----


def _zip(folder: Path, name: str, data: bytes = b"x", **how: int) -> Path:
    out = folder / f"{how.get('mode', how.get('compress', 'hostile'))}-{len(data)}.zip"
    with zipfile.ZipFile(out, "w") as packed:
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = how.get("mode", 0o644) << 16
        entry.compress_type = how.get("compress", zipfile.ZIP_STORED)
        packed.writestr(entry, data)
        packed.writestr(MANIFEST, b"{}")
    return out


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../../b", "a//b", "C:/x", "a\\b", ".", "x\x01y", "n" * 2000]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="leads out of it or names nothing"):
        verify_pack(_zip(tmp_path, name))
    assert len([*tmp_path.iterdir()]) == 1


def test_bombs_links_and_other_kinds_are_refused(tmp_path: Path) -> None:
    for hostile, said in (
        (_zip(tmp_path, "bomb", b"\0" * 10**7, compress=zipfile.ZIP_DEFLATED), "more room than it has itself"),
        (_zip(tmp_path, "packed", bytes(range(200)), compress=zipfile.ZIP_DEFLATED), "is packed"),
        (_zip(tmp_path, "link", b"/etc/passwd", mode=0o120777), "a link"),
    ):
        with pytest.raises(RunError, match=said):
            verify_pack(hostile)
    data = bytearray(_zip(tmp_path, "plain", b"x" * 100).read_bytes())
    at = data.index(b"PK\x01\x02")
    for offset in (20, 24):  # sizes, packed and not, in the directory
        data[at + offset : at + offset + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "large.zip").write_bytes(data)
    with pytest.raises(RunError, match="more room than it has itself"):
        verify_pack(tmp_path / "large.zip")
    with (tmp_path / "sparse.zip").open("wb") as file:
        file.write(b"PK")
        file.truncate(3 * 1024**3)
    with pytest.raises(RunError, match="larger than"):
        verify_pack(tmp_path / "sparse.zip")


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b'<script type="application/json" id="manifest">'])
)
def test_whatever_is_no_pack_is_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, begin: bytes
) -> None:
    file = tmp_path_factory.mktemp("odd") / "pack"
    file.write_bytes(begin + data)
    assert _problems(file)


# ---- records that grow, and the command line ----


def test_records_may_grow_and_not_change(kenpin: Run, toy_run: ToyRun, tmp_path: Path, few_parts: Path) -> None:
    toy_run("classifier", tmp_path / "run")
    Path("policy.yaml").write_text("runs: {look: run}\n")
    pictures = [few_parts / "ok" / f"{number:03}.png" for number in range(6)]
    assert kenpin("inspect", "policy.yaml", *pictures[:3], "--out", "records")[0] in (0, 3, 4)
    records = tmp_path / "records"
    pack = write_pack("policy.yaml", "p.zip", beside=Beside(records=records))
    assert "No records" not in " ".join(one.what for _, one in pack.missing)
    assert kenpin("inspect", "policy.yaml", *pictures, "--out", "records")[0] in (0, 3, 4)
    found = verify_pack("p.zip", of="policy.yaml", records=records)
    assert not found.problems
    assert not found.not_looked_at
    journal = records / JOURNAL
    journal.write_bytes(_flipped(journal.read_bytes(), 40))
    (told,) = _problems(Path("p.zip"), records=records)
    assert told.startswith(f"records/{JOURNAL}: was changed")
    assert verify_pack("p.zip").not_looked_at == ("policy", "records", "runs/look")


def test_the_command_tells_and_its_status_is_1(kenpin: Run, made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, run = made
    status, out, told = kenpin("audit", "verify", folder / "signed.zip", "--of", run, "--key", folder / "plant.pub")
    assert (status, out) == (0, "")
    assert "none not as it was" in told
    assert "by the key that you gave" in told
    other = shutil.copytree(run, tmp_path / "run")
    (other / "run.json").write_text("{}")
    status, out, told = kenpin("audit", "verify", folder / "plain.html", "--of", other, "--json", "found.json")
    assert status == 1
    assert out.startswith("runs/run/run.json\twas changed")
    assert "It is not signed" in told
    assert json.loads(Path("found.json").read_text())["problems"][0]["file"] == "runs/run/run.json"
    for words, said in (
        ((folder / "plain.zip", "--against", "x.json"), "--against"),
        ((run, "--key", folder / "plant.pub"), "--key"),
        ((folder / "plain.zip", "--of", folder / "plant.pub"), "the folder of a run"),
        ((folder / "plain.zip", "--records", tmp_path), "not about records"),
        ((folder / "absent.zip",), "no such file"),
        ((folder / "plain.zip", "--key", folder / "plain.zip"), "no key"),
    ):
        status, _, told = kenpin("audit", "verify", *words)
        assert (status, said in told) == (2, True), (words, told)
