"""What an inbox may do, read from a TOML file: every address, caller and peer is named there by a person.

A key that is unknown is refused, so that a misspelt limit is not taken for the default.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
_AE_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
"""1 to 16 printable ASCII characters without a backslash, no space at either end (PS3.5 6.2, AE)."""
_GIB = 2**30
_SEE = "see docs/inbox.md"


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one end of a TLS connection.

    Attributes
    ----------
    certificate, key:
        Our own; a client needs them only where its peer asks for them.
    ca:
        Who signs the other end's certificate. Of a listener: callers without one are refused.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise _wrong("A certificate and its key belong together", "give both, or neither")


@dataclass(frozen=True)
class Listening:
    """Where the inbox listens, and to whom.

    Attributes
    ----------
    callers:
        AE titles that may call; all others are refused.
    networks:
        Addresses that may connect; empty: any that reaches `address`.
    associations:
        At a time.
    timeout_s:
        Longest silence of a caller within an association, a message or a handshake.
    tls:
        `None`: without encryption.
    """

    callers: tuple[str, ...]
    ae_title: str = "SARCOPENIA"
    address: str = LOOPBACK
    port: int = 11112
    networks: tuple[str, ...] = ()
    associations: int = 8
    timeout_s: float = 60.0
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        if not self.callers:
            raise _wrong("[listen] callers is empty", "name the AE titles that may send")
        for title in (self.ae_title, *self.callers):
            _require_title(title)
        try:
            ipaddress.ip_address(self.address)
            for network in self.networks:
                ipaddress.ip_network(network)
        except ValueError as error:
            remedy = "give numbers as 127.0.0.1 or 10.1.0.0/16"
            raise _wrong("[listen] address or networks is no IP address", remedy) from error
        _require(0 <= self.port <= 65535, "[listen] port", "0 (any that is free) to 65535")
        _require(1 <= self.associations <= 64, "[listen] associations", "1 to 64")
        _require(1 <= self.timeout_s <= 3600, "[listen] timeout_s", "1 to 3600")
        if self.tls is not None and self.tls.certificate is None:
            raise _wrong("[listen] has TLS without a certificate", "give certificate and key")


@dataclass(frozen=True)
class Limits:
    """What the inbox takes in at most; beyond it a sender is told to come again later.

    Attributes
    ----------
    quiet_s:
        A study is whole when nothing more of it has come for so long.
    interrupted_s:
        The same where its sender was cut off or refused, by the inbox's own end too, and comes again.
    keep_hours:
        Images are kept until their study is assessed, and so long after the last came, for late slices.
    instance_mib, instances, waiting, spool_gib, free_gib:
        Size of an object, objects of a study, studies that wait, size of the spool, space left on its disk.
    study_minutes:
        Longest time for the assessment of one study.
    """

    quiet_s: float = 60.0
    interrupted_s: float = 900.0
    keep_hours: float = 24.0
    instance_mib: float = 1024.0
    instances: int = 20_000
    waiting: int = 1000
    spool_gib: float = 100.0
    free_gib: float = 2.0
    study_minutes: float = 30.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = 0 if one.name in ("keep_hours", "free_gib") else 1e-9
            _require(least <= value < 1e9, f"[limits] {one.name}", "a positive number")

    @property
    def instance_bytes(self) -> int:
        """Largest object."""
        return int(self.instance_mib * 2**20)

    @property
    def spool_bytes(self) -> int:
        """Largest spool."""
        return int(self.spool_gib * _GIB)

    @property
    def free_bytes(self) -> int:
        """Least space that stays free."""
        return int(self.free_gib * _GIB)


@dataclass(frozen=True)
class Assessing:
    """How studies are assessed; as the options of `sarcopenia assess`."""

    model: str | None = None
    device: str = "auto"
    l3: str = "auto"
    criteria: tuple[str, ...] = ()
    untiled: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        _require(1 <= self.jobs <= 64, "[assess] jobs", "1 to 64")
        way = self.l3.strip().lower().partition(":")[0]
        _require(way == "auto", "[assess] l3", "auto: a slice or coordinate is one study's own")


@dataclass(frozen=True)
class DimsePeer:
    """The application entity that segmentation and report are sent to by C-STORE."""

    ae_title: str
    host: str
    port: int
    calling: str = "SARCOPENIA"
    timeout_s: float = 60.0
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        _require_title(self.ae_title)
        _require_title(self.calling)
        _require(bool(self.host.strip()), "[send] host", "a name or an IP address")
        _require(1 <= self.port <= 65535, "[send] port", "1 to 65535")
        _require(1 <= self.timeout_s <= 3600, "[send] timeout_s", "1 to 3600")


@dataclass(frozen=True)
class StowPeer:
    """The DICOMweb service that segmentation and report are sent to by STOW-RS.

    Attributes
    ----------
    url:
        Of the service; `/studies` is put behind it.
    user, password_file, token_file:
        Basic or bearer authentication; the secret is the first line of its file.
    """

    url: str
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    timeout_s: float = 60.0
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        plain = not (host is None or parts.query or parts.fragment or parts.username)
        if host is None or not plain or parts.scheme not in ("http", "https"):
            remedy = "give https://HOST/PATH, with user and password_file apart from it"
            raise _wrong("[stow] url is no address of a DICOMweb service", remedy)
        if (self.user is None) != (self.password_file is None):
            raise _wrong("[stow] user and password_file belong together", "give both, or neither")
        if self.user is not None and self.token_file is not None:
            raise _wrong("[stow] has a password and a token", "give one of them")
        secret = self.user is not None or self.token_file is not None
        if secret and parts.scheme == "http" and host not in (LOOPBACK, "localhost", "::1"):
            raise _wrong("[stow] would send a secret without encryption", "give an https url")
        _require(1 <= self.timeout_s <= 3600, "[stow] timeout_s", "1 to 3600")


@dataclass(frozen=True)
class Settings:
    """All of an inbox.

    Attributes
    ----------
    spool, results:
        The folder of what has come in, and the output folder of `assess`.
    peer:
        `None`: results stay in their folder.
    """

    spool: Path
    results: Path
    listen: Listening
    limits: Limits = field(default_factory=Limits)
    assess: Assessing = field(default_factory=Assessing)
    peer: DimsePeer | StowPeer | None = None

    def __post_init__(self) -> None:
        here, there = (Path(os.path.realpath(each)) for each in (self.spool, self.results))
        if here == there or here in there.parents or there in here.parents:
            raise _wrong("[folders] spool and results lie in one another", "give two separate folders")


def read_settings(path: str | Path) -> Settings:
    """The settings of a TOML file; paths in it are seen from its folder.

    Raises
    ------
    InputError
        It cannot be read, or a value in it is missing, unknown, or not what it may be.
    """
    file = Path(path).expanduser()
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("The settings file cannot be read", f"check the path; {_SEE}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The settings file is no TOML ({error})", _SEE) from error
    _only(content, ("folders", "listen", "limits", "assess", "send", "stow"), "the settings file")
    if "send" in content and "stow" in content:
        raise _wrong("There are both [send] and [stow]", "results go to one peer: give one of them")
    folder = file.absolute().parent
    sections = {name: _section(content, name) for name in content}
    folders = sections.get("folders", {})
    _only(folders, ("spool", "results"), "[folders]")
    peers: dict[str, type[DimsePeer] | type[StowPeer]] = {"send": DimsePeer, "stow": StowPeer}
    named = next((name for name in peers if name in sections), None)
    return Settings(
        spool=_path(folder, folders.get("spool"), "[folders] spool"),
        results=_path(folder, folders.get("results"), "[folders] results"),
        listen=_made(Listening, sections.get("listen", {}), "listen", folder),
        limits=_made(Limits, sections.get("limits", {}), "limits", folder),
        assess=_made(Assessing, sections.get("assess", {}), "assess", folder),
        peer=None if named is None else _made(peers[named], sections[named], named, folder),
    )


def _made(kind: type[Any], given: Mapping[str, Any], name: str, folder: Path) -> Any:
    """A section as its dataclass, each value of the type that its field has."""
    known = {one.name: str(one.type) for one in fields(kind)}
    _only(given, tuple(known), f"[{name}]")
    values: dict[str, Any] = {}
    for key, value in given.items():
        where = f"[{name}] {key}"
        if key == "tls":
            if not isinstance(value, dict):
                raise _wrong(f"{where} is no table", _SEE)
            values[key] = _made(TlsFiles, value, f"{name}.tls", folder)
        elif "Path" in known[key]:
            values[key] = _path(folder, value, where)
        else:
            values[key] = _typed(value, known[key], where)
    missing = [one.name for one in fields(kind) if one.name not in values and _is_needed(one)]
    if missing:
        raise _wrong(f"[{name}] has no {' and no '.join(missing)}", "give it")
    return kind(**values)


def _typed(value: Any, wanted: str, where: str) -> Any:
    """A TOML value, refused unless it is of the field's type; a truth value is no number."""
    kind = wanted.removesuffix(" | None")
    if kind == "tuple[str, ...]":
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise _wrong(f"{where} is no list of texts", 'give it as ["A", "B"]')
    types: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "bool": (bool,),
        "int": (int,),
        "float": (int, float),
    }
    if isinstance(value, bool) != (kind == "bool") or not isinstance(value, types[kind]):
        words = {"str": "text", "bool": "true or false", "int": "whole number", "float": "number"}
        raise _wrong(f"{where} is no {words[kind]}", _SEE)
    return value


def _is_needed(one: Any) -> bool:
    from dataclasses import MISSING

    return one.default is MISSING and one.default_factory is MISSING


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(content[name], dict):
        raise _wrong(f"{name} is no section", f"write [{name}] above its values")
    return dict(content[name])


def _path(folder: Path, value: Any, where: str) -> Path:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _wrong(f"{where} is no path", "give one")
    return folder / Path(value).expanduser()


def _only(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    strange = sorted(set(given) - set(known))
    if strange:
        raise _wrong(f"{where} has the unknown {', '.join(strange)}", f"there are {', '.join(known)}")


def _require_title(title: str) -> None:
    if not _AE_TITLE.fullmatch(title):
        raise _wrong(f"{title!r} is no AE title", "give 1 to 16 ASCII characters without a backslash")


def _require(fits: bool, where: str, may: str) -> None:
    if not fits:
        raise _wrong(f"{where} is not what it may be", f"give {may}")


def _wrong(problem: str, remedy: str) -> InputError:
    return InputError(problem, remedy)
