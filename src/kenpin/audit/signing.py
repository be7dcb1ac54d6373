"""Keys of a plant and their signatures, as minisign has them: Ed25519 over BLAKE2b.

Whoever has minisign (jedisct1.github.io/minisign) can check a signature without kenpin, and sign with a key of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.errors import MissingExtraError, OptionError, RunError
from kenpin.files import check_free, new_file, write_text
from kenpin.installing import installing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PREHASHED, _LEGACY, _SCRYPT, _NO_KDF, _BLAKE2B = b"ED", b"Ed", b"Sc", b"\0\0", b"B2"
_OPERATIONS, _MEMORY_BYTES = 2**23, 2**28  # of a new key: about a second, and 256 MiB
_MOST_MEMORY_BYTES = 2**31  # a stranger's key must not ask for more
_SEALED = 8 + 64 + 32
COMMENT = "untrusted comment: signature of a kenpin audit pack"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What checks signatures."""

    id: bytes
    """Eight bytes, by which keys are told apart."""
    key: bytes
    """32 bytes."""

    @property
    def name(self) -> str:
        """Its id as minisign writes it: 16 hexadecimal digits."""
        return self.id[::-1].hex().upper()

    @property
    def text(self) -> str:
        """In one line, as minisign takes it with -P."""
        return base64.b64encode(_LEGACY + self.id + self.key).decode()

    @classmethod
    def from_text(cls, line: str, where: str) -> PublicKey:
        """The key in a line. Raises OptionError."""
        data = _decoded(line)
        if data is None or len(data) != 42 or data[:2] != _LEGACY:
            raise OptionError(f"{where}: is no public key; give the .pub file that `kenpin audit key` wrote.")
        return cls(data[2:10], data[10:])


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs; its bytes are shown nowhere."""

    public: PublicKey
    _seed: bytes

    def __repr__(self) -> str:
        return f"SecretKey({self.public.name})"

    def sign(self, data: bytes, trusted: str) -> str:
        """The text of a signature file. trusted: a comment that is signed too, in one line. Raises
        MissingExtraError."""
        key = _private(self._seed)
        signature = key.sign(hashlib.blake2b(data).digest())
        over_all = key.sign(signature + trusted.encode())
        first = base64.b64encode(_PREHASHED + self.public.id + signature).decode()
        return f"{COMMENT}\n{first}\ntrusted comment: {trusted}\n{base64.b64encode(over_all).decode()}\n"


def check_signature(data: bytes, signature: str, key: PublicKey) -> str:
    """The trusted comment of a signature that this key made of these bytes. Raises RunError where it is another one,
    damaged, or not written as kenpin does, MissingExtraError."""
    from cryptography.exceptions import InvalidSignature

    lines = signature.split("\n")
    if len(lines) != 5 or lines[0] != COMMENT or not lines[2].startswith("trusted comment: ") or lines[4]:
        raise RunError("the signature is damaged")
    first, over_all = _decoded(lines[1]), _decoded(lines[3])
    if first is None or over_all is None or len(first) != 74 or first[:2] != _PREHASHED:
        raise RunError("the signature is damaged")
    if first[2:10] != key.id:
        raise RunError(f"the signature is of the key {first[2:10][::-1].hex().upper()}, not of {key.name}")
    trusted = lines[2].removeprefix("trusted comment: ")
    public = _public(key.key)
    try:
        public.verify(first[10:], hashlib.blake2b(data).digest())
        public.verify(over_all, first[10:] + trusted.encode())
    except InvalidSignature as error:
        raise RunError(f"the signature is not one that the key {key.name} made of this") from error
    return trusted


def make_key(secret: Path, password: str, *, overwrite: bool = False) -> PublicKey:
    """Write a new key pair: the secret key, and the public one beside it with the ending .pub. password: empty for a
    key that is not encrypted. Raises OutputExistsError, OutputError, MissingExtraError."""
    public_file = secret.with_suffix(".pub")
    if secret.suffix == ".pub":
        raise OptionError(f"{secret}: .pub is the ending of the public key; name the secret one, such as plant.key.")
    for file in (secret, public_file):
        check_free(file, overwrite)
    seed, id = secrets.token_bytes(32), secrets.token_bytes(8)
    public = PublicKey(id, _private(seed).public_key().public_bytes_raw())
    inner = id + seed + public.key
    inner += hashlib.blake2b(_LEGACY + inner, digest_size=32).digest()
    salt, operations, memory, kdf = b"\0" * 32, 0, 0, _NO_KDF
    if password:
        salt, operations, memory, kdf = secrets.token_bytes(32), _OPERATIONS, _MEMORY_BYTES, _SCRYPT
        inner = _xored(inner, _stream(password, salt, operations, memory))
    head = _LEGACY + kdf + _BLAKE2B + salt + operations.to_bytes(8, "little") + memory.to_bytes(8, "little")
    told = "encrypted " if password else ""
    text = f"untrusted comment: minisign {told}secret key\n{base64.b64encode(head + inner).decode()}\n"
    with new_file(secret, overwrite=overwrite) as file:
        file.touch(0o600)
        file.write_text(text, encoding="ascii")
    write_text(
        public_file, f"untrusted comment: minisign public key {public.name}\n{public.text}\n", overwrite=overwrite
    )
    return public


def is_encrypted(file: Path) -> bool:
    """Whether a secret key takes a password. Raises OptionError."""
    return _secret_bytes(file)[2:4] == _SCRYPT


def read_secret(file: Path, password: str) -> SecretKey:
    """The secret key in a file, also one that minisign made. Raises OptionError."""
    data = _secret_bytes(file)
    inner = data[54:]
    if data[2:4] == _SCRYPT:
        operations, memory = (int.from_bytes(data[at : at + 8], "little") for at in (38, 46))
        if memory > _MOST_MEMORY_BYTES or operations > 2**30:
            raise OptionError(f"{file}: asks for {memory:,} bytes of memory to be opened; make another key.")
        inner = _xored(inner, _stream(password, data[6:38], operations, memory))
    id, seed, key, checksum = inner[:8], inner[8:40], inner[40:72], inner[72:]
    right = hashlib.blake2b(_LEGACY + inner[:72], digest_size=32).digest()
    # minisign writes none into a key that is not encrypted
    if checksum != right and (data[2:4] == _SCRYPT or any(checksum)):
        raise OptionError(f"{file}: the password is another one, or the key is damaged; give the right password.")
    return SecretKey(PublicKey(id, key), seed)


def read_public(file: Path) -> PublicKey:
    """The public key in a file, also one that minisign made. Raises OptionError."""
    return PublicKey.from_text(_second_line(file), str(file))


def _secret_bytes(file: Path) -> bytes:
    data = _decoded(_second_line(file))
    if data is None or len(data) != 54 + _SEALED or data[:2] != _LEGACY or data[4:6] != _BLAKE2B:
        raise OptionError(f"{file}: is no secret key; give the file that `kenpin audit key` wrote.")
    if data[2:4] not in (_SCRYPT, _NO_KDF):
        raise OptionError(f"{file}: is encrypted in a way that kenpin does not know; make another key.")
    return data


def _second_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            lines = opened.read(4096).decode("utf-8").splitlines()
    except FileNotFoundError as error:
        raise OptionError(f"{file}: no such file; give a key that `kenpin audit key` wrote.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{file}: is no key; give a file that `kenpin audit key` wrote.") from error
    return lines[1] if len(lines) > 1 else ""


def _decoded(line: str) -> bytes | None:
    """The bytes of a line in base64; None for what is none, or could be written otherwise."""
    try:
        data = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == line else None


def _stream(password: str, salt: bytes, operations: int, memory: int) -> bytes:
    """What a secret key is combined with. The numbers of scrypt are those that libsodium picks from the limits."""
    operations = max(operations, 2**15)
    if operations < memory // 32:
        most, p = operations // 32, 1
        n = _power_above(most // 2)
    else:
        n = _power_above(memory // 1024 // 2)
        p = max(min(operations // 4 // n, 2**30 - 1) // 8, 1)
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=p, maxmem=2**31 - 1, dklen=_SEALED)


def _power_above(number: int) -> int:
    power = 2
    while power <= number:
        power *= 2
    return power


def _xored(data: bytes, stream: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def _private(seed: bytes) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingExtraError(f"signatures need cryptography: {installing('audit')}") from error
    return Ed25519PrivateKey.from_private_bytes(seed)


def _public(key: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(key)
