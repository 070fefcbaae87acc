"""Surgery on an exported graph, all of it in standard ONNX: fold, fix the shapes, add the resize, remove the traces.

Each step takes a model and changes it in place. None changes what the graph computes, but for the last bits where a
batch normalisation is folded into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper


def free_batch(model: ModelProto, batch: int) -> bool:
    """Free a graph that was traced for ``batch`` images of that number; returns whether it could be done.

    Nothing else in the graph may be a multiple of ``batch``. Shapes of a Reshape are freed, each of its one axis that
    grows with the batch; the sizes of a Resize become scales. Where the number stands elsewhere, as in an Expand or in
    a weight that was repeated for each image, the graph is no use for another batch.
    """
    graph = model.graph
    shapes = {
        value.name: np.array([axis.dim_value for axis in value.type.tensor_type.shape.dim], np.int64)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    unknown = np.zeros(0, np.int64)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    if any(_grows(np.array(values.shape, np.int64), batch).any() for values in weights.values()):
        return False
    counts = {name for name, values in weights.items() if _grows(values, batch).any()}
    for node in graph.node:
        bound = [name for name in node.input if name in counts]
        if bound and node.op_type == "Resize":
            if not _scale(graph, node, shapes.get(node.input[0], unknown), weights[node.input[3]]):
                return False
            continue
        if (bound and node.op_type != "Reshape") or any(_grows(_numbers(each), batch).any() for each in node.attribute):
            return False
        if bound:
            shape = shapes.get(node.output[0], unknown)
            growing = _grows(shape, batch)
            if growing.sum() != 1 or not (shape | growing).all():
                return False
            node.input[1] = f"{node.output[0]}.shape"
            _add_weight(graph, node.input[1], np.where(growing, -1, shape))
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    return True


def _scale(graph: GraphProto, node: NodeProto, before: np.ndarray, after: np.ndarray) -> bool:
    """Let a Resize take scales for its sizes; returns whether they lead to the same ones.

    To name the axes that its sizes are of would be exact, but ONNX Runtime fails to move a transpose past such a node.
    """
    if before.shape != after.shape or not before.all():
        return False
    scales = (after / before).astype(np.float32)
    if (np.floor(scales * before.astype(np.float32)) != after).any():
        return False
    name = f"{node.output[0]}.scales"
    _add_weight(graph, name, scales)
    node.input[:] = [*node.input[:2], name]
    return True


def fold_batch_norms(model: ModelProto) -> int:
    """Fold each batch normalisation into the convolution that feeds it alone; returns how many.

    ``W' = W * g / sqrt(v + eps)`` and ``b' = (b - m) * g / sqrt(v + eps) + beta``, in float64.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    readers = _count_readers(graph)
    folded = 0
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        conv = makers.get(norm.input[0])
        constant = conv is not None and all(name in weights for name in [*conv.input[1:], *norm.input[1:]])
        if conv is None or conv.op_type != "Conv" or readers[conv.output[0]] != 1 or not constant:
            continue
        scale, shift, mean, variance = (_values(weights[name]) for name in norm.input[1:5])
        factor = scale / np.sqrt(variance + _attribute(norm, "epsilon", 1e-5))
        kernel = _values(weights[conv.input[1]])
        bias = _values(weights[conv.input[2]]) if len(conv.input) > 2 else np.zeros(len(kernel))
        stem = conv.output[0]
        _add_weight(graph, f"{stem}.weight", (kernel * factor.reshape(-1, 1, 1, 1)).astype(np.float32))
        _add_weight(graph, f"{stem}.bias", ((bias - mean) * factor + shift).astype(np.float32))
        conv.input[:] = [conv.input[0], f"{stem}.weight", f"{stem}.bias"]
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
        folded += 1
    return folded


