"""Key bytes that do not travel: no pickle, no copy, no text, and wiped as well as Python allows [C14]."""

from __future__ import annotations

import contextlib
import hmac
import os
import weakref
from types import TracebackType
from typing import NoReturn, Self, final

from transforms.errors import InternalError


class Unshareable:
    """A base for objects that hold keys: refuses pickle, copy and deepcopy, and hides itself in text.

    Every refusal is a TypeError, as for any object that cannot be pickled; what may travel is a `KeyRef`.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied: pass a KeyRef and open it where it is used")

    def __getstate__(self) -> NoReturn:
        # Serialisers that go round __reduce_ex__ (jsonpickle does, on a TypeError) ask for the state next.
        self.__reduce_ex__(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: hidden>"


@final
class SecretKey(Unshareable):
    """The bytes of one key, of any length but zero.

    A bytearray is adopted, not copied: the caller's buffer is what `wipe` overwrites. Used as a context manager, it wipes
    itself at the end. Python and OpenSSL may hold further copies (key schedules, freed memory) that nobody can wipe from here;
    `hardening.harden_process` keeps them out of core dumps.
    """

    __slots__ = ("_raw", "_views")

    def __init__(self, raw: bytes | bytearray) -> None:
        if not raw:
            raise InternalError("a key has no bytes")
        self._raw = raw if isinstance(raw, bytearray) else bytearray(raw)
        self._views: list[weakref.ref[memoryview]] = []

    @classmethod
    def random(cls, size: int = 32) -> Self:
        """A key of `size` bytes from the operating system's generator (SP 800-133 section 4)."""
        return cls(os.urandom(size))

    def reveal(self) -> memoryview:
        """A read-only view of the bytes for the moment of use; not a copy, and it cannot be pickled either.

        The view ends with `wipe`: using it after that is a ValueError. Errors: InternalError once the key is wiped.
        """
        if not self._raw:
            raise InternalError("a key was used after it was wiped")
        view = memoryview(self._raw).toreadonly()
        self._views = [*(held for held in self._views if held() is not None), weakref.ref(view)]
        return view

    def wipe(self) -> None:
        """Ends every view from `reveal` and overwrites the bytes; a second call does nothing.

        Errors: InternalError while a slice of a view is still held: whoever holds it would go on with a key of zeros, which is
        worse than a key that stays in memory. Nothing is overwritten then.
        """
        try:
            for held in self._views:
                view = held()
                if view is not None:
                    view.release()
            self._overwrite()
        except BufferError:
            raise InternalError("a key was wiped while something still holds a part of it") from None

    def _overwrite(self) -> None:
        if not self._raw:
            return
        # A bytearray refuses (BufferError) to change its length while it is viewed; shrinking by one byte is how to ask it.
        self._raw.pop()
        self._raw[:] = bytes(len(self._raw))
        self._raw.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.wipe()

    def __del__(self) -> None:
        # A view may outlive its key (`AESGCM(open_key().reveal())`): then the bytes stay until the view goes.
        with contextlib.suppress(BufferError, AttributeError):
            self._overwrite()

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same bytes, in time that depends on the lengths only [C20]."""
        if not isinstance(other, SecretKey):
            return NotImplemented
        return hmac.compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a function of the key
