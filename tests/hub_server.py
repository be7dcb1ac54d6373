"""A stand-in of the Hugging Face hub on this machine: repositories with commits, large files, tokens and gates."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

_LARGE = (".bin", ".npz", ".onnx", ".parquet", ".safetensors")
"""Endings of files that go to Git LFS."""


@dataclass
class Repository:
    """Branches, by name, as commits from the first on; each commit as its files."""

    private: bool
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """Make a commit the newest of a branch."""
        digest = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[digest] = files
        self.branches[branch] = digest
        return digest

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch or a commit names."""
        return self.branches.get(revision, revision if revision in self.commits else None)


@dataclass
class Hub:
    """What the stand-in holds, and what it was asked."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: dict[str, set[str]] = field(default_factory=lambda: {"hf_writer": {"read", "write"}, "hf_reader": {"read"}})
    asked: list[tuple[str, str]] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    """In the cards of repositories, by id."""
    cards: list[Any] = field(default_factory=list)
    """Metadata of cards that it was asked to check."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers at `url` until the end."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _RefusedError(Exception):
    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 as the library calls them

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path))
        try:
            status, content, headers = self._routed(path, body)
        except _RefusedError as error:
            headers = {"X-Error-Message": str(error)} | ({"X-Error-Code": error.code} if error.code else {})
            status, content = error.status, json.dumps({"error": str(error)}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().strip(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    # ---- who asks ----

    def _rights(self) -> set[str]:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.hub.tokens:
            raise _RefusedError(401, None, "Invalid credentials in Authorization header")
        return self.hub.tokens.get(given, set())

    def _repository(self, id: str, right: str = "read") -> Repository:
        rights, found = self._rights(), self.hub.repositories.get(id)
        if found is None or (found.private and "read" not in rights):
            raise _RefusedError(404 if rights else 401, "RepoNotFound", "Repository not found")
        if found.gated and right == "read" and "write" not in rights:
            raise _RefusedError(403, "GatedRepo", "Access to this model is restricted")
        if right == "write" and "write" not in rights:
            raise _RefusedError(403, None, "You don't have the rights to write to it")
        return found

    # ---- what is asked ----

    def _routed(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            front = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            self.hub.cards.append(front)
            return _json({"errors": [] if isinstance(front, dict) else [{"message": "no metadata"}], "warnings": []})
        if match := re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._about(match[1], match[2] or "main")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/.*)?", path):
            return self._tree(match[1], match[2])
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/(.+)", path):
            return self._branch(match[1], match[2], json.loads(body or b"{}"))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            return self._preupload(match[1], json.loads(body))
        if match := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(match[1], json.loads(body))
        if match := re.fullmatch(r"/upload/([0-9a-f]{64})", path):
            assert hashlib.sha256(body).hexdigest() == match[1]
            self.hub.uploaded[match[1]] = body
            return 200, b"", {}
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            return self._commit(match[1], match[2], body)
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._file(match[1], match[2], match[3])
        return 404, b"{}", {}

    def _create(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        if "write" not in self._rights():
            raise _RefusedError(403 if self._rights() else 401, None, "You don't have the rights to create it")
        id = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        private = bool(asked.get("private") or asked.get("visibility") == "private")
        if id in self.hub.repositories:
            return 409, json.dumps({"error": "exists", "url": f"{self.hub.url}/{id}"}).encode(), {}
        self.hub.repositories[id] = made = Repository(private)
        made.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
        return _json({"url": f"{self.hub.url}/{id}", "name": id})

    def _about(self, id: str, revision: str) -> tuple[int, bytes, dict[str, str]]:
        repository = self._repository(id, "about")
        commit = repository.resolve(revision)
        if commit is None:
            raise _RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repository.gated and "write" not in self._rights():
            raise _RefusedError(403, "GatedRepo", "Access to this model is restricted")
        siblings = [{"rfilename": name} for name in sorted(repository.commits[commit])]
        card = {"license": self.hub.licences[id]} if id in self.hub.licences else {}
        about = {"_id": "1", "id": id, "modelId": id, "sha": commit, "private": repository.private, "tags": []}
        return _json(about | {"siblings": siblings, "cardData": card, "downloads": 0, "likes": 0})

    def _tree(self, id: str, revision: str) -> tuple[int, bytes, dict[str, str]]:
        repository = self._repository(id)
        commit = repository.resolve(revision)
        if commit is None:
            raise _RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        rows = []
        for name, data in sorted(repository.commits[commit].items()):
            oid = hashlib.sha1(data).hexdigest()
            row: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": oid}
            if _is_large(name):
                row["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            rows.append(row)
        return _json(rows)

    def _branch(self, id: str, branch: str, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        repository = self._repository(id, "write")
        if branch in repository.branches:
            return 409, b'{"error": "Reference already exists"}', {}
        repository.branches[branch] = repository.branches[asked.get("startingPoint", "main")]
        return _json({})

    def _preupload(self, id: str, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        self._repository(id, "write")
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                "shouldIgnore": False,
            }
            for file in asked["files"]
        ]
        return _json({"files": modes})

    def _batch(self, id: str, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        self._repository(id, "write")
        objects = []
        for one in asked["objects"]:
            upload = (
                {} if one["oid"] in self.hub.uploaded else {"upload": {"href": f"{self.hub.url}/upload/{one['oid']}"}}
            )
            objects.append({**one, "authenticated": True} | ({"actions": upload} if upload else {}))
        return _json({"transfer": "basic", "objects": objects})

    def _commit(self, id: str, branch: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        repository = self._repository(id, "write")
        before = repository.resolve(branch)
        if before is None:
            raise _RefusedError(404, "RevisionNotFound", f"Invalid rev id: {branch}")
        files = dict(repository.commits[before])
        for line in body.splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                assert value["encoding"] == "base64"
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploaded[value["oid"]]
            elif row["key"] == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(branch, files)
        return _json(
            {
                "success": True,
                "commitOid": commit,
                "commitUrl": f"{self.hub.url}/{id}/commit/{commit}",
                "hookOutput": "",
            }
        )

    def _file(self, id: str, revision: str, name: str) -> tuple[int, bytes, dict[str, str]]:
        repository = self._repository(id)
        commit = repository.resolve(revision)
        if commit is None:
            raise _RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if (data := repository.commits[commit].get(name)) is None:
            raise _RefusedError(404, "EntryNotFound", "Entry not found")
        digest = hashlib.sha256(data) if _is_large(name) else hashlib.sha1(data)
        return 200, data, {"ETag": f'"{digest.hexdigest()}"', "X-Repo-Commit": commit, "Content-Length": str(len(data))}


def _is_large(name: str) -> bool:
    return name.endswith(_LARGE)


def _json(value: Any) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}
