"""Settings of an inbox: what is not named is not done, and what is misspelt is refused."""

import os
from pathlib import Path

import pytest

from SarcopeniaAssessLib.archive.settings import DimsePeer, StowPeer, TlsFiles, read_settings
from SarcopeniaAssessLib.errors import InputError

LEAST = """
[folders]
spool = "spool"
results = "results"
[listen]
callers = ["PACS"]
"""


def read(folder: Path, text: str):
    file = folder / "inbox.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)


def test_the_least_listens_on_loopback_and_sends_nothing(tmp_path):
    found = read(tmp_path, LEAST)
    assert found.listen.address == "127.0.0.1"
    assert found.listen.callers == ("PACS",)
    assert found.listen.tls is None
    assert found.peer is None
    # Paths are seen from the file's folder.
    assert (found.spool, found.results) == (tmp_path / "spool", tmp_path / "results")


def test_everything_can_be_said(tmp_path):
    found = read(
        tmp_path,
        LEAST
        + """
ae_title = "SMA"
address = "0.0.0.0"
port = 104
networks = ["10.0.0.0/8", "192.0.2.7"]
associations = 3
timeout_s = 5
[listen.tls]
certificate = "own.pem"
key = "own.key"
ca = "/etc/ca.pem"
[limits]
quiet_s = 2.5
instance_mib = 2
[assess]
model = "unet-slab-5"
criteria = ["derstine2018"]
jobs = 2
[send]
ae_title = "ARCHIVE"
host = "pacs.example"
port = 11112
calling = "SMA"
[send.tls]
ca = "ca.pem"
""",
    )
    assert (found.listen.port, found.listen.associations) == (104, 3)
    assert found.listen.tls == TlsFiles(tmp_path / "own.pem", tmp_path / "own.key", Path("/etc/ca.pem"))
    assert (found.limits.quiet_s, found.limits.instance_bytes) == (2.5, 2 * 1024 * 1024)
    assert found.assess.criteria == ("derstine2018",)
    assert found.peer == DimsePeer(
        "ARCHIVE", "pacs.example", 11112, "SMA", tls=TlsFiles(ca=tmp_path / "ca.pem")
    )


def test_a_dicomweb_peer(tmp_path):
    found = read(tmp_path, LEAST + '[stow]\nurl = "https://pacs.example/dicom-web"\ntoken_file = "token"\n')
    assert found.peer == StowPeer("https://pacs.example/dicom-web", token_file=tmp_path / "token")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[folders]", "[folder]"), "unknown folder"),
        (('spool = "spool"', ""), r"\[folders\] spool is no path"),
        (('results = "results"', 'results = "spool/results"'), "lie in one another"),
        (('results = "results"', 'results = "x/../spool/results"'), "lie in one another"),
        (('["PACS"]', "[]"), "callers is empty"),
        (('callers = ["PACS"]', ""), r"\[listen\] has no callers"),
        (('["PACS"]', '"PACS"'), "no list of texts"),
        (('["PACS"]', '["A TITLE OF MORE THAN SIXTEEN"]'), "no AE title"),
        (('["PACS"]', '["BACK\\\\SLASH"]'), "no AE title"),
        (('["PACS"]', '["PACS"]\nadress = "10.0.0.1"'), "unknown adress"),
        (('["PACS"]', '["PACS"]\naddress = "everywhere"'), "no IP address"),
        (('["PACS"]', '["PACS"]\nnetworks = ["10.0.0.1/8"]'), "no IP address"),
        (('["PACS"]', '["PACS"]\nport = 70000'), r"\[listen\] port"),
        (('["PACS"]', '["PACS"]\nport = "104"'), "no whole number"),
        (('["PACS"]', '["PACS"]\nport = true'), "no whole number"),
        (('["PACS"]', '["PACS"]\nassociations = 0'), "associations"),
        (('["PACS"]', '["PACS"]\n[listen.tls]\nca = "ca.pem"'), "without a certificate"),
        (('["PACS"]', '["PACS"]\n[listen.tls]\ncertificate = "c.pem"'), "belong together"),
        (('["PACS"]', '["PACS"]\n[limits]\nspool_gib = 0'), "spool_gib"),
        (('["PACS"]', '["PACS"]\n[limits]\nquiet_s = nan'), "quiet_s"),
        (('["PACS"]', '["PACS"]\n[assess]\nl3 = "slice:4"'), "one study's own"),
        (('["PACS"]', '["PACS"]\n[send]\nae_title = "A"\nhost = "h"'), r"\[send\] has no port"),
        (('["PACS"]', '["PACS"]\n[stow]\nurl = "ftp://h/x"'), "no address of a DICOMweb"),
        (('["PACS"]', '["PACS"]\n[stow]\nurl = "file:///etc/passwd"'), "no address of a DICOMweb"),
        (('["PACS"]', '["PACS"]\n[stow]\nurl = "https://me:secret@h/x"'), "no address of a DICOMweb"),
        (('["PACS"]', '["PACS"]\n[stow]\nurl = "http://h/x"\ntoken_file = "t"'), "without encryption"),
        (('["PACS"]', '["PACS"]\n[stow]\nurl = "http://h/x"\nuser = "u"'), "belong together"),
        (
            ('["PACS"]', '["PACS"]\n[stow]\nurl = "http://h/x"\n[send]\nae_title="A"\nhost="h"\nport=1'),
            "one peer",
        ),
        (("[listen]", "[listen"), "no TOML"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_what_is_wrong_is_told(tmp_path, change, words):
    assert change[0] in LEAST
    with pytest.raises(InputError, match=words):
        read(tmp_path, LEAST.replace(*change))


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_folders_in_one_another_by_a_link_are_told(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "spool")
    with pytest.raises(InputError, match="lie in one another"):
        read(tmp_path, LEAST.replace('"results"', '"link/results"'))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")
