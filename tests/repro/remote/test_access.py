"""Nothing is open to the network without a key, and who knows the secret holds the same key as the others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from repro.cli import main
from repro.remote.access import LEAST_SECRET, Tls, access, make_secret, read_secret, tls_of_secret
from runner.errors import BadInput


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tcp://127.8.9.1:2"]
)
def test_this_machine_for_itself_needs_no_key(address: str):
    assert access(address).address == address
    assert access(address).tls is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://0.0.0.0:8786", "beyond this machine"),
        ("tcp://192.168.0.7:8786", "beyond this machine"),
        ("tcp://[::]:8786", "beyond this machine"),
        ("tls://lab.example:8786", "beyond this machine"),
        ("tcp://localhost.example:8786", "beyond this machine"),
        ("tls://127.0.0.1:8786", "no key is given"),
        ("127.0.0.1:8786", "no address of a scheduler"),
        ("tcp://127.0.0.1", "no address of a scheduler"),
        ("tcp://127.0.0.1:99999", "no address of a scheduler"),
        ("http://127.0.0.1:80", "no address of a scheduler"),
        ("", "no address of a scheduler"),
    ],
)
def test_what_is_refused_says_why_and_what_to_give(address: str, said: str):
    with pytest.raises(BadInput, match=said) as error:
        access(address)
    assert "give " in str(error.value)


def test_a_new_secret_is_the_owner_s_alone_and_opens_the_network(tmp_path: Path):
    file = tmp_path / "campaign.key"
    make_secret(file)
    assert file.stat().st_mode & 0o777 == 0o600
    opened = access("tcp://192.168.0.7:8786", secret_file=file)
    assert opened.address == "tls://192.168.0.7:8786"
    assert read_secret(file) not in repr(opened)


def test_a_new_secret_takes_the_place_of_none_that_others_may_hold(tmp_path: Path):
    file = tmp_path / "campaign.key"
    make_secret(file)
    first = read_secret(file)
    with pytest.raises(BadInput, match="is there already; give --secret-file"):
        make_secret(file)
    assert read_secret(file) == first
    with pytest.raises(BadInput, match="cannot be written"):
        make_secret(tmp_path / "no folder" / "campaign.key")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("x" * LEAST_SECRET, 0o644, "chmod 600"), ("x" * (LEAST_SECRET - 1), 0o600, "can be guessed")],
)
def test_a_secret_that_others_can_know_is_none(tmp_path: Path, text: str, mode: int, said: str):
    file = tmp_path / "campaign.key"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(BadInput, match=said):
        access("tcp://192.168.0.7:8786", secret_file=file)
    with pytest.raises(BadInput, match="cannot be read"):
        access("tcp://192.168.0.7:8786", secret_file=tmp_path / "none")


def test_half_a_key_and_two_keys_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="go together"):
        access("tcp://127.0.0.1:1", tls_ca=tmp_path / "ca.pem")
    with pytest.raises(BadInput, match="two keys"):
        access("tcp://127.0.0.1:1", tls_ca=tmp_path / "ca.pem", secret_file=tmp_path / "campaign.key")
    files = {name: tmp_path / f"{name}.pem" for name in ("tls_ca", "tls_cert", "tls_key")}
    with pytest.raises(BadInput, match="is no file"):
        access("tcp://192.168.0.7:1", **files)


def files_of(tls: Tls, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    files = {name: folder / f"ä {name}.pem" for name in ("tls_ca", "tls_cert", "tls_key")}
    for file, text in zip(files.values(), (tls.ca, tls.cert, tls.key), strict=True):
        file.write_text(text, encoding="utf-8")
    return files


def test_certificates_are_read_before_anything_is_started(tmp_path: Path):
    own, other = (files_of(tls_of_secret(letter * 32), tmp_path / letter) for letter in "ab")
    assert access("tcp://192.168.0.7:1", **own).tls == Tls(*map(str, own.values()))
    nothing, locked = tmp_path / "nothing", tmp_path / "locked"
    nothing.write_text("no certificate", encoding="utf-8")
    key = serialization.load_pem_private_key(own["tls_key"].read_bytes(), None)
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(*kinds, serialization.BestAvailableEncryption(b"geheim")))
    for wrong, said in (
        ({"tls_ca": nothing}, "holds no certificate"),
        ({"tls_key": other["tls_key"]}, "no certificate and its key"),
        ({"tls_cert": nothing}, "no certificate and its key"),
        ({"tls_key": locked}, "asks for a passphrase"),
    ):
        with pytest.raises(BadInput, match=said):
            access("tcp://192.168.0.7:1", **(own | wrong))


def shake_hands(client: Tls, server: Tls, folder: Path) -> None:
    """A whole TLS handshake in memory, each side believing its own certificate alone. Raises ssl.SSLError."""
    contexts = []
    for purpose, tls in ((ssl.Purpose.SERVER_AUTH, client), (ssl.Purpose.CLIENT_AUTH, server)):
        context = ssl.create_default_context(purpose, cadata=tls.ca)
        context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED
        (folder / "pem").write_text(tls.cert + tls.key, encoding="utf-8")
        context.load_cert_chain(folder / "pem")
        contexts.append(context)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [contexts[0].wrap_bio(back, there), contexts[1].wrap_bio(there, back, server_side=True)]
    waiting = [True, True]
    for _ in range(10):
        for number, side in enumerate(sides):
            try:
                side.do_handshake()
                waiting[number] = False
            except ssl.SSLWantReadError:
                continue
        if not any(waiting):
            return
    raise AssertionError("the handshake does not end")


def test_who_knows_the_secret_is_believed_and_nobody_else(tmp_path: Path):
    mine, yours, other = (tls_of_secret(secret) for secret in ("a" * 32, "a" * 32, "b" * 32))
    assert mine == yours
    shake_hands(mine, yours, tmp_path)
    with pytest.raises(ssl.SSLError):
        shake_hands(other, mine, tmp_path)


def test_a_key_without_a_scheduler_would_be_for_nothing():
    answer = CliRunner().invoke(main, ["run", "fanout/add-to-2", "--target", "cpu", "--secret-file", "k"])
    assert isinstance(answer.exception, BadInput)
    assert "give --scheduler" in str(answer.exception)
