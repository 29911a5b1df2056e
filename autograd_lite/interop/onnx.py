"""Models as ONNX files, which onnxruntime runs and Netron shows.

A model is run twice, on a batch and on a larger one, and what the two records have in common is
the graph: what differs is the size of the batch, or depends on the input without a record. Rows are
asked for their form: by their name, if ONNX has an operator of that name, else by what their
forward does on Symbols.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine.axes import axes_of
from ..engine.declare import public
from ..engine.modes import enable_grad
from ..engine.op import Op
from ..engine.rules import ops
from ..engine.tape import Array
from ..engine.tensor import Tensor, as_tensor
from ..program.chain import Tape
from ..program.expr import UNWRITTEN, Symbol, is_number

__all__ = ["export"]


def export(
    model: Any,
    args: Any,
    f: str | os.PathLike[str] | None = None,
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    dynamic_batch: bool = True,
    opset_version: int = 20,
) -> Any:
    """Return a model as an `onnx.ModelProto`, and write it to the file `f` if one is named.

    `args` are example inputs, a tensor or array of floats or a tuple of them, with the batch along
    axis 0; the file takes batches of any size unless `dynamic_batch` is false. The model runs in
    evaluation mode; a function of Tensors will do. Initial values have the names of the parameters.
    The result is checked with ONNX's own evaluator against the model; onnxruntime has some
    operators in float32 alone, so that `model.float()` is what to export for it. ImportError
    without the package onnx; TypeError for an operation that has no form in ONNX, which is named;
    ValueError if the graph depends on values, or in another way than by its shapes on the size of
    the batch.

    >>> proto = export(nn.Linear(2, 1), np.ones((4, 2), "float32"))  # doctest: +SKIP
    >>> [node.op_type for node in proto.graph.node]  # doctest: +SKIP
    ['Transpose', 'MatMul', 'Add']
    """
    onnx = _onnx()
    inputs = [as_tensor(x).array for x in (args if isinstance(args, tuple) else (args,))]
    for i, a in enumerate(inputs):
        if a.dtype.kind != "f" or (dynamic_batch and a.ndim == 0):
            raise TypeError(
                f"export: input {i} is {a.dtype} of shape {a.shape}; give floats with a batch "
                "axis, or dynamic_batch=False for a number"
            )
    names = _named("input", input_names, len(inputs))
    with _evaluating(model):
        first = Graph(model, inputs, names, opset_version)
        second = Graph(model, [_other(a, dynamic_batch) for a in inputs], names, opset_version)
    results = _named("output", output_names, len(first.outputs))
    proto = _model(type(model).__name__, first, second, names, results, opset_version)
    onnx.checker.check_model(proto, full_check=True)
    for run in (first, second):
        _check(proto, names, run)
    if f is not None:
        onnx.save(proto, os.fspath(f))
    return proto


def _model(
    title: str,
    first: Graph,
    second: Graph,
    names: Sequence[str],
    results: Sequence[str],
    opset_version: int,
) -> Any:
    """What two runs have in common as ONNX's own objects."""
    onnx = _onnx()
    helper = onnx.helper
    made = {node[2] for node in first.nodes}
    last = {n: out for (n, _), out in zip(first.outputs, results, strict=True) if n in made}
    nodes = [
        helper.make_node(kind, [last.get(i, i) for i in ins], [last.get(out, out)], **kw)
        for kind, ins, out, kw in first.nodes
    ]
    nodes += [
        helper.make_node("Identity", [last.get(name, name)], [result])
        for (name, _), result in zip(first.outputs, results, strict=True)
        if last.get(name) != result
    ]

    def described(name: str, a: Array, b: Array) -> Any:
        shape = [n if n == m else "batch" for n, m in zip(a.shape, b.shape, strict=True)]
        return helper.make_tensor_value_info(name, _type(a.dtype), shape)

    graph = helper.make_graph(
        nodes,
        title,
        [described(*one) for one in zip(names, first.inputs, second.inputs, strict=True)],
        [
            described(name, a, b)
            for name, (_, a), (_, b) in zip(results, first.outputs, second.outputs, strict=True)
        ],
        [onnx.numpy_helper.from_array(a, name) for name, a in _joined(first, second).items()],
    )
    opset = helper.make_opsetid("", opset_version)
    return helper.make_model(
        graph,
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name="autograd_lite",
    )


