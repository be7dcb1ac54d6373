"""TLS to what the station connects to: certificates are always checked, by the system's or the plant's own."""

from __future__ import annotations

import ssl
from pathlib import Path

from kenpin.errors import OptionError, first_line


def tls_context(ca_file: Path | None, certificate_file: Path | None) -> ssl.SSLContext:
    """A context that checks the other side. ca_file: certificates that are trusted in place of the system's, in PEM;
    certificate_file: the own one with its key. Raises OptionError."""
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise _unread(ca_file, error) from error
    context.sslsocket_class = _ClosedOnFailure
    if certificate_file is not None:
        try:
            context.load_cert_chain(str(certificate_file))
        except OSError as error:
            raise _unread(certificate_file, error) from error
    return context


class _ClosedOnFailure(ssl.SSLSocket):
    """A socket that is closed when the other side is not trusted: not every library does that."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _unread(file: Path | None, error: OSError) -> OptionError:
    # ssl.SSLError is an OSError too, whose `strerror` names lines of OpenSSL
    why = "it is not PEM" if isinstance(error, ssl.SSLError) else (error.strerror or first_line(error))
    return OptionError(f"{file}: the certificates cannot be read ({why}); write them there in the form PEM.")
