"""STOW-RS: to Orthanc, and to a service that answers as it is told to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.archive.settings import StowPeer
from SarcopeniaAssessLib.archive.stow_peer import StowSender
from SarcopeniaAssessLib.dicom_results import REPORT_SR, SEGMENTATION
from SarcopeniaAssessLib.errors import InputError, OutputError
from Testing.library.archive import orthanc_kit
from Testing.library.dicom_cases import assessed, write, write_ct


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    case = write(folder / "one", assessed(write_ct(folder / "ct")), keep_identity=True)
    return [case / SEGMENTATION, case / REPORT_SR]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    orthanc_kit.require()
    one = orthanc_kit.start(tmp_path_factory.mktemp("orthanc"))
    yield one
    one.kill()


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text(orthanc_kit.PASSWORD + "\nnot this line\n", encoding="utf-8")
    return file


def test_orthanc_has_both_with_equal_bytes_and_takes_a_repetition_for_the_same(orthanc, files, password):
    sender = StowSender(StowPeer(orthanc.dicomweb, orthanc_kit.USER, password))
    sender.knock()
    assert list(sender.send(files)) == [None, None]
    assert orthanc.kinds() == {"SEG": 1, "SR": 1}
    assert list(sender.send(files)) == [None, None]
    assert orthanc.kinds() == {"SEG": 1, "SR": 1}
    stored = {path.read_bytes() for path in (orthanc.folder / "storage").rglob("*") if path.is_file()}
    assert {file.read_bytes() for file in files} <= stored


def test_a_wrong_password_is_told_and_nothing_is_given_up(orthanc, files, tmp_path):
    (tmp_path / "wrong").write_text("guess")
    sender = StowSender(StowPeer(orthanc.dicomweb, orthanc_kit.USER, tmp_path / "wrong"))
    with pytest.raises(OutputError, match=r"does not let us in \(HTTP 401\)"):
        list(sender.send(files))


class Service:
    """Answers each POST with the next of some statuses and bodies; keeps what was asked."""

    def __init__(self, *answers):
        self.asked, left = [], list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):  # noqa: N805
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.asked.append((handler.path, dict(handler.headers), body))
                status, answer, headers = left.pop(0)
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(answer)

            do_GET = do_POST  # noqa: N815 - http.server finds it by this name

            def log_message(*_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service():
    made = []

    def make(*answers):
        made.append(Service(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def failed(reason: int) -> bytes:
    """An answer as PS3.18 10.5.3 has it."""
    return json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"Value": [reason]}}]}}).encode()


def test_the_request_is_what_the_standard_asks_for(service, files):
    one = service((200, b"", {}))
    StowSender(StowPeer(one.url)).knock()  # asks for nothing
    assert list(StowSender(StowPeer(one.url)).send(files[:1])) == [None]
    ((path, headers, body),) = one.asked
    assert path == "/dicom-web/studies"
    kind, _, boundary = headers["Content-Type"].partition("; boundary=")
    assert kind == 'multipart/related; type="application/dicom"'
    assert headers["Accept"] == "application/dicom+json"
    assert "Authorization" not in headers
    start = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    assert body == start + files[0].read_bytes() + f"\r\n--{boundary}--\r\n".encode()


@pytest.mark.parametrize(
    ("status", "answer", "refusal"),
    [
        (200, b"", None),
        (200, b"<NativeDicomModel/>", None),
        (200, b"[1, 2]", None),
        (202, json.dumps({"00081199": {"Value": [{}]}}).encode(), None),  # stored, with a remark
        (202, failed(0xA700), "the archive refused it (HTTP 202, reason A700)"),
        (200, failed(0x0110), "the archive refused it (HTTP 200, reason 0110)"),
        (409, failed(0x0122), "the archive refused it (HTTP 409, reason 0122)"),
        (400, b"no", "the archive refused it (HTTP 400)"),
        (415, b"", "the archive refused it (HTTP 415)"),
    ],
)
def test_answers(service, files, status, answer, refusal):
    one = service((status, answer, {}))
    assert list(StowSender(StowPeer(one.url)).send(files[:1])) == [refusal]


@pytest.mark.parametrize("status", [302, 307, 403, 429, 500, 503])
def test_what_is_not_its_last_word_is_tried_again_and_no_redirection_is_followed(service, files, status):
    elsewhere = service((200, b"", {}))
    one = service((status, b"", {"Location": elsewhere.url}))
    with pytest.raises(OutputError, match=f"HTTP {status}"):
        list(StowSender(StowPeer(one.url)).send(files[:1]))
    assert elsewhere.asked == []


def test_a_proxy_of_the_environment_hears_nothing(service, files, monkeypatch):
    proxy, one = service((200, b"", {})), service((200, b"", {}))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert list(StowSender(StowPeer(one.url)).send(files[:1])) == [None]
    assert (len(proxy.asked), len(one.asked)) == (0, 1)


def test_a_token_is_carried(service, files, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    one = service((200, b"", {}))
    list(StowSender(StowPeer(one.url, token_file=tmp_path / "token")).send(files[:1]))
    assert one.asked[0][1]["Authorization"] == "Bearer abc"


def test_a_secret_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        StowSender(StowPeer("https://h/x", token_file=tmp_path / "none"))


def test_nobody_there(files):
    from Testing.library.archive.archive_kit import free_port

    sender = StowSender(StowPeer(f"http://127.0.0.1:{free_port()}/x", timeout_s=5.0))
    with pytest.raises(OutputError, match="cannot be reached"):
        list(sender.send(files[:1]))
    with pytest.raises(OutputError, match="cannot be reached"):
        sender.knock()