def _onnx() -> Any:
    try:
        import onnx
        import onnx.reference
    except ImportError:
        raise ImportError("export needs a package; install it with: pip install onnx") from None
    return onnx


def _named(word: str, names: Sequence[str], n: int) -> list[str]:
    if names and len(names) != n:
        raise ValueError(f"export: {len(names)} {word}_names for {n} {word}s")
    return list(names) or [word + f"_{i}" * (n > 1) for i in range(n)]


def _other(a: Array, longer: bool) -> Array:
    """Another input: other values in another order, and one row more."""
    shape = (a.shape[0] + 1, *a.shape[1:]) if longer else a.shape
    return np.asarray(np.resize(a.ravel()[::-1] * 0.875 + 0.0625, shape), a.dtype)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode, in which every parameter is recorded; afterwards all is as it was."""
    modules = [(m, m.training) for m in getattr(model, "modules", list)()]
    parameters = [(p, p.requires_grad) for p in getattr(model, "parameters", list)()]
    try:
        for module, _ in modules:
            module.training = False
        for p, _ in parameters:
            p.requires_grad = True
        with enable_grad(), np.errstate(all="ignore"):
            yield
    finally:
        for module, training in modules:
            module.training = training
        for p, needed in parameters:
            p.requires_grad = needed


def _joined(first: Graph, second: Graph) -> dict[str, Array]:
    """The constants of both; the size of the batch in a new shape is -1, what there is left."""
    if [n[:3] for n in first.nodes] != [n[:3] for n in second.nodes]:
        raise ValueError(
            "export: the model takes another path for another batch, so it is no one graph; "
            "dynamic_batch=False keeps the size of the batch; choose by values with np.where"
        )
    constants = {}
    for name, (a, op) in first.constants.items():
        b = second.constants[name][0]
        if a.shape != b.shape and (same := _alike(a, b)) is not None:
            a = b = same
        if a.shape != b.shape or not np.array_equal(a, b, equal_nan=True):
            place = np.flatnonzero(a != b) if a.shape == b.shape else ()
            if name not in first.shapes or len(place) != 1:
                raise ValueError(
                    f"export: {op.name} uses {a.dtype} {a.shape} that differs from batch to batch "
                    "and has no record, such as a mask, an index or the size of the batch; "
                    "compute it with recorded operations, a mask inside of an Op"
                )
            a = a.copy()
            a[place] = -1
        constants[name] = a
    for one, other in zip(first.nodes, second.nodes, strict=True):
        if one[3] != other[3]:
            raise ValueError(
                f"export: {one[0]} has {one[3]} for one batch and {other[3]} for another"
            )
    return constants


def _alike(a: Array, b: Array) -> Array | None:
    """One row of what has equal rows for every batch, as the first state of a recurrence has."""
    if a.ndim != b.ndim:
        return None
    axes = [i for i, (n, m) in enumerate(zip(a.shape, b.shape, strict=True)) if n != m]
    row = a[tuple([slice(1) if i in axes else slice(None) for i in range(a.ndim)])]
    alike = len(axes) == 1 and np.array_equal(np.broadcast_to(row, a.shape), a)
    return row if alike and np.array_equal(np.broadcast_to(row, b.shape), b) else None


def _check(proto: Any, names: Sequence[str], run: Graph) -> None:
    """Raise unless ONNX computes what the model did."""
    found = (
        _onnx()
        .reference.ReferenceEvaluator(proto)
        .run(None, dict(zip(names, run.inputs, strict=True)))
    )
    for (name, right), y in zip(run.outputs, found, strict=True):
        close = {2: 0.03, 4: 3e-4, 8: 1e-5}.get(right.itemsize, 0)  # its functions are of float32
        if y.shape != right.shape or not np.allclose(y, right, close, close, equal_nan=True):
            raise ValueError(
                f"export: in ONNX {name} comes out otherwise than in the model; a row has the name "
                f"of an operator that means something else: {sorted({n[0] for n in run.nodes})}"
            )


def _outputs(model: Any, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """What a model computes, with a record."""
    outputs = model(*tensors)
    outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
    for y in outputs:
        if not isinstance(y, Tensor) or not y.requires_grad:
            kind = f"{y.dtype} tensor" if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(
                f"export: the model gave a {kind} without a record; give what recorded operations "
                "computed from the input"
            )
    return outputs


class Graph:
    """One run of a model as nodes of ONNX."""

    def __init__(
        self, model: Any, inputs: Sequence[Array], names: Sequence[str], opset: int
    ) -> None:
        self.opset = opset
        self.inputs = inputs
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, tuple[Array, Op]] = {}
        self.shapes: set[str] = set()  # the constants that are shapes of a Reshape
        self.counts: dict[str, int] = {}
        self.names: dict[int, str] = {}  # of values, by the Symbol
        self.known: list[Any] = []  # so that no identity is given out twice
        tensors = [Tensor(a, requires_grad=True) for a in inputs]
        outputs = _outputs(model, tensors)
        labels = {id(p): name for name, p in getattr(model, "named_parameters", dict)()}
        labels |= {id(t): name for t, name in zip(tensors, names, strict=True)}
        self.counts |= dict.fromkeys(labels.values(), 1)
        symbols: dict[Any, Symbol] = {}
        tape = Tape(*outputs)
        users = {p: t.op for t in reversed(tape.nodes) for p in tape.inputs[t] if p is not None}
        for node in tape.nodes:
            symbol = symbols[node] = Symbol("", node.array)
            if node.op is None:
                name = labels.get(id(node)) or self.new(node.name or "constant")
                if not any(node is t for t in tensors):
                    self.constants[name] = node.array, users.get(node, ops.copy)
            else:
                given = [
                    a if p is None else symbols[p]
                    for p, a in zip(tape.inputs[node], node.args, strict=True)
                ]
                name = self.call(node.op, given, node.kw or {})
            self.name(symbol, name)
        self.outputs = [(self.names[id(symbols[y])], y.array) for y in outputs]

    # ---- names and values

    def new(self, word: str) -> str:
        """A name that nothing has."""
        n = self.counts[word] = self.counts.get(word, 0) + 1
        return word if n == 1 else self.new(f"{word}_{n}")

    def name(self, symbol: Symbol, name: str) -> str:
        self.names[id(symbol)] = name
        self.known.append(symbol)
        return name

    def constant(self, a: Any, op: Op, dtype: Any = None) -> str:
        name = self.new(f"{op.name}_constant")
        self.constants[name] = np.asarray(a, dtype, order="C"), op
        return name

    def value(self, x: Any, op: Op, dtype: Any = None) -> str:
        """The name of an input of `op`, in this dtype."""
        if not isinstance(x, Symbol):
            return self.constant(x, op, dtype)
        if id(x) not in self.names:
            self.name(x, self.call(x.op, x.inputs, x.kw))
        name = self.names[id(x)]
        if dtype is not None and x.dtype != dtype:
            name = self.node("Cast", [name], to=_type(dtype))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        out = self.new(kind.lower())
        self.nodes.append((kind, inputs, out, attributes))
        return out

    # ---- operations

    def call(self, op: Op, inputs: Sequence[Any], kw: dict[str, Any]) -> str:
        """The name of the result of an operation."""
        form = FORMS.get(op)
        if form is not None:
            return form(self, op, inputs, **kw)
        if op.kind == "reduction" and kw.keys() == {"axis", "keepdims"}:
            kind = _operator(f"reduce{op.name}", self.opset)
            if kind is not None:
                return self.reduced(kind, op, inputs[0], **kw)
        elif op.elementwise or op.ufunc is not None or op.kind in ("along", "product"):
            for name in _also(op):
                kind = _operator(name, self.opset, kw)
                if kind is not None:
                    return self.node(kind, self.alike(op, inputs), **kw)
        return self.expanded(op, inputs, kw)

    def alike(self, op: Op, inputs: Sequence[Any]) -> list[str]:
        """The inputs in one dtype, as ONNX promotes none; a condition stays what it is."""
        rest = inputs[1:] if op is ops.where else inputs
        dtypes = [x.dtype for x in rest if not is_number(x)]
        dtype = np.result_type(*dtypes, *[x for x in rest if is_number(x)])
        names = [self.value(x, op, dtype) for x in rest]
        return names if rest is inputs else [self.value(inputs[0], op, bool), *names]

    def reduced(self, kind: str, op: Op, x: Any, axis: Any, keepdims: bool = False) -> str:
        if x.ndim == 0:
            return self.node("Identity", [self.value(x, op)])
        axes = self.constant(axes_of(x, axis), op, np.int64)
        return self.node(kind, [self.value(x, op), axes], keepdims=int(keepdims))

    def expanded(self, op: Op, inputs: Sequence[Any], kw: dict[str, Any]) -> str:
        """What the forward of an operation does, or what it is made of."""
        forward = MADE_OF.get(op.forward, op.forward)
        symbols = [x if isinstance(x, Symbol) or is_number(x) else self.held(x, op) for x in inputs]
        try:
            result = forward(*symbols, **kw)
            if not isinstance(result, Symbol) or result.op is op:
                raise TypeError("it is one operation, not made of others")
        except UNWRITTEN as error:
            raise TypeError(
                f"export: {op.name} has no form in ONNX: there is no operator of that name, and "
                f"{error}; write the model without it"
            ) from error
        return self.value(result, op)

    def held(self, a: Any, op: Op) -> Symbol:
        """An array as a Symbol."""
        symbol = Symbol("", a)
        self.name(symbol, self.constant(a, op))
        return symbol


def _also(op: Op) -> Iterator[str]:
    """The names of an operation: its own, PyTorch's, NumPy's and ONNX's."""
    yield ALSO.get(op.ufunc, "")
    yield op.name
    yield from (n for n, f in public.items() if f is public.get(op.name))


