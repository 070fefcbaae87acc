"""Look into an ONNX file without running it and without the ``onnx`` package: the wire format of Protocol Buffers.

A bundle may come from anywhere. Before ONNX Runtime sees it, this tells whether it is a whole ONNX model and whether
it asks for anything that a bundle has no business with: data in other files, operators that are not ONNX's own,
functions, or graphs within the graph (loops). The web app and other runtimes without access to a model's metadata can
read it in the same way; docs/bundle.md shows how.

Field numbers are those of ``onnx.proto`` (ModelProto, GraphProto, NodeProto, TensorProto), which never change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hierattn.errors import BundleError

# ModelProto
_GRAPH, _OPSET_IMPORT, _METADATA, _FUNCTIONS = 7, 8, 14, 25
# GraphProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE_INITIALIZER = 1, 5, 11, 12, 15
# NodeProto, AttributeProto
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
# TensorProto
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Value = int | memoryview

MAX_FIELDS = 50_000
"""In one message. A HierAttn graph has some hundred nodes; a file of millions would only cost time."""


@dataclass
class OnnxSummary:
    """What an ONNX file says of itself.

    Attributes
    ----------
    metadata
        Its ``metadata_props``.
    opsets
        Domain -> version; ONNX's own domain is ``""``.
    inputs, outputs
        Names.
    defaults
        Names of inputs that have a value where none is given.
    operators
        How often each operator occurs in the graph.
    objections
        What a bundle must not contain, in words; empty where there is nothing.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    defaults: set[str] = field(default_factory=set)
    operators: Counter[str] = field(default_factory=Counter)
    objections: set[str] = field(default_factory=set)

    @property
    def nodes(self) -> int:
        """Number of nodes of the graph."""
        return sum(self.operators.values())


def summarise(model: bytes, name: str) -> OnnxSummary:
    """Read ``model``, the bytes of an ONNX file.

    Parameters
    ----------
    model
        The whole file.
    name
        What an error calls it.

    Raises
    ------
    BundleError
        Where the bytes are not a whole ONNX model.
    """
    summary = OnnxSummary()
    try:
        for number, value in _fields(memoryview(model)):
            if number == _GRAPH:
                _read_graph(_message(value), summary)
            elif number == _OPSET_IMPORT:
                domain, version = _text_of(_message(value), 1), _number_of(_message(value), 2)
                summary.opsets["" if domain == "ai.onnx" else domain] = version
            elif number == _METADATA:
                summary.metadata[_text_of(_message(value), 1)] = _text_of(_message(value), 2)
            elif number == _FUNCTIONS:
                summary.objections.add("functions of its own")
    except ValueError as error:
        raise BundleError(
            f"{name} is no whole ONNX file ({error}): wanted a bundle from 'hierattn export'; copy or export it again"
        ) from None
    if not summary.nodes or not summary.opsets:
        raise BundleError(f"{name} is no ONNX model: wanted a bundle from 'hierattn export'; export it again")
    summary.objections.update(f"operators of {domain}" for domain in summary.opsets if domain)
    return summary


def _read_graph(graph: memoryview, summary: OnnxSummary) -> None:
    weights: set[str] = set()
    for number, value in _fields(graph):
        if number == _NODE:
            _read_node(_message(value), summary)
        elif number == _INITIALIZER:
            _read_tensor(_message(value), summary)
            weights.add(_text_of(_message(value), _TENSOR_NAME))
        elif number == _INPUT:
            summary.inputs.append(_text_of(_message(value), 1))
        elif number == _OUTPUT:
            summary.outputs.append(_text_of(_message(value), 1))
        elif number == _SPARSE_INITIALIZER:
            summary.objections.add("sparse weights")
    summary.defaults = weights.intersection(summary.inputs)


def _read_node(node: memoryview, summary: OnnxSummary) -> None:
    operator = None
    for number, value in _fields(node):
        if number == _OP_TYPE and operator is None:
            operator = str(_message(value), "utf-8")
        elif number == _DOMAIN:
            if (domain := str(_message(value), "utf-8")) not in ("", "ai.onnx"):
                summary.objections.add(f"operators of {domain}")
        elif number == _ATTRIBUTE:
            for part, content in _fields(_message(value)):
                if part in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    summary.objections.add("graphs within the graph")
                elif part in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                    _read_tensor(_message(content), summary)
    summary.operators[operator or ""] += 1


def _read_tensor(tensor: memoryview, summary: OnnxSummary) -> None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
            summary.objections.add("data in other files")


def _text_of(message: memoryview, wanted: int) -> str:
    for number, value in _fields(message):
        if number == wanted:
            return str(_message(value), "utf-8")  # UnicodeDecodeError is a ValueError
    return ""


def _number_of(message: memoryview, wanted: int) -> int:
    return next((value for number, value in _fields(message) if number == wanted and isinstance(value, int)), 0)


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message was due")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The fields of one message in their order: (field number, number or bytes)."""
    place = count = 0
    end = len(message)
    while place < end:
        count += 1
        if count > MAX_FIELDS:
            raise ValueError(f"more than {MAX_FIELDS:,} parts in one message")
        key = message[place]
        place += 1
        if key >= 0x80:  # nearly all numbers are of one byte, and a call for each takes longer than all else here
            key, place = _varint(message, place - 1)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field without a number")
        if kind == _VARINT:
            whole, place = _varint(message, place)
            yield number, whole
            continue
        if kind == _BYTES:
            length = message[place] if place < end else 0x80
            place += 1
            if length >= 0x80:
                length, place = _varint(message, place - 1)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if place + length > end:
            raise ValueError("it ends too early")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and the place after it."""
    result = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("it ends too early")
        byte = message[place]
        place += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, place
    raise ValueError("a number that does not end")
