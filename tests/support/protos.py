"""Protocol buffers written by hand: files of models without TensorFlow."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """A number of at most 64 bits; negative ones as their complement, in ten bytes."""
    value &= (1 << 64) - 1
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, *values: bytes) -> bytes:
    """A length-delimited field, once for each value."""
    return b"".join(varint(number << 3 | 2) + varint(len(value)) + value for value in values)


def number(at: int, value: int) -> bytes:
    """A varint field."""
    return varint(at << 3) + varint(value)


def shape(*sides: int) -> bytes:
    """A TensorShapeProto; -1: any."""
    return b"".join(field(2, number(1, side)) for side in sides)


def node(name: str, operation: str, *inputs: str, **attributes: bytes) -> bytes:
    """A NodeDef."""
    entries = [field(1, key.encode()) + field(2, value) for key, value in attributes.items()]
    return (
        field(1, name.encode()) + field(2, operation.encode()) + field(3, *map(str.encode, inputs)) + field(5, *entries)
    )


def dtype(number_of_type: int) -> bytes:
    """An AttrValue of a type."""
    return number(6, number_of_type)


def a_shape(*sides: int) -> bytes:
    """An AttrValue of a shape."""
    return field(7, shape(*sides))


def a_tensor(*sides: int) -> bytes:
    """An AttrValue of a float tensor that says its shape alone."""
    return field(8, number(1, 1) + field(2, shape(*sides)))


def graph(*nodes: bytes) -> bytes:
    """A GraphDef."""
    return field(1, *nodes)