def _type(dtype: Any) -> int:
    found: int = _onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return found


def _operator(name: str, opset: int, kw: Mapping[str, Any] | None = None) -> str | None:
    """ONNX's operator of this name that takes this metadata, if there is one."""
    defs = _onnx().defs
    if not OPERATORS:
        OPERATORS.update({s.name.lower(): s.name for s in defs.get_all_schemas() if not s.domain})
    found = OPERATORS.get(name.replace("_", ""))
    if found is None or not (kw or {}).keys() <= defs.get_schema(found, opset).attributes.keys():
        return None
    return found


OPERATORS: dict[str, str] = {}

# ---- operations whose metadata stand elsewhere in ONNX -------------------------------------------


def _attributes(kind: str, **words: str) -> Callable[..., str]:
    """A form with metadata under other names."""

    def form(g: Graph, op: Op, inputs: Sequence[Any], **kw: Any) -> str:
        return g.node(
            kind, [g.value(x, op) for x in inputs], **{words[k]: v for k, v in kw.items()}
        )

    return form


def _reshape(g: Graph, op: Op, inputs: Sequence[Any], shape: Any) -> str:
    new = g.constant(shape, op, np.int64)
    g.shapes.add(new)
    return g.node("Reshape", [g.value(inputs[0], op), new])


