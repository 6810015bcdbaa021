"""Who may take part in a campaign: the address of its scheduler, and the key that everybody there has to hold.

Key insight: whoever can connect to a scheduler can run any program on its workers. So beyond one machine nobody is
heard who does not hold a key, and a shared secret is one: the private key of TLS is computed from it, so that all who
know the secret hold the same certificate, and believe no other.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets
import socket
import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import BadInput, TargetUnavailable
from runner.installation import campaign_install

PORT = 8786
LEAST_SECRET = 16
"""Characters of a secret: a shorter one can be tried out."""
_SALT = b"mali-delegate-repro campaign"
_VALID = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_WHY = "whoever can connect to a scheduler can run any program on its workers"
_MAKE = "`repro scheduler --new-secret FILE` makes one"
_GIVE = "give --secret-file FILE, the same on all machines, or --tls-ca, --tls-cert and --tls-key"


@dataclass(frozen=True)
class Tls:
    """What TLS takes: certificates that are believed, the own certificate and its key; each a path or PEM text."""

    ca: str
    cert: str
    key: str

    def __repr__(self) -> str:
        return "<Tls>"


@dataclass(frozen=True)
class Access:
    """One scheduler and how it is reached. tls: None on this machine only."""

    host: str
    port: int
    tls: Tls | None = None

    @property
    def address(self) -> str:
        """`tls://HOST:PORT`, or `tcp://` without a key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}"

    @property
    def protocol(self) -> str:
        return "tls" if self.tls else "tcp"

    def own_host(self) -> str:
        """The address of this machine that the scheduler can reach, and no other one. Raises TargetUnavailable."""
        try:
            family, kind, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as asked:  # UDP: nothing is sent, the kernel only chooses the way
                asked.connect(place)
                return str(asked.getsockname()[0])
        except OSError as error:
            raise TargetUnavailable(f"{self.address} cannot be reached ({error.strerror}); check the address") from None


def access(
    address: str,
    *,
    secret_file: Path | None = None,
    tls_ca: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> Access:
    """Who may connect to `tcp://HOST:PORT`. Raises BadInput for what is no address, and where a key is missing.

    Without a key only an address of this machine is taken.
    """
    host, port = _parsed(address)
    files = (tls_ca, tls_cert, tls_key)
    if secret_file is not None and any(files):
        raise BadInput("--secret-file and --tls-... are two keys, and one is used; leave one of them out")
    if any(files) and not all(files):
        raise BadInput("--tls-ca, --tls-cert and --tls-key go together: whom to believe, and who this is; give all")
    if secret_file is not None:
        return Access(host, port, tls_of_secret(read_secret(secret_file)))
    if tls_ca and tls_cert and tls_key:
        return Access(host, port, _tls_of_files(tls_ca, tls_cert, tls_key))
    if not is_loopback(host):
        raise BadInput(f"{address} is beyond this machine, and {_WHY}; {_GIVE}")
    if address.startswith("tls:"):
        raise BadInput(f"{address} asks for TLS, and no key is given; {_GIVE}")
    return Access(host, port)


def _tls_of_files(ca: Path, cert: Path, key: Path) -> Tls:
    """Raises BadInput where they are not what their options say, or do not belong together."""
    for file in (ca, cert, key):
        if not file.is_file():
            raise BadInput(f"{file} is no file; give a certificate or a key in PEM form")
    tried = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        tried.load_verify_locations(ca)
    except (OSError, ValueError) as error:
        raise BadInput(f"--tls-ca {ca} holds no certificate ({_reason(error)}); give one in PEM form") from None
    try:
        tried.load_cert_chain(cert, key, password=_no_passphrase)
    except _Encrypted:
        raise BadInput(f"--tls-key {key} asks for a passphrase, which nobody types; give it without one") from None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"--tls-cert {cert} and --tls-key {key} are no certificate and its key ({_reason(error)}); "
            "give both in PEM form"
        ) from None
    return Tls(str(ca), str(cert), str(key))


class _Encrypted(Exception):
    pass


def _no_passphrase() -> str:
    raise _Encrypted


def _reason(error: Exception) -> str:
    """OpenSSL's own words without the place in Python's source."""
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).replace("_", " ").lower()


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine for itself alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parsed(address: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", address)
    if found is None or int(found[2]) > 65535:
        raise BadInput(
            f"'{address}' is no address of a scheduler; give tcp://HOST:PORT, such as tcp://127.0.0.1:{PORT}"
        )
    return found[1].strip("[]"), int(found[2])


def read_secret(file: Path) -> str:
    """The secret in a file. Raises BadInput where it is none, too short, or can be read by others."""
    try:
        text = file.read_text(encoding="utf-8").strip()
        mode = file.stat().st_mode
    except OSError as error:
        raise BadInput(f"--secret-file {file} cannot be read ({error.strerror}); {_MAKE}") from None
    except ValueError:
        raise BadInput(f"--secret-file {file} is no text; {_MAKE}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"--secret-file {file} can be read by other users; run chmod 600 '{file}'")
    if len(text) < LEAST_SECRET:
        raise BadInput(f"--secret-file {file} can be guessed: it has {len(text)} characters; {_MAKE}")
    return text


def make_secret(file: Path) -> None:
    """Write a new secret that only its owner can read, at no moment anybody else. Raises BadInput.

    A file that is there is left: other machines may have a copy of it.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"--new-secret {file} is there already; give --secret-file to use it, or name a new file"
        ) from None
    except OSError as error:
        raise BadInput(f"--new-secret {file} cannot be written ({error.strerror}); name another file") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{secrets.token_hex(32)}\n")


def tls_of_secret(secret: str) -> Tls:
    """The key and the certificate that everybody computes who knows the secret. Raises TargetUnavailable without pip's
    `cryptography`.

    Ed25519 signs the same text always alike, so that the certificate is the same everywhere too.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise TargetUnavailable(
            f"--secret-file needs {error.name}, which is not installed; {campaign_install()}"
        ) from None
    seed = hashlib.scrypt(secret.encode(), salt=_SALT, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32)
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "campaign")])
    may = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(_VALID[0])
        .not_valid_after(_VALID[1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **may),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, None)
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Tls(pem, pem, private)