def fold_divisions(model: ModelProto) -> int:
    """Fold a division by one number into the convolution that alone reads it; returns how many.

    The zeros that a convolution pads with are the same before and after, so that its borders do not change.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    readers = _count_readers(graph)
    folded = 0
    for conv in [node for node in graph.node if node.op_type == "Conv" and node.input[1] in weights]:
        division = makers.get(conv.input[0])
        if division is None or division.op_type != "Div" or readers[division.output[0]] != 1:
            continue
        divisor = weights.get(division.input[1])
        if divisor is None or _values(divisor).size != 1:
            continue
        kernel = _values(weights[conv.input[1]]) / _values(divisor).item()
        _add_weight(graph, f"{conv.output[0]}.divided", kernel.astype(np.float32))
        conv.input[:] = [division.input[0], f"{conv.output[0]}.divided", *conv.input[2:]]
        graph.node.remove(division)
        folded += 1
    return folded


def merge_slices(model: ModelProto) -> int:
    """Merge a Slice that is all another Slice reads, along other axes, into that one; returns how many."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    readers = _count_readers(graph)
    merged = 0
    for second in [node for node in graph.node if node.op_type == "Slice"]:
        first = makers.get(second.input[0])
        if first is None or first.op_type != "Slice" or readers[first.output[0]] != 1:
            continue
        if not all(
            len(node.input) == 5 and all(name in weights for name in node.input[1:]) for node in (first, second)
        ):
            continue
        names = zip(first.input[1:], second.input[1:], strict=True)
        pairs = [(_values(weights[one]), _values(weights[other])) for one, other in names]
        if set(pairs[2][0]) & set(pairs[2][1]):
            continue
        for place, pair in enumerate(pairs, start=1):
            name = f"{second.output[0]}.{place}"
            _add_weight(graph, name, np.concatenate(pair).astype(np.int64))
            second.input[place] = name
        second.input[0] = first.input[0]
        graph.node.remove(first)
        merged += 1
    return merged


def remove_unused(model: ModelProto) -> None:
    """Remove the nodes and weights that no output depends on."""
    graph = model.graph
    wanted = {output.name for output in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):  # ONNX asks for an order in which a node follows what it reads
        if any(output in wanted for output in node.output):
            wanted.update(node.input)
            kept.append(node)
    used = [tensor for tensor in graph.initializer if tensor.name in wanted]
    _replace(graph.node, reversed(kept))
    _replace(graph.initializer, used)


def share_weights(model: ModelProto) -> None:
    """Keep one of several equal weights: the same pooling matrix or shape is made at every use."""
    graph = model.graph
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same: dict[str, str] = {}
    for tensor in graph.initializer:
        key = (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())
        same[tensor.name] = first.setdefault(key, tensor.name)
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]


def add_resize(model: ModelProto, image: str, size: int) -> None:
    """Put the resize before the graph's first input: uint8 (N, H, W, 3) of any H and W -> (N, size, size, 3).

    ``Resize(linear, antialias, half_pixel, exclude_outside=1)`` on uint8 is Pillow's BILINEAR to within one grey level:
    ONNX Runtime computes it in the same fixed-point arithmetic. Without ``exclude_outside`` the borders differ by 14
    levels and more, because weights outside the image then fall on its edge in place of being left out.
    """
    graph = model.graph
    inner = graph.input[0].name
    sizes = f"{inner}.sizes"
    _add_weight(graph, sizes, np.array([size, size], np.int64))
    resize = helper.make_node(
        "Resize",
        [image, "", "", sizes],
        [inner],
        name="resize",
        mode="linear",
        antialias=1,
        exclude_outside=1,
        coordinate_transformation_mode="half_pixel",
        axes=[1, 2],
    )
    nodes = [resize, *graph.node]
    _replace(graph.node, nodes)
    outer = helper.make_tensor_value_info(image, onnx.TensorProto.UINT8, ["N", "H", "W", 3])
    _replace(graph.input, [outer, *graph.input[1:]])


