"""TLS contexts of both ends: version 1.2 or later, certificates are always checked (PS3.15 B.9)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.settings import TlsFiles


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Of a listener; with `ca` a caller without a certificate that it has signed is refused.

    Raises
    ------
    InputError
        A file is missing, is no PEM, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, files)
    if files.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Of a caller: its peer's certificate and name are checked, by `ca` or by what the system trusts.

    Raises
    ------
    InputError
        As `server_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.ca is None:
        context.load_default_certs()
    _load(context, files)
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if files.certificate is not None:
            # An encrypted key would make OpenSSL ask on a terminal that a service does not have.
            context.load_cert_chain(files.certificate, files.key, password=lambda: b"")
        if files.ca is not None:
            context.load_verify_locations(files.ca)
    except OSError as error:  # SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or "unreadable"
        raise InputError(
            f"Certificate, key or CA of [tls] cannot be used ({reason})",
            "give PEM files that belong together, the key without a password",
        ) from error
