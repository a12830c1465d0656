"""Reads a POSIX access control list as far as one question needs: is this file open to anybody but us?

systemd hands a credential to a service's user as a root-owned file with such a list; its mode then shows the list's mask in the
group bits and looks open to a group that cannot read it.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from typing import Final

_XATTR: Final = "system.posix_acl_access"  # acl(5); layout in linux/posix_acl_xattr.h
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")  # tag, permissions, user or group id
_VERSION: Final = 2
_USER_OBJ: Final = 0x01
_USER: Final = 0x02
_MASK: Final = 0x10


def readable_by_us_alone(descriptor: int) -> bool:
    """Whether a list gives permissions to the owner and to this process's user only; False where the file has no list."""
    if sys.platform != "linux" or os.fstat(descriptor).st_mode & stat.S_IRWXO:
        return False
    try:
        encoded = os.getxattr(descriptor, _XATTR)
    except OSError:
        return False
    if len(encoded) < _HEADER.size or _HEADER.unpack_from(encoded)[0] != _VERSION:
        return False
    if (len(encoded) - _HEADER.size) % _ENTRY.size:
        return False
    return all(
        not permissions or tag in (_USER_OBJ, _MASK) or (tag == _USER and identity == os.geteuid())
        for tag, permissions, identity in _ENTRY.iter_unpack(encoded[_HEADER.size :])
    )
