"""The audit pack: what an auditor asks of an inspector, with each figure from its records, hashed and signed."""

from kenpin.audit.pack import AuditPack, Beside, write_pack
from kenpin.audit.signing import PublicKey, SecretKey, make_key, read_public, read_secret
from kenpin.audit.verifying import Verified, verify_pack

__all__ = [
    "AuditPack",
    "Beside",
    "PublicKey",
    "SecretKey",
    "Verified",
    "make_key",
    "read_public",
    "read_secret",
    "verify_pack",
    "write_pack",
]
