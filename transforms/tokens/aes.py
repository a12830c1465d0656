"""AES as a bare block cipher over many blocks at a time: the one place of this project that uses ECB.

CMAC, AES-SIV and FF1 are built from single AES calls (SP 800-38B section 5, RFC 5297, SP 800-38G section 4.3). Many unrelated calls
under one key are made as one call here, which libraries name ECB. What it returns never leaves as a ciphertext by itself:
`docs/spec/tokens.md` says why that is safe here, and nowhere else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from transforms.contract.buffers import Bytes

KEY_BYTES: Final = 32
BLOCK: Final = 16
SPARE: Final = BLOCK - 1  # room behind a buffer that OpenSSL asks for
CHUNK_ROWS: Final = 32_768  # 512 KiB of state: stays in the second-level cache, and keeps the calls few
BLOCK_TYPE: Final = np.dtype("V16")

Blocks = npt.NDArray[np.void]
Key = bytes | bytearray | memoryview


class BlockCipher:
    """The block cipher under one key, which stays inside.

    Callers hold their key to 32 bytes; 16 and 24 are taken too, because official vectors have them.
    """

    def __init__(self, key: Key) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - see above

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not leave its process")

    def encrypt(self, buffer: Bytes) -> None:
        """Encrypts whole blocks in place; the last SPARE bytes are room, and whatever is in them is lost."""
        whole = (len(buffer) - SPARE) // BLOCK * BLOCK
        self._encryptor.update_into(buffer[:whole].data, buffer.data)


def block_buffer(blocks: int) -> Bytes:
    """Room for some blocks that `BlockCipher.encrypt` can work on."""
    return np.zeros(blocks * BLOCK + SPARE, np.uint8)


def xor(target: Bytes, other: Blocks | Bytes) -> None:
    """XORs whole blocks into `target`, eight bytes at a time."""
    words = target.view(np.uint64)
    words ^= other.view(np.uint64)