def _expand(g: Graph, op: Op, inputs: Sequence[Any], shape: Any) -> str:
    x = inputs[0]
    old = (1,) * (len(shape) - x.ndim) + x.shape
    # 1 leaves a size as it is, which may be that of the batch
    new = [1 if n == m else n for n, m in zip(shape, old, strict=True)]
    return g.node("Expand", [g.value(x, op), g.constant(new, op, np.int64)])


def _transpose(g: Graph, op: Op, inputs: Sequence[Any], axes: Any = None) -> str:
    n = inputs[0].ndim
    order = [*range(n - 2), n - 1, n - 2] if axes is None else list(axes)
    if not order:
        return g.value(inputs[0], op)
    return g.node("Transpose", [g.value(inputs[0], op)], perm=order)


def _power(g: Graph, op: Op, inputs: Sequence[Any], p: float) -> str:
    x = inputs[0]
    return g.node("Pow", [g.value(x, op), g.constant(p, op, x.dtype)])


def _cast(g: Graph, op: Op, inputs: Sequence[Any], dtype: Any) -> str:
    return g.node("Cast", [g.value(inputs[0], op)], to=_type(dtype))


def _round(g: Graph, op: Op, inputs: Sequence[Any], decimals: int = 0) -> str:
    if decimals:
        return g.value(np.rint(inputs[0] * 10.0**decimals) / 10.0**decimals, op)
    return g.node("Round", [g.value(inputs[0], op)])


