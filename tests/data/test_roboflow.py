"""An export is fetched whole or not at all, whatever the other side sends, and nobody but the API sees the key."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kenpin.cli import main
from kenpin.data import archive, load_dataset
from kenpin.data.roboflow import api, download_export
from kenpin.errors import DatasetError, DownloadError, OptionError, OutputError, OutputExistsError
from tests.builders import picture_bytes
from tests.data.roboflow_stub import EXPORT, KEY, REFERENCE, Answer, Server, as_json, coco, zipped

Offer = Callable[..., tuple[Server, Server]]
Convert = Callable[..., tuple[str, BaseException | None]]


def test_an_export_is_kept_as_it_comes_and_reads_as_a_data_set(offer: Offer, convert: Convert) -> None:
    server, store = offer(zipped(EXPORT))
    out, raised = convert(REFERENCE, "boards")
    assert (out, raised) == ("boards: 3 pictures as coco.\n", None)
    assert {path.relative_to("boards").as_posix(): path.read_bytes() for path in Path("boards").rglob("*.*")} == EXPORT
    assert list(Path().iterdir()) == [Path("boards")]
    data = load_dataset("boards")
    assert (data.classes, data.splits, len(data)) == (("void",), ("train", "validation"), 3)
    assert data[0].boxes is not None
    assert data[0].boxes.boxes_xyxy_px == ((4.0, 5.0, 12.0, 19.0),)
    ((path, headers),) = server.seen
    assert path == "/acme/boards/3/coco?nocache=true"
    assert headers["Authorization"] == f"Bearer {KEY}"
    ((path, headers),) = store.seen
    assert path == "/export.zip?key=of-the-link"
    assert KEY not in str(headers)


FORMS: dict[str, tuple[str, dict[str, bytes]]] = {
    "coco": ("coco", EXPORT),
    "yolov8": (
        "yolo",
        {
            "data.yaml": b"train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['void']\n",
            "train/images/a.png": picture_bytes(1),
            "train/labels/a.txt": b"0 0.5 0.5 0.25 0.5\n",
            "valid/images/b.png": picture_bytes(2),
            "valid/labels/b.txt": b"",
        },
    ),
    "paligemma": (
        "paligemma_jsonl",
        {
            "README.dataset.txt": b"boards",
            "dataset/_annotations.train.jsonl": b'{"image": "a.png", "prefix": "detect void", '
            b'"suffix": "<loc0256><loc0128><loc0768><loc0384> void"}\n',
            "dataset/_annotations.valid.jsonl": b'{"image": "b.png", "prefix": "detect void", "suffix": ""}\n',
            "dataset/a.png": picture_bytes(1),
            "dataset/b.png": picture_bytes(2),
        },
    ),
    "florence2-od": (
        "florence2_jsonl",
        {
            "train/annotations.jsonl": b'{"image": "a.png", "prefix": "<OD>", '
            b'"suffix": "void<loc_125><loc_250><loc_375><loc_750>"}\n',
            "train/a.png": picture_bytes(1),
            "valid/annotations.jsonl": b'{"image": "b.png", "prefix": "<OD>", "suffix": ""}\n',
            "valid/b.png": picture_bytes(2),
        },
    ),
    "folder": ("folders", {"train/void/a.png": picture_bytes(1), "valid/ok/b.png": picture_bytes(2)}),
}


@pytest.mark.parametrize("export_format", FORMS)
def test_every_export_format_is_read(offer: Offer, convert: Convert, export_format: str) -> None:
    name, files = FORMS[export_format]
    server, _ = offer(zipped(files))
    _, raised = convert(REFERENCE, "boards", "--export-format", export_format)
    assert raised is None
    assert server.seen[0][0].startswith(f"/acme/boards/3/{export_format}?")
    data = load_dataset("boards")
    assert data.format == name
    assert data.splits == ("train", "validation")
    first, second = (data.of_split(split)[0] for split in data.splits)
    if name == "folders":
        assert (first.label, second.label) == ("void", "ok")
    else:
        assert first.boxes is not None
        assert first.boxes.labels == ("void",)
        assert second.boxes is not None
        assert len(second.boxes) == (1 if name == "coco" else 0)


def test_an_export_is_written_in_another_format(offer: Offer, convert: Convert) -> None:
    offer(zipped(EXPORT))
    out, raised = convert(REFERENCE, "boards", "--to", "yolo")
    assert (out, raised) == ("boards: 3 pictures as yolo.\n", None)
    assert Path("boards/labels/train/a.txt").read_text() == "0 0.25 0.6 0.25 0.7\n"
    assert list(Path().iterdir()) == [Path("boards")]


def test_an_export_that_is_being_made_is_waited_for(
    offer: Offer, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [
        as_json({"version": {"generating": True, "progress": None}}),
        as_json({"version": {"generating": False}, "progress": 0.5}, 202),
        as_json({"ready": False}, 202),
        Answer(b'{"progress": NaN}', 202),
    ]
    server, _ = offer(zipped(EXPORT), *waiting)
    shares: list[tuple[str, int, int]] = []
    done = download_export(REFERENCE, "boards", progress=lambda *told: shares.append(told))
    assert (done.picture_count, done.error_count) == (3, 0)
    assert len(server.seen) == 5
    assert [told for told in shares if told[0] == "exporting"] == [("exporting", n, 100) for n in (0, 50, 0, 0)]
    assert shares[-1] == ("unpacking", 6, 6)
    monkeypatch.setattr(api, "_PATIENCE_SECONDS", 0.1)
    server.answers = [waiting[2]]
    _, raised = convert(REFERENCE, "other")
    assert isinstance(raised, DownloadError)
    assert "has not made the export" in str(raised)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, "--export-format folder"), (401, "does not accept the key"), (403, "may not read this project"),
        (404, "no such workspace, project or version"), (418, "refuses the request"), (429, "too many requests"),
        (500, "the fault is on its side"), (503, "the fault is on its side"),
    ],
)  # fmt: skip
def test_each_refusal_is_one_sentence(offer: Offer, convert: Convert, status: int, sentence: str) -> None:
    offer(b"", Answer(b'{"error": "{key} is refused"}', status))
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, DownloadError)
    assert sentence in str(raised)
    assert str(raised).startswith(f"{REFERENCE}: Roboflow answers {status}: ")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(b"<html>{key}</html>"), "not a JSON object"),
        (Answer(b'["{key}"]'), "not a JSON object"),
        (Answer(b"[" * 100_000), "not a JSON object"),
        (Answer(b"\xff\xfe"), "not a JSON object"),
        (as_json({"export": {"format": "coco"}}), "without a link"),
        (as_json({"export": {"link": None}, "key": "{key}"}), "without a link"),
        (as_json({"export": {"link": 7}}), "without a link"),
        (Answer(b'{"x": "' + b"x" * 5_000_000 + b'"}'), "not a JSON object"),
        (Answer(b'{"export"', length=100), "broke off"),
        (as_json({"export": {"link": "http://example.invalid/a.zip?key=of-the-link"}}), "not an https address"),
        (as_json({"export": {"link": "file:///etc/passwd"}}), "not an https address"),
        (as_json({"export": {"link": "ftp://example.invalid/of-the-link"}}), "not an https address"),
        (as_json({"export": {"link": "https://[of-the-link"}}), "not an https address"),
        (as_json({"export": {"link": "https:///of-the-link"}}), "not an https address"),
        (as_json({"export": {"link": "http://127.0.0.1:1/傷 of-the-link"}}), "the connection failed"),
        (as_json({"export": {"link": "http://127.0.0.1:1/\nof-the-link"}}), "the connection failed"),
    ],
)
def test_each_strange_answer_is_one_sentence(offer: Offer, convert: Convert, answer: Answer, sentence: str) -> None:
    offer(b"", answer)
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, DownloadError)
    assert sentence in str(raised)


def test_the_key_follows_no_redirect(serve: Callable[..., Server], offer: Offer, convert: Convert) -> None:
    elsewhere = serve(as_json({}))
    for status in (301, 302, 307, 308):
        server, _ = offer(b"", Answer(status=status, headers={"Location": f"{elsewhere.url}/{status}"}))
        _, raised = convert(REFERENCE, "boards")
        assert isinstance(raised, DownloadError)
        assert "redirects to another server" in str(raised)
        assert len(server.seen) == 1
    assert elsewhere.seen == []


def test_the_link_may_lead_elsewhere_without_the_key(
    serve: Callable[..., Server], offer: Offer, convert: Convert
) -> None:
    bucket = serve(Answer(zipped(EXPORT)))
    offer(Answer(status=302, headers={"Location": f"{bucket.url}/a.zip"}))
    _, raised = convert(REFERENCE, "boards")
    assert raised is None
    assert KEY not in str(bucket.seen)
    for place in ("http://example.invalid/of-the-link", "ftp://127.0.0.1/of-the-link"):
        offer(Answer(status=302, headers={"Location": place}))
        _, raised = convert(REFERENCE, "other")
        assert isinstance(raised, DownloadError)
        assert "not an https address" in str(raised)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(b"<Code>AccessDenied {key}</Code>", 403), "refused with status 403"),
        (Answer(status=302, headers={"Location": "/again?key=of-the-link"}), "refused with status 302"),
        (Answer(zipped(EXPORT)[:500], length=len(zipped(EXPORT))), "broke off"),
        (Answer(zipped(EXPORT)[:500], length=-1), "the archive is damaged"),
        (Answer(b"<html>gone</html>"), "the archive is damaged"),
        (Answer(b""), "the archive is damaged"),
        (Answer(b"x", length=2**40), "longer than 1,048,576 bytes"),
        (Answer(b"x" * 3_000_000, length=-1), "longer than 1,048,576 bytes"),
        (Answer(b"5\r\nhello", headers={"Transfer-Encoding": "chunked"}, length=-1), "it broke off"),
    ],
)
def test_each_broken_download_is_one_sentence(offer: Offer, convert: Convert, answer: Answer, sentence: str) -> None:
    offer(answer)
    _, raised = convert(REFERENCE, "boards", "--limit-gib", 1 / 1024)
    assert isinstance(raised, DownloadError)
    assert sentence in str(raised)


def test_silence_and_absence_are_one_sentence(offer: Offer, convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_TIMEOUT_SECONDS", 0.2)
    offer(b"", Answer(wait_seconds=0.6))
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, DownloadError)
    assert "no answer in 0 seconds" in str(raised)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv(api.URL_VARIABLE, f"http://127.0.0.1:{port}")
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, DownloadError)
    assert "Connection refused" in str(raised)


@pytest.mark.parametrize("name", ["../../../secret.png", "{outside}/secret.png"])
@pytest.mark.parametrize("to", [(), ("--to", "coco")])
def test_annotations_that_name_files_of_this_machine_are_refused(
    offer: Offer, convert: Convert, tmp_path: Path, name: str, to: tuple[str, ...]
) -> None:
    (tmp_path / "secret.png").write_bytes(picture_bytes(9))
    offer(zipped({**EXPORT, "train/_annotations.coco.json": coco(name.format(outside=tmp_path))}))
    (tmp_path / "work" / "secret.png").write_bytes(picture_bytes(9))
    _, raised = convert(REFERENCE, "boards", *to)
    assert isinstance(raised, DownloadError)
    assert "outside of it" in str(raised)


def test_errors_in_annotations_are_counted_or_refused(offer: Offer, convert: Convert) -> None:
    offer(zipped({**EXPORT, "valid/_annotations.coco.json": coco("c.png", "gone.png", category=7)}))
    _, raised = convert(REFERENCE, "boards", "--to", "yolo")
    assert isinstance(raised, DatasetError)
    assert str(raised).startswith(f"{REFERENCE}/valid/_annotations.coco.json: annotation 0: it names category 7")
    assert "partial" not in str(raised)
    out, raised = convert(REFERENCE, "boards")
    assert raised is None
    assert out == "boards: 3 pictures as coco.\nErrors in it: 2; `kenpin doctor boards` says where.\n"


def test_an_export_without_pictures_is_refused(offer: Offer, convert: Convert) -> None:
    offer(zipped({"README.roboflow.txt": b""}))
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, DatasetError)
    assert str(raised).startswith(f"{REFERENCE}: no picture was found in it")


@pytest.mark.parametrize(
    "reference",
    [
        "roboflow:", "roboflow:acme", "roboflow:acme/boards", "roboflow:acme/boards/", "roboflow:acme/boards/latest",
        "roboflow:acme/boards/3/coco", "roboflow:/boards/3", "roboflow:../boards/3", "roboflow:acme/bo ards/3",
        "roboflow:acme/boards/-3", "roboflow:acme/傷/3", f"roboflow:acme/boards/3?api_key={KEY}",
        "roboflow://acme/boards/3", "roboflow:acme/boards/3\n",
    ],
)  # fmt: skip
def test_a_wrong_reference_is_one_sentence(offer: Offer, convert: Convert, reference: str) -> None:
    server, _ = offer(b"")
    _, raised = convert(reference, "boards")
    assert isinstance(raised, OptionError)
    assert "Write roboflow:workspace/project/version" in str(raised)
    assert server.seen == []


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("", "is not set"), ("  ", "is not set"), (f"{KEY}\r\nX: y", "no key has"), (f"{KEY}傷", "no key has")],
)
def test_a_missing_or_broken_key_is_one_sentence_and_status_2(
    offer: Offer, convert: Convert, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str,
    sentence: str,
) -> None:  # fmt: skip
    server, _ = offer(b"")
    monkeypatch.setenv(api.KEY_VARIABLE, key)
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, OptionError)
    assert sentence in str(raised)
    with pytest.raises(SystemExit) as ended:
        main(["convert", REFERENCE, "boards"])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err) == (2, "", f"kenpin: {raised}\n")
    assert server.seen == []


@pytest.mark.parametrize("url", ["http://example.invalid", "file:///tmp", "api.roboflow.com", "https://"])
def test_the_key_goes_only_to_https_or_this_machine(
    convert: Convert, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(api.URL_VARIABLE, url)
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, OptionError)
    assert api.URL_VARIABLE in str(raised)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((REFERENCE, "boards", "--export-format", "voc"), "there are coco, yolov8"),
        ((REFERENCE, "boards", "--to", "cocoa"), "'cocoa' is not known"),
        ((REFERENCE, "boards", "--format", "coco"), "--export-format"),
        ((REFERENCE, "boards", "--limit-gib", "0"), "a limit of 0.0 GiB"),
        ((REFERENCE, "boards", "--limit-gib", "nan"), "a limit of nan GiB"),
        (("somewhere", "boards", "--to", "coco", "--limit-gib", "3"), "for roboflow:… alone"),
        (("somewhere", "boards", "--to", "coco", "--export-format", "coco"), "for roboflow:… alone"),
        (("somewhere", "boards"), "option `to` is missing"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_asked(
    offer: Offer, convert: Convert, words: tuple[str, ...], sentence: str
) -> None:
    server, _ = offer(zipped(EXPORT))
    _, raised = convert(*words)
    assert isinstance(raised, OptionError)
    assert sentence in str(raised)
    assert server.seen == []


def test_other_commands_say_how_to_fetch_it() -> None:
    with pytest.raises(DatasetError, match="kenpin convert roboflow:acme/boards/3 FOLDER"):
        load_dataset(REFERENCE)


def test_what_is_there_stays_unless_it_may_go(offer: Offer, convert: Convert) -> None:
    server, store = offer(zipped(EXPORT))
    Path("boards").mkdir()
    Path("boards/mine.txt").write_text("mine")
    _, raised = convert(REFERENCE, "boards")
    assert isinstance(raised, OutputExistsError)
    assert server.seen == []
    store.answers = [Answer(b"no archive")]
    _, raised = convert(REFERENCE, "boards", "--overwrite")
    assert isinstance(raised, DownloadError)
    assert Path("boards/mine.txt").read_text() == "mine"
    store.answers = [Answer(zipped(EXPORT))]
    _, raised = convert(REFERENCE, "boards", "--overwrite")
    assert raised is None
    assert not Path("boards/mine.txt").exists()
    assert list(Path().iterdir()) == [Path("boards")]


@pytest.mark.parametrize("to", [None, "yolo"])
def test_what_appears_meanwhile_stays(offer: Offer, to: str | None) -> None:
    offer(zipped(EXPORT))

    def appear(doing: str, done: int, total: int) -> None:
        if (doing, done) == ("unpacking", total):
            Path("boards").mkdir()
            Path("boards/mine.txt").write_text("mine")

    with pytest.raises(OutputExistsError):
        download_export(REFERENCE, "boards", to=to, progress=appear)
    assert [path.as_posix() for path in Path().rglob("*")] == ["boards", "boards/mine.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt(), MemoryError()])
def test_an_end_in_the_middle_leaves_nothing(
    offer: Offer, convert: Convert, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    offer(zipped(EXPORT))
    write = archive._write

    def fail(name: str, *rest: Any) -> int:
        if name == "train/b.png":
            raise error
        return write(name, *rest)

    monkeypatch.setattr(archive, "_write", fail)
    _, raised = convert(REFERENCE, "boards")
    told = isinstance(raised, OutputError) and raised.__cause__ is error  # that the disk is full
    assert raised is error or told or (isinstance(raised, SystemExit) and isinstance(error, KeyboardInterrupt))


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_leaves_nothing(offer: Offer, tmp_path: Path, stop: signal.Signals) -> None:
    offer(Answer(b"x" * 3_000_000, length=4_000_000, hold_seconds=60))
    command = [sys.executable, "-c", "from kenpin.cli import main; main()", "convert", REFERENCE, "boards"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not any(path.stat().st_size for path in Path().rglob("export.zip")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(stop)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert KEY not in out.decode()
    assert list(Path().iterdir()) == []
