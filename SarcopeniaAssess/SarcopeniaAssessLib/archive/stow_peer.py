"""Results sent to a DICOMweb archive by STOW-RS (PS3.18 10.5), one request each.

By urllib: a request and an answer are all there is to it. It follows no redirection and uses no proxy of the
environment: a patient's data go to the address that is named, or nowhere.
"""

from __future__ import annotations

import base64
import http.client
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from SarcopeniaAssessLib import __version__, strict_json
from SarcopeniaAssessLib.archive.encryption import client_context
from SarcopeniaAssessLib.archive.settings import TlsFiles
from SarcopeniaAssessLib.errors import InputError, OutputError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.settings import StowPeer

_LARGEST_ANSWER = 2**20
_FAILED_SEQUENCE, _FAILURE_REASON = "00081198", "00081197"
UNREACHABLE = "check that the archive runs, and [stow] url, certificates and password"


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer like any other: not what was asked for."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


class StowSender:
    """Sends to one named DICOMweb service.

    Raises
    ------
    InputError
        A TLS file or the secret cannot be read.
    """

    def __init__(self, peer: StowPeer) -> None:
        self._peer = peer
        self._url = f"{peer.url.rstrip('/')}/studies"
        self._headers = _authorization(peer)
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirection()]
        if urlsplit(peer.url).scheme == "https":
            context = client_context(peer.tls or TlsFiles())
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """For each file in turn `None` where the service has it now, or why it refused.

        Raises
        ------
        OutputError
            It cannot be reached, is not well, or does not know us: nothing is known of the rest.
        """
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                raise InputError("A result is no longer in its folder", "look for it") from error
            yield self._refusal(*self._post(content))

    def knock(self) -> None:
        """Connect, with TLS where the address has it; nothing is asked for, as an answer would name patients.

        Raises
        ------
        OutputError
            Nobody answers there.
        """
        import socket

        parts = urlsplit(self._peer.url)
        secure = parts.scheme == "https"
        place = (parts.hostname or "", parts.port or (443 if secure else 80))
        try:
            with socket.create_connection(place, self._peer.timeout_s) as connection:
                if secure:
                    client_context(self._peer.tls or TlsFiles()).wrap_socket(
                        connection, server_hostname=place[0]
                    ).close()
        except OSError as error:
            raise _lost(error) from error

    def _post(self, content: bytes) -> tuple[int, bytes]:
        boundary = secrets.token_hex(24)
        body = b"\r\n".join(
            [
                f"--{boundary}\r\nContent-Type: application/dicom\r\n".encode(),
                content,
                f"--{boundary}--\r\n".encode(),
            ]
        )
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        headers = {
            "Content-Type": kind,
            "Accept": "application/dicom+json",
            "User-Agent": f"sarcopenia-assess/{__version__}",
            **self._headers,
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - http or https: settings
        try:
            with self._opener.open(request, timeout=self._peer.timeout_s) as answer:
                return int(answer.status), answer.read(_LARGEST_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code), error.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise _lost(error) from error

    def _refusal(self, status: int, answer: bytes) -> str | None:
        if status in (401, 403):
            raise OutputError(f"The archive does not let us in (HTTP {status})", UNREACHABLE)
        if status == 429 or status >= 500 or 300 <= status < 400:
            raise OutputError(f"The archive cannot take results now (HTTP {status})", UNREACHABLE)
        reason = _failure_reason(answer)
        if reason is None and status in (200, 202):
            return None
        return f"the archive refused it (HTTP {status}{'' if not reason else f', reason {reason:04X}'})"


def _failure_reason(answer: bytes) -> int | None:
    """Failure reason of the one object that was sent, 0 where none is given; `None`: it was not refused.

    A service that answers otherwise than in DICOM JSON is taken at its HTTP status.
    """
    try:
        failed = strict_json.parse(answer).get(_FAILED_SEQUENCE, {}).get("Value")
        return int(failed[0].get(_FAILURE_REASON, {}).get("Value", [0])[0]) if failed else None
    except (ValueError, AttributeError, TypeError, LookupError):
        return None


def _authorization(peer: StowPeer) -> dict[str, str]:
    file = peer.password_file or peer.token_file
    if file is None:
        return {}
    try:
        secret = file.read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        remedy = "put it into the first line of the file, and let this user read it"
        raise InputError("The password or token of [stow] cannot be read", remedy) from error
    if peer.user is None:
        return {"Authorization": f"Bearer {secret}"}
    both = base64.b64encode(f"{peer.user}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {both}"}


def _lost(error: BaseException) -> OutputError:
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return OutputError("The archive's certificate is not trusted", "give its [stow.tls] ca")
    return OutputError("The archive cannot be reached, or the connection was lost", UNREACHABLE)