def _cumsum(g: Graph, op: Op, inputs: Sequence[Any], axis: int) -> str:
    return g.node("CumSum", [g.value(inputs[0], op), g.constant(axis, op, np.int64)])


def _joined_along(g: Graph, op: Op, inputs: Sequence[Any], axis: int) -> str:
    dtype = np.result_type(*[x.dtype for x in inputs])
    names = [g.value(x, op, dtype) for x in inputs]
    if op is ops.stack:
        at = g.constant([axis], op, np.int64)
        names = [g.node("Unsqueeze", [name, at]) for name in names]
    return g.node("Concat", names, axis=axis)


def _pad(g: Graph, op: Op, inputs: Sequence[Any], width: Any, value: float) -> str:
    x = inputs[0]
    if not width:
        return g.value(x, op)
    pads = g.constant([*[low for low, _ in width], *[high for _, high in width]], op, np.int64)
    return g.node("Pad", [g.value(x, op), pads, g.constant(value, op, x.dtype)])


def _flip(g: Graph, op: Op, inputs: Sequence[Any], axis: Any) -> str:
    axes = axes_of(inputs[0], axis)
    return _sliced(g, op, g.value(inputs[0], op), [(i, slice(None, None, -1)) for i in axes])


def _sliced(g: Graph, op: Op, name: str, slices: list[tuple[int, slice]]) -> str:
    far = 2**62
    parts = [
        [(far if s.start is None else s.start) if down(s) else s.start or 0 for _, s in slices],
        [(-far if down(s) else far) if s.stop is None else s.stop for _, s in slices],
        [axis for axis, _ in slices],
        [s.step or 1 for _, s in slices],
    ]
    return g.node("Slice", [name, *[g.constant(part, op, np.int64) for part in parts]])


def down(s: slice) -> bool:
    return (s.step or 1) < 0


def _getitem(g: Graph, op: Op, inputs: Sequence[Any], index: Any) -> str:
    """Slices, numbers and new axes, or one array of whole numbers."""
    items = _items(inputs[0], index)
    old = [i for i in items if i is not None]
    name = g.value(inputs[0], op)
    slices = [(k, i) for k, i in enumerate(old) if isinstance(i, slice) and i != slice(None)]
    if slices:
        name = _sliced(g, op, name, slices)
    for axis, i in reversed([*enumerate(old)]):
        if not isinstance(i, slice):
            name = g.node("Gather", [name, g.constant(i, op, np.int64)], axis=axis)
    kept = [i for i in items if not isinstance(i, int | np.integer)]
    new = [k for k, i in enumerate(kept) if i is None]
    if new:
        name = g.node("Unsqueeze", [name, g.constant(new, op, np.int64)])
    return name


