"""The loopback device's lock: the one signature that is right opens it, and nothing near it does."""

from __future__ import annotations

import base64
import functools
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.adb.loopback.auth import PublicKey, parse_public_key
from runner.adb.server import bundled_adb

SIZE = 256
SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")
TOKEN = bytes(range(20))


def prime(draw: random.Random) -> int:
    """A probable prime of 1,024 bits with the two highest set, so that a product of two has 2,048."""
    small = [n for n in range(3, 2000) if all(n % d for d in range(2, n))]
    while True:
        number = draw.getrandbits(1024) | 3 << 1022 | 1
        if all(number % d for d in small) and pow(2, number - 1, number) == 1 and (number - 1) % 65537:
            return number


@functools.cache
def keys() -> tuple[PublicKey, int]:
    """A seeded pair: the public half, and the secret exponent."""
    draw = random.Random(0)
    p, q = prime(draw), prime(draw)
    return PublicKey(p * q, 65537), pow(65537, -1, (p - 1) * (q - 1))


def signed(block: bytes) -> bytes:
    public, secret = keys()
    return pow(int.from_bytes(block, "big"), secret, public.modulus).to_bytes(SIZE, "big")


def padded(
    digest: bytes, *, kind: int = 1, fill: bytes = b"\xff", rest: bytes = b"", count: int | None = None
) -> bytes:
    """A PKCS #1 v1.5 block, right by default."""
    count = SIZE - 3 - len(digest) if count is None else count
    return (bytes([0, kind]) + fill * count + b"\0" + digest + rest).ljust(SIZE, b"\0")


def android_structure(modulus: int, exponent: int, words: int = 64) -> str:
    numbers = modulus.to_bytes(SIZE, "little") + bytes(SIZE)
    packed = struct.pack("<II", words, 0) + numbers + struct.pack("<I", exponent)
    return base64.b64encode(packed).decode() + " somebody@somewhere\n"


def test_the_right_signature_is_taken() -> None:
    assert keys()[0].signed(TOKEN, signed(padded(SHA1 + TOKEN)))


def near_misses() -> Iterator[tuple[str, bytes, bytes]]:
    """What it is, the token, and a signature that must not be taken for it."""
    right = signed(padded(SHA1 + TOKEN))
    number, modulus = int.from_bytes(right, "big"), keys()[0].modulus
    yield "another token", bytes(20), right
    yield "an empty token", b"", signed(padded(SHA1))
    yield "a longer token", TOKEN + b"\0", signed(padded(SHA1 + TOKEN + b"\0"))
    yield "nothing", TOKEN, b""
    yield "cut", TOKEN, right[:-1]
    yield "with a byte more", TOKEN, right + b"\0"
    yield "with a byte before", TOKEN, b"\0" + right
    yield "zero", TOKEN, bytes(SIZE)
    yield "one", TOKEN, (1).to_bytes(SIZE, "big")
    yield "the block itself, unsigned", TOKEN, padded(SHA1 + TOKEN)
    yield "the same number, one modulus up", TOKEN, (number + modulus).to_bytes(SIZE + 1, "big")
    yield "its negative", TOKEN, (modulus - number).to_bytes(SIZE, "big")
    yield "block type 2", TOKEN, signed(padded(SHA1 + TOKEN, kind=2))
    yield "padded with zeros", TOKEN, signed(padded(SHA1 + TOKEN, fill=b"\0"))
    yield "short padding and rubbish behind", TOKEN, signed(padded(SHA1 + TOKEN, count=8, rest=b"\x5a" * 200))
    yield "no algorithm", TOKEN, signed(padded(TOKEN))
    yield "SHA-256's algorithm", TOKEN, signed(padded(bytes.fromhex("3031300d060960864801650304020105000420") + TOKEN))
    draw = random.Random(1)
    for _ in range(100):
        place, bit = draw.randrange(SIZE), 1 << draw.randrange(8)
        yield "a bit off", TOKEN, bytes(b ^ bit if i == place else b for i, b in enumerate(right))


def test_nothing_near_it_is_taken() -> None:
    public, _ = keys()
    assert [what for what, token, signature in near_misses() if public.signed(token, signature)] == []


def test_adbs_own_key_file_is_read(tmp_path: Path) -> None:
    subprocess.run([bundled_adb(), "keygen", tmp_path / "key"], check=True, capture_output=True)
    key = parse_public_key((tmp_path / "key.pub").read_text(encoding="utf-8"))
    assert key is not None
    assert key.exponent == 65537
    assert key.modulus.bit_length() == 2048
    assert key.modulus % 2 == 1


def test_the_structure_is_read_back_and_damaged_ones_are_no_key() -> None:
    public, _ = keys()
    good = android_structure(public.modulus, public.exponent)
    assert parse_public_key(good) == public
    damaged = ["", " ", "no base64!", good[:300], "AAAA" + good, android_structure(public.modulus, 65537, words=63)]
    damaged += [android_structure(public.modulus, exponent) for exponent in (0, 1, 2)]
    damaged += [android_structure(modulus, 65537) for modulus in (0, 1, public.modulus >> 1)]
    assert [text for text in damaged if parse_public_key(text) is not None] == []


@pytest.mark.parametrize("exponent", [0, 1])
def test_a_key_that_would_take_anything_is_no_key(exponent: int) -> None:
    """With an exponent of 1 the block itself is its own signature."""
    assert parse_public_key(android_structure(keys()[0].modulus, exponent)) is None
