"""TLS on both sides: who has no certificate, a strange one, or an old protocol does not get in."""

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.archive.dimse_peer import DimseSender
from SarcopeniaAssessLib.archive.encryption import client_context, server_context
from SarcopeniaAssessLib.archive.settings import DimsePeer, TlsFiles
from SarcopeniaAssessLib.errors import InputError, OutputError
from Testing.library.archive.archive_kit import PACS, SLICES, echo, send, study
from Testing.library.archive.test_listener import opened  # noqa: F401 - a fixture

if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed", allow_module_level=True)


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificate(folder: Path, name: str, ca: str) -> None:
    """NAME.pem and NAME.key, for loopback, signed by CA.pem."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"]
    openssl(folder, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signed = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2"]
    signing = [*signed, "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    """Two authorities, each with a certificate; only `ca` is trusted."""
    folder = tmp_path_factory.mktemp("pem")
    for ca in ("ca", "strange"):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={ca}"]
        openssl(folder, "req", "-x509", *new, "-days", "2", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        certificate(folder, f"{ca}-own", ca)
    return folder


def files(pem: Path, name: str | None, ca: str | None = "ca") -> TlsFiles:
    own = (None, None) if name is None else (pem / f"{name}.pem", pem / f"{name}.key")
    return TlsFiles(*own, ca=None if ca is None else pem / f"{ca}.pem")


def test_a_study_comes_through_tls_with_certificates_on_both_sides(opened, pem):  # noqa: F811
    one = opened(tls=files(pem, "ca-own"))
    as_client = (client_context(files(pem, "ca-own")), "127.0.0.1")
    assert send(one.port, study(1), tls_args=as_client) == [0] * SLICES
    assert len(one.stored) == SLICES


@pytest.mark.parametrize(
    "name", [None, "strange-own", "plain"], ids=["no certificate", "a strange one", "no TLS"]
)
def test_a_caller_without_a_certificate_of_the_ca_does_not_get_in(opened, pem, name):  # noqa: F811
    one = opened(tls=files(pem, "ca-own"), timeout_s=2.0)
    given = {} if name == "plain" else {"tls_args": (client_context(files(pem, name)), "127.0.0.1")}
    assert echo(one.port, **given) is None
    assert echo(one.port, tls_args=(client_context(files(pem, "ca-own")), "127.0.0.1")) == 0


def test_without_a_ca_callers_need_no_certificate(opened, pem):  # noqa: F811
    one = opened(tls=files(pem, "ca-own", ca=None))
    assert echo(one.port, tls_args=(client_context(files(pem, None)), "127.0.0.1")) == 0


def test_a_handshake_that_stalls_holds_nobody_up(opened, pem):  # noqa: F811
    one = opened(tls=files(pem, "ca-own", ca=None), timeout_s=5.0)
    with socket.create_connection(("127.0.0.1", one.port), 5):
        assert echo(one.port, tls_args=(client_context(files(pem, None)), "127.0.0.1")) == 0


def test_old_protocols_are_refused(opened, pem):  # noqa: F811
    one = opened(tls=files(pem, "ca-own", ca=None))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(pem / "ca.pem")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", one.port), 5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("server", "trusted"), [("strange-own", "ca"), ("ca-own", "strange")], ids=["strange server", "other ca"]
)
def test_results_are_not_sent_to_a_server_that_is_not_trusted(pem, server, trusted):
    """The peer's certificate is looked at before anything is said."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            try:
                with server_context(files(pem, server, ca=None)).wrap_socket(
                    connection, server_side=True
                ) as secure:
                    heard.append(secure.recv(10))
            except OSError as error:
                heard.append(type(error))

        thread = threading.Thread(target=serve)
        thread.start()
        peer = DimsePeer(
            PACS, "127.0.0.1", listening.getsockname()[1], timeout_s=5.0, tls=files(pem, None, trusted)
        )
        with pytest.raises(OutputError, match="cannot be reached"):
            DimseSender(peer).knock()
        thread.join(10)
    assert heard
    assert not isinstance(heard[0], bytes) or heard[0] == b""


def test_files_that_do_not_belong_together_are_told(pem, tmp_path):
    with pytest.raises(InputError, match="cannot be used"):
        server_context(TlsFiles(pem / "ca-own.pem", pem / "strange-own.key"))
    with pytest.raises(InputError, match="cannot be used"):
        server_context(TlsFiles(pem / "none.pem", pem / "none.key"))
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(InputError, match="cannot be used"):
        client_context(TlsFiles(ca=tmp_path / "ca.pem"))


def test_a_key_with_a_password_asks_nobody(pem, tmp_path):
    words = ["ec", "-in", str(pem / "ca-own.key"), "-aes256", "-passout", "pass:secret", "-out", "locked.key"]
    openssl(tmp_path, *words)
    with pytest.raises(InputError, match="without a password"):
        server_context(TlsFiles(pem / "ca-own.pem", tmp_path / "locked.key"))
