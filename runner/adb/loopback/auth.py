"""Who may use the loopback device: the adb server that holds the private half of one known key.

Source: packages/modules/adb/protocol.txt (AUTH) and crypto/rsa_2048_key.cpp, libcrypto_utils/android_pubkey.cpp of
AOSP. The server signs our 20-byte token as if it were a SHA-1 hash, PKCS #1 v1.5, 2048 bits.

Key insight: the signature is not taken apart. The one block that can be right is built and compared as a whole, so
there is no parser to fool.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

TOKEN_BYTES = 20
_SIZE = 256
_STRUCTURE = struct.Struct(f"<II{_SIZE}s{_SIZE}sI")  # words of the modulus, -1/n[0], modulus, R squared, exponent
_SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")
"""ASN.1 of DigestInfo with SHA-1 (RFC 8017, 9.2, note 1)."""


@dataclass(frozen=True)
class PublicKey:
    modulus: int
    exponent: int

    def signed(self, token: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's of `token`."""
        number = int.from_bytes(signature, "big")
        if len(signature) != _SIZE or len(token) != TOKEN_BYTES or number >= self.modulus:
            return False
        digest = _SHA1_PREFIX + token
        block = b"\x00\x01" + b"\xff" * (_SIZE - 3 - len(digest)) + b"\x00" + digest
        return pow(number, self.exponent, self.modulus).to_bytes(_SIZE, "big") == block


def parse_public_key(text: str) -> PublicKey | None:
    """The key of an `adbkey.pub`: base64 of Android's structure, then a comment. None where it is no such file."""
    try:
        words, _, modulus, _, exponent = _STRUCTURE.unpack(base64.b64decode(text.split()[0], validate=True))
    except (IndexError, ValueError, struct.error):
        return None
    key = PublicKey(int.from_bytes(modulus, "little"), exponent)
    return key if words * 4 == _SIZE and key.modulus.bit_length() == 8 * _SIZE and exponent in (3, 65537) else None
