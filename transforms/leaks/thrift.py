"""The Thrift compact protocol, read without a schema: every text in a Parquet footer or page header, in known fields or not.

Source: Apache Thrift, "Thrift Compact protocol encoding" (thrift-compact-protocol.md).
"""

from __future__ import annotations

from collections.abc import Iterator

Value = bool | int | bytes | list["Value"] | dict[int, "Value"]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(1, 14)
_DEEPEST = 24


class ThriftError(Exception):
    """The bytes are not a Thrift struct."""


class ThriftReader:
    """Reads structs from `data`; `position` is where the next byte is."""

    def __init__(self, data: bytes | memoryview, position: int = 0) -> None:
        self._data = memoryview(data)
        self.position = position

    def struct(self, depth: int = 0) -> dict[int, Value]:
        """The fields of one struct by their ids.

        Raises:
            ThriftError: the bytes end early, nest too deep, repeat a field or have a type that does not exist.
        """
        fields: dict[int, Value] = {}
        field = 0
        while header := self._byte():
            delta, kind = header >> 4, header & 15
            field = field + delta if delta else self._zigzag()
            if field in fields:
                raise ThriftError
            fields[field] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        if depth > _DEEPEST:
            raise ThriftError
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list a boolean has a byte of its own
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in (_LIST, _SET):
            header = self._byte()
            size = self._varint() if header >> 4 == 15 else header >> 4
            return [self._value(header & 15, depth + 1) for _ in range(self._plausible(size))]
        if kind == _MAP:
            size = self._plausible(self._varint())
            kinds = self._byte() if size else 0
            return [self._value(part, depth + 1) for _ in range(size) for part in (kinds >> 4, kinds & 15)]
        if kind == _STRUCT:
            return self.struct(depth)
        if kind == _UUID:
            return self._take(16)
        raise ThriftError

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise ThriftError
        self.position += 1
        return self._data[self.position - 1]

    def _take(self, size: int) -> bytes:
        self.position += self._plausible(size)
        return bytes(self._data[self.position - size : self.position])

    def _plausible(self, size: int) -> int:
        if size > len(self._data) - self.position:
            raise ThriftError
        return size

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ThriftError

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)


def texts(value: Value) -> Iterator[bytes]:
    """Every string of bytes in a value, at any depth."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