def _items(x: Any, index: Any) -> list[Any]:
    """What an index says of each axis, without an ellipsis; TypeError for two that are no slices,
    of which one is an array, and for a mask."""
    items = list(index) if isinstance(index, tuple) else [index]
    taken = sum(i is not None and i is not Ellipsis for i in items)
    at = next((k for k, i in enumerate(items) if i is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (x.ndim - taken)
    chosen = [i for i in items if i is not None and not isinstance(i, slice)]
    arrays = [i for i in chosen if not isinstance(i, int | np.integer)]
    fine = all(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in arrays)
    if not fine or (arrays and len(chosen) > 1):
        raise TypeError(
            "export: an index of several arrays, or of a mask, has no form in ONNX; write it with "
            "slices, or with one array of whole numbers"
        )
    return items


def _moving(d: int, kw: dict[str, Any]) -> dict[str, Any]:
    """How windows move along d axes, in ONNX's words."""
    steps = {"strides": kw.get("stride"), "dilations": kw.get("dilation")}
    return {k: list(v or (1,) * d) for k, v in steps.items()}


def _conv(kind: str) -> Callable[..., str]:
    def form(g: Graph, op: Op, inputs: Sequence[Any], groups: int = 1, **kw: Any) -> str:
        size, given = inputs[1].shape[2:], inputs[0].shape[2:]
        moving = _moving(len(size), kw)
        if "shape" in kw:  # more than the windows reach
            along = zip(kw["shape"], given, size, *moving.values(), strict=True)
            more = [n - ((o - 1) * s + t * (k - 1) + 1) for n, o, k, s, t in along]
            moving |= {"output_padding": more}
        return g.node(kind, g.alike(op, inputs), kernel_shape=list(size), group=groups, **moving)

    return form


def _image(g: Graph, op: Op, x: Any, d: int) -> str:
    """An input of (samples, channels, ...), which ONNX's pooling takes."""
    if x.ndim != d + 2:
        raise TypeError(
            f"export: {op.name} of shape {x.shape} has no form in ONNX, where windows are of "
            "(samples, channels, ...); give it these axes"
        )
    return g.value(x, op)


def _max_pool(g: Graph, op: Op, inputs: Sequence[Any], size: Any, **kw: Any) -> str:
    name, moving = _image(g, op, inputs[0], len(size)), _moving(len(size), kw)
    return g.node("MaxPool", [name], kernel_shape=list(size), **moving)


def _window_sum(g: Graph, op: Op, inputs: Sequence[Any], size: Any, **kw: Any) -> str:
    """The means, times how many elements they are of."""
    name = _image(g, op, inputs[0], len(size))
    if "dilation" in kw:
        raise TypeError(f"export: {op.name} with a dilation has no form in ONNX")
    strides = _moving(len(size), kw)["strides"]
    mean = g.node("AveragePool", [name], kernel_shape=list(size), strides=strides)
    return g.node("Mul", [mean, g.constant(math.prod(size), op, inputs[0].dtype)])


FORMS: dict[Op, Callable[..., str]] = {
    # ONNX has an operator for each, with its metadata as inputs, or under other names
    ops.reshape: _reshape,
    ops.expand: _expand,
    ops.permute: _transpose,
    ops.mT: _transpose,
    ops.copy: _attributes("Identity"),
    ops.cast: _cast,
    ops.flip: _flip,
    ops.getitem: _getitem,
    ops.concatenate: _joined_along,
    ops.stack: _joined_along,
    ops.pad: _pad,
    ops.power: _power,
    ops.round: _round,
    ops.cumsum: _cumsum,
    ops.prod: lambda g, op, inputs: g.reduced("ReduceProd", op, inputs[0], -1),
    ops.fmod: lambda g, op, inputs: g.node("Mod", g.alike(op, inputs), fmod=1),
    ops.einsum: _attributes("Einsum", spec="equation"),
    ops.conv: _conv("Conv"),
    ops.conv_input: _conv("ConvTranspose"),
    ops.max_pool: _max_pool,
    ops.window_sum: _window_sum,
    ops.leaky_relu: _attributes("LeakyRelu", slope="alpha"),
}
ALSO = {  # what ONNX calls functions of NumPy that are no rows, or rows of another name
    np.maximum: "max",
    np.minimum: "min",
    np.greater_equal: "greaterorequal",
    np.less_equal: "lessorequal",
    np.logical_and: "and",
    np.logical_or: "or",
    np.logical_xor: "xor",
    np.logical_not: "not",
    np.rint: "round",
    np.bitwise_and: "and",
    np.bitwise_or: "or",
    np.invert: "not",
}
MADE_OF: dict[Any, Callable[..., Any]] = {  # functions of NumPy that ONNX has not
    np.expm1: lambda x: np.exp(x) - 1,
    np.log1p: lambda x: np.log(1 + x),
    np.exp2: lambda x: np.exp(x * math.log(2)),
    np.log2: lambda x: np.log(x) / math.log(2),
    np.log10: lambda x: np.log(x) / math.log(10),
    np.trunc: lambda x: np.sign(x) * np.floor(abs(x)),
    np.cbrt: lambda x: np.sign(x) * abs(x) ** (1 / 3),
    np.remainder: lambda a, b: a - np.floor(a / b) * b,
    np.logaddexp: lambda a, b: np.maximum(a, b) + np.log(1 + np.exp(-abs(a - b))),
    np.hypot: lambda a, b: np.sqrt(a * a + b * b),
    np.not_equal: lambda a, b: ~(a == b),
}
