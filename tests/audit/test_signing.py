"""Keys and signatures: minisign's own format, both ways with minisign itself where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.audit import PublicKey, SecretKey, make_key, read_public, read_secret
from kenpin.audit.signing import check_signature, is_encrypted
from kenpin.errors import OptionError, OutputExistsError, RunError

MINISIGN = shutil.which("minisign")
# by minisign 0.11: a key of `minisign -G -W`, and its signature of the bytes b"kenpin\n"
VECTOR_SECRET = (
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAL/OHQrVkNlKMMA8Utvvy3uAgeVL2HaM6"
    "PyaOsc1BYDkWTEIzL0I0z/QRhOYLv9iXOIiAkwf3rPVXSmuHBCsLsmlbb93MjNZuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)
VECTOR_PUBLIC = "RWQv84dCtWQ2UvQRhOYLv9iXOIiAkwf3rPVXSmuHBCsLsmlbb93MjNZu"
VECTOR_SIGNATURE = """untrusted comment: signature of a kenpin audit pack
RUQv84dCtWQ2UqQcQCmpxJz90aN3dvdDNdK58jtEYYbHqyBTfuRykZAL2VUZ4wRZm7gEfLoedYDkn3Gw2BGhXp6P3AcL+W6g3Qk=
trusted comment: by minisign
vIY8puVvLjXbjpy6DBGncn2YM+8oF9D/lfqDsyBe0HiKEx+hLN5VaAbfE/eTzt4nQUuMQObAI+EvEG8MHDgtAA==
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SecretKey, PublicKey]:
    file = tmp_path_factory.mktemp("keys") / "plant.key"
    make_key(file, "")
    return read_secret(file, ""), read_public(file.with_suffix(".pub"))


@given(data=st.binary(max_size=300), at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_one_bit_of_data_signature_or_comment_makes_it_invalid(
    keys: tuple[SecretKey, PublicKey], data: bytes, at: int, bit: int
) -> None:
    secret, public = keys
    signature = secret.sign(data, "pack of today")
    assert check_signature(data, signature, public) == "pack of today"
    changed = bytearray(signature.encode())
    changed[at % len(changed)] ^= 1 << bit
    with pytest.raises(RunError):
        check_signature(data, changed.decode("latin-1"), public)
    if data:
        other = bytearray(data)
        other[at % len(other)] ^= 1 << bit
        with pytest.raises(RunError, match="not one that the key"):
            check_signature(bytes(other), signature, public)


def test_a_signature_by_minisign_itself_is_valid(tmp_path: Path) -> None:
    (tmp_path / "k.key").write_text(f"untrusted comment: x\n{VECTOR_SECRET}\n")
    secret = read_secret(tmp_path / "k.key", "")
    assert secret.public.text == VECTOR_PUBLIC
    assert check_signature(b"kenpin\n", VECTOR_SIGNATURE, PublicKey.from_text(VECTOR_PUBLIC, "k")) == "by minisign"
    assert secret.sign(b"kenpin\n", "by minisign") == VECTOR_SIGNATURE  # Ed25519 has no chance in it


def test_a_key_opens_by_its_password_alone_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "plant.key"
    public = make_key(file, "良い 合言葉")
    assert is_encrypted(file)
    assert file.stat().st_mode & 0o077 == 0
    assert read_secret(file, "良い 合言葉").public == public == read_public(tmp_path / "plant.pub")
    assert "seed" not in repr(read_secret(file, "良い 合言葉"))
    with pytest.raises(OptionError, match="password is another one"):
        read_secret(file, "other")
    with pytest.raises(OutputExistsError):
        make_key(file, "")


@pytest.mark.parametrize("text", ["", "x", "untrusted comment: x\n", "untrusted comment: x\nAAAA\n", "\0\xff\n" * 3])
def test_what_is_no_key_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text, "latin-1")
    for read in (lambda file: read_secret(file, ""), read_public):
        with pytest.raises(OptionError, match="kenpin audit key"):
            read(tmp_path / "k")
    with pytest.raises(OptionError, match="no such file"):
        read_public(tmp_path / "absent")


@pytest.mark.skipif(MINISIGN is None, reason="minisign is not installed")
def test_minisign_takes_keys_and_signatures_of_kenpin(tmp_path: Path) -> None:
    public = make_key(tmp_path / "own.key", "secret")
    data = tmp_path / "data"
    data.write_bytes(bytes(range(256)) * 50)
    signature = read_secret(tmp_path / "own.key", "secret").sign(data.read_bytes(), "told")
    (tmp_path / "data.minisig").write_text(signature)
    assert _minisign(tmp_path, "-V", "-m", "data", "-P", public.text) == 0
    assert _minisign(tmp_path, "-S", "-m", "data", "-s", "own.key", "-x", "other", told="secret\n") == 0
    data.write_bytes(b"other")
    assert _minisign(tmp_path, "-V", "-m", "data", "-P", public.text) == 1


@pytest.mark.skipif(MINISIGN is None, reason="minisign is not installed")
def test_kenpin_takes_keys_of_minisign(tmp_path: Path) -> None:
    assert _minisign(tmp_path, "-G", "-W", "-p", "m.pub", "-s", "m.key") == 0
    secret = read_secret(tmp_path / "m.key", "")
    assert secret.public == read_public(tmp_path / "m.pub")
    (tmp_path / "data.minisig").write_text(secret.sign(b"data", "told"))
    (tmp_path / "data").write_bytes(b"data")
    assert _minisign(tmp_path, "-V", "-m", "data", "-p", "m.pub") == 0


def _minisign(folder: Path, *words: str, told: str = "") -> int:
    assert MINISIGN is not None
    done = subprocess.run([MINISIGN, *words], cwd=folder, input=told, text=True, capture_output=True, check=False)
    return done.returncode