def resize_alone(model: ModelProto, image: str) -> ModelProto:
    """The graph's resize of ``image``, of :func:`add_resize`, as a model of its own: what pixels the network sees."""
    graph = model.graph
    (resize,) = (node for node in graph.node if node.op_type == "Resize" and node.input[0] == image)
    alone = helper.make_graph(
        [resize],
        "resize",
        [helper.make_tensor_value_info(image, onnx.TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(resize.output[0], onnx.TensorProto.UINT8, ["N", None, None, 3])],
        [tensor for tensor in graph.initializer if tensor.name in resize.input],
    )
    return helper.make_model(alone, opset_imports=model.opset_import, ir_version=model.ir_version)


def add_default(model: ModelProto, name: str) -> None:
    """Make an input optional: without it, it is a row of zeros, which counts for every image.

    An input that is also a weight has that weight as its default (ONNX since IR version 4). One row, or one an image.
    """
    value = next(entry for entry in model.graph.input if entry.name == name)
    value.type.tensor_type.shape.dim[0].dim_param = "A"
    width = value.type.tensor_type.shape.dim[1].dim_value
    _add_weight(model.graph, name, np.zeros((1, width), np.float32))


def name_outputs(model: ModelProto, names: Iterable[str]) -> None:
    """Give the batch of every output the name of the input's, N, and check that the outputs are called ``names``."""
    assert [output.name for output in model.graph.output] == list(names)
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_param = "N"


def name_batch(model: ModelProto, shape: tuple[int, int, int]) -> None:
    """Say that the resized images, (N, *shape), are as many as the images.

    A runtime cannot tell it from the resize, and one that does not know that two maps are of one length cannot add them
    up inside the convolution before.
    """
    resize = next(node for node in model.graph.node if node.op_type == "Resize")
    value = helper.make_tensor_value_info(resize.output[0], onnx.TensorProto.UINT8, ["N", *shape])
    model.graph.value_info.append(value)


def fix_batch(model: ModelProto, batch: int) -> None:
    """Let the graph take and give ``batch`` images at a time and no other number; height and width stay free."""
    optional = {tensor.name for tensor in model.graph.initializer}
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.name in optional:  # one row for all images, as its default is
            value.type.tensor_type.shape.dim[0].dim_value = 1
            continue
        value.type.tensor_type.shape.dim[0].dim_value = batch


def strip(model: ModelProto) -> None:
    """Remove what tells of the exporting machine and of the exporter's insides: traces, paths, names of nodes.

    Names of weights and values are numbered anew, so that the same network gives the same bytes.
    """
    graph = model.graph
    model.doc_string = ""
    del model.metadata_props[:]
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:]
    graph.name = "hierattn"
    outside = {value.name for value in [*graph.input, *graph.output]} | {""}
    names: dict[str, str] = {name: name for name in outside}
    for tensor in graph.initializer:
        names[tensor.name] = f"w{len(names)}"
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}_{number}"
        for output in node.output:
            names.setdefault(output, f"v{len(names)}")
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    for node in graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]


def _count_readers(graph: GraphProto) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys((output for node in graph.node for output in node.output), 0)
    for name in [name for node in graph.node for name in node.input] + [output.name for output in graph.output]:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _values(tensor: onnx.TensorProto) -> np.ndarray:
    return np.asarray(numpy_helper.to_array(tensor), np.float64)


def _grows(values: np.ndarray, batch: int) -> np.ndarray:
    """Which whole numbers are multiples of ``batch``."""
    return (values != 0) & (values % batch == 0) if values.dtype == np.int64 else np.zeros(values.shape, bool)


def _numbers(attribute: onnx.AttributeProto) -> np.ndarray:
    return numpy_helper.to_array(attribute.t) if attribute.HasField("t") else np.array([attribute.i, *attribute.ints])


def _attribute(node: NodeProto, name: str, default: float) -> float:
    return next((float(attribute.f) for attribute in node.attribute if attribute.name == name), default)


def _add_weight(graph: GraphProto, name: str, values: np.ndarray) -> None:
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _replace(field: object, items: Iterable[object]) -> None:
    """Put ``items`` in place of a repeated field's."""
    kept = list(items)
    copies = [type(item)() for item in kept]
    for copy, item in zip(copies, kept, strict=True):
        copy.CopyFrom(item)  # type: ignore[attr-defined]
    del field[:]  # type: ignore[attr-defined]
    field.extend(copies)  # type: ignore[attr-defined]
