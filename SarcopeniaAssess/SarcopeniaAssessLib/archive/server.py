"""The inbox's ear: pynetdicom's association server with the bounds that it leaves to its user.

pynetdicom shakes TLS hands in the one thread that accepts connections, reads a PDU of whatever length is
announced, and waits for ever for its second half; a caller that nobody knows could use each of these.
"""

from __future__ import annotations

import ipaddress
import ssl
import threading
from typing import TYPE_CHECKING, Any

from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

if TYPE_CHECKING:
    import socket

    from SarcopeniaAssessLib.archive.settings import Listening

LARGEST_PDU = 2**17
"""What callers are told to send at most."""
_LARGEST_READ = 2**20
"""Longest PDU that is read at all: a request for an association may be longer than `LARGEST_PDU`."""
_PER_PLACE = 4
"""Connections for each association that is allowed at a time: others are being refused, or have just left."""
_OTHER_THREADS = 32


class Conversation:
    """One association: its bytes since the last whole message, bounded; its studies; how it ended.

    Attributes
    ----------
    studies:
        Keys of those of which it brought something.
    released, over:
        Whether its caller has said that it is done; whether the connection is closed.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self.studies: set[str] = set()
        self.released = self.over = False

    def count(self, length: int) -> None:
        """So many bytes are about to be read.

        Raises
        ------
        ConnectionError
            They are too many; pynetdicom takes it for a connection that broke.
        """
        self._bytes += length
        if length > _LARGEST_READ or self._bytes > self._most:
            raise ConnectionError("more than is taken")

    def restart(self) -> None:
        """A message is whole."""
        self._bytes = 0


class BoundedHandler(RequestHandler):
    """Makes the association of a connection, with a bound on what it reads."""

    server: BoundedServer

    def handle(self) -> None:
        """Shake hands in this thread, then as pynetdicom does."""
        self.request.settimeout(self.server.listening.timeout_s)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().handle()

    def _create_association(self) -> Any:
        association: Any = super()._create_association()
        stream: Any = association.dul.socket
        conversation, read = Conversation(self.server.most_bytes), stream.recv

        def bounded(length: int) -> bytearray:
            conversation.count(length)
            received: bytearray = read(length)
            return received

        stream.recv = bounded
        association.conversation = conversation
        return association


class BoundedServer(ThreadedAssociationServer):
    """Accepts connections from the networks that are named, as many at a time as are allowed.

    Parameters
    ----------
    listening, most_bytes:
        Who may connect; the longest message of a caller.
    """

    daemon_threads = True

    def __init__(self, *given: Any, listening: Listening, most_bytes: int, **more: Any) -> None:
        self.listening, self.most_bytes = listening, most_bytes
        self._networks = [ipaddress.ip_network(each) for each in listening.networks]
        more["request_handler"] = BoundedHandler
        super().__init__(*given, **more)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; hands are shaken later, in a thread of its own."""
        assert self.socket is not None
        connection, address = self.socket.accept()
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the caller's address may connect, and there is a place left."""
        caller = ipaddress.ip_address(client_address[0].partition("%")[0])
        if self._networks and not any(caller in network for network in self._networks):
            return False
        most = _PER_PLACE * self.listening.associations
        # Two threads an association, and one for a connection that has not shaken hands yet.
        return len(self.active_associations) < most and threading.active_count() < 3 * most + _OTHER_THREADS

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that failed before it was one is nobody's concern; socketserver would print it."""
