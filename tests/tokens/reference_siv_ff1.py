"""One-value references of the two reversible primitives: AES-SIV by `cryptography`, FF1 step by step from SP 800-38G.

They share no code with the product. FF1 uses plain Python integers and one AES call at a time.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV


def siv(key: bytes, plaintext: bytes, associated: list[bytes]) -> bytes:
    return AESSIV(key).encrypt(plaintext, associated)


def siv_opened(key: bytes, ciphertext: bytes, associated: list[bytes]) -> bytes:
    """Raises InvalidTag for a forgery."""
    return AESSIV(key).decrypt(ciphertext, associated)


def ff1(key: bytes, tweak: bytes, radix: int, numerals: list[int], *, encrypt: bool = True) -> list[int]:
    """Algorithms 7 (encrypt) and 8 (decrypt); the numbers in comments are their steps."""
    n, t = len(numerals), len(tweak)
    u = n // 2  # 1
    v = n - u
    a, b_half = numerals[:u], numerals[u:]  # 2
    bits = 0
    while 2**bits < radix**v:  # ceil(v * log2(radix)), exactly
        bits += 1
    b = -(-bits // 8)  # 3
    d = 4 * -(-b // 4) + 4  # 4
    p = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256]) + n.to_bytes(4, "big") + t.to_bytes(4, "big")  # 5
    for i in range(10) if encrypt else reversed(range(10)):  # 6
        known = b_half if encrypt else a
        q = tweak + bytes((-t - b - 1) % 16) + bytes([i]) + number(known, radix).to_bytes(b, "big")  # 6.i
        r = prf(key, p + q)  # 6.ii
        s = r
        for j in range(1, -(-d // 16)):  # 6.iii
            s += aes(key, bytes(x ^ y for x, y in zip(r, j.to_bytes(16, "big"), strict=True)))
        y = int.from_bytes(s[:d], "big")  # 6.iv
        m = u if i % 2 == 0 else v  # 6.v
        if encrypt:
            c = (number(a, radix) + y) % radix**m  # 6.vi
            a, b_half = b_half, string(c, radix, m)  # 6.vii to 6.ix
        else:
            c = (number(b_half, radix) - y) % radix**m
            a, b_half = string(c, radix, m), a
    return a + b_half  # 7


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 - one AES call of FF1


def prf(key: bytes, data: bytes) -> bytes:
    """Algorithm 6: the last block of CBC from zero."""
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor().update(data)[-16:]


def number(numerals: list[int], radix: int) -> int:
    x = 0
    for numeral in numerals:
        x = x * radix + numeral
    return x


def string(x: int, radix: int, m: int) -> list[int]:
    out: list[int] = []
    for _ in range(m):
        out.insert(0, x % radix)
        x //= radix
    return out
