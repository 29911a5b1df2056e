"""What a learner calls: `compare` for a report, `assert_same` for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from ..convert import unboxed
from ..modes import no_grad
from ..tape import Array, before, fit, pull, walk
from ..tensor import Tensor
from .factors import named_factors, sizes
from .judge import (
    ABSENT,
    INHERITED,
    OK,
    OTHER,
    SMALL,
    WRONG,
    Diagnosis,
    Row,
    distance,
    fitted,
    judge,
    largest,
    tolerance,
)
from .mistakes import SENTENCES
from .naming import Search
from .replay import Backward, Edge, slopes, sources
from .report import Report, Witness

NAN = float("nan")
SAME = "the mistake of"


def compare(
    loss: Tensor,
    grads: Mapping[str, Any],
    model: Any = None,
    *,
    value: float | None = None,
    scale: float = 1.0,
    transposed: bool | None = None,
) -> Report:
    """Gradients by hand against autodiff's, tensor by tensor, and which mistakes explain them.

    `grads` maps names to gradients: arrays, Tensors, nested lists or numbers. A name is the
    `name` of a tensor that `loss` was computed from, intermediate or input, or a parameter's dotted
    path in `model`; any subset will do. Shapes are never broadcast. Two gradients are the same if
    the norm of their difference is up to 1e-9 of theirs, 1e-4 if either is float32. What follows
    from a wrong gradient above by the right rule is "inherited", not wrong. For the wrong ones the
    mistakes of `mistakes.py` are made on purpose, until the gradients come out as handed in: up to
    five in a chain, for at most 6 seconds.

    Conventions: `scale` is the loss by hand over `loss`, such as n for a sum where `loss` is a mean;
    it is found out if `value`, the loss by hand, is handed in, which is then judged first.
    `transposed` says whether matrices are handed in as transposes. If it is None, it is found out
    from shapes, as are lost axes of size 1; so is a 1/n that parameters have and intermediates do
    not. The verdict is then "ok, other convention".

    The tape stays, no `.grad` changes and no hook runs; it works before `backward()` and after
    `backward(retain_graph=True)`. RuntimeError for a tape that was released and a loss of several
    elements; ValueError for a name that is unknown, ambiguous, or of a tensor that needs no
    gradient, and for a scale of 0; TypeError for what is not numbers.

    >>> x = tensor([[1.0, 2.0]]); w = tensor([[3.0], [4.0]], requires_grad=True, name="w")
    >>> z = x @ w
    >>> z.name = "z"
    >>> loss = (z * z).sum()
    >>> report = compare(loss, {"z": 2 * z.data, "w": x.data.T @ z.data})
    >>> report.ok, report.first_wrong.name, report.first_wrong.diagnoses[0].slug
    (False, 'w', 'factor-half')
    >>> print(report)
    tensor  shape   max abs err  rel err  verdict     diagnosis
    z       (1, 1)  0.0e+00      0.0e+00  ok
    w       (2, 1)  2.2e+01      5.0e-01  wrong here  the 2 of a square forgotten, or a 1/2 too many
    1 gradient agrees, 1 is wrong on its own. Fix w first.
    w: element (1, 0): yours 22, autodiff 44, finite difference 44.
    """
    check_options(model, scale, transposed)
    if value is not None:
        value = float(as_gradient("the loss", value).reshape(()))
    check_loss(loss)
    if not isinstance(grads, Mapping):
        raise TypeError(
            f"compare: the gradients are a {type(grads).__name__}; give a dictionary, such as "
            '{"fc1.weight": dW}'
        )
    if not grads:
        raise ValueError("compare: the dictionary of gradients is empty: nothing to compare")
    order = list(backward_order(loss))
    parameters = dict(model.named_parameters(remove_duplicate=False)) if model is not None else {}
    asked = find(grads, order, parameters)
    yours = {t: as_gradient(name, grads[name]) for t, name in asked.items()}

    with no_grad(), np.errstate(all="ignore"):
        true: dict[Tensor, Any] = {}
        pull([(loss, np.ones(loss.shape, loss.dtype))], keep=True, hooks=False, found=true)
        nodes = list(walk(loss))
        first, scale = judged_value(loss, nodes, value, scale)
        raw = {t: g / scale if scale != 1 else g for t, g in yours.items()}
        own, told = laid_out(raw, transposed)
        n, late = deferral(nodes, own, true)
        own = {t: g / n if t in late else g for t, g in own.items()}
        back = Backward(nodes, {t: g.astype(t.dtype) for t, g in own.items()}, {})
        size = scale_of(loss)
        absent = {p: name for name, p in reversed(parameters.items()) if p.requires_grad}
        rows: dict[Tensor, Row] = {}
        for t in dict.fromkeys([*order, *asked, *reversed(absent)]):
            if t in yours:
                zero = np.zeros(t.shape, t.dtype)  # for a parameter that this loss does not use
                right, follows = (np.asarray(g.get(t, zero)) for g in (true, back.made))
                row = judge(asked[t], raw[t], own.get(t), right, follows, size, told.get(t, ""))
                if row.verdict == WRONG and t in own and cancelled(back, t, own[t], right):
                    row = replace(row, verdict=SMALL, note="all that is left is rounding")
                elif row.verdict == WRONG and t in own and at_kinks(loss, t, own[t], right):
                    row = replace(
                        row, verdict=OTHER, note="differs at kinks, where it is a slope too"
                    )
                rows[t] = row
            elif t in absent:
                rows[t] = Row(absent[t], t.shape, NAN, NAN, ABSENT, "")
        rows = {t: put_off(row, n) if t in late else row for t, row in rows.items()}
        labels = {t: row.name for t, row in rows.items()} | {t: t.name for t in nodes if t.name}
        search = Search(back, {t: own.get(t, raw[t]) for t in raw}, labels)
        rows, formula = named(search, rows)
        found = witness(loss, rows, own, true)
        words = f"Yours are divided by scale, {scale:g}. " if scale != 1 else ""
        words += (
            common(rows, scale) + formula + " The search for the mistake was cut off." * search.late
        )
        told_of = (*first, *blamed(loss, rows))
        return Report(float(loss.data.item()), told_of, found, words.strip())


def judged_value(
    loss: Tensor, nodes: list[Tensor], value: float | None, scale: float
) -> tuple[tuple[Row, ...], float]:
    """The row of the loss by hand, if it was handed in, and its scale: a factor that has a name,
    such as the batch size, is a convention."""
    if value is None:
        return (), scale
    here = float(loss.data.item())
    coarse = 1e-9 if loss.dtype == np.float64 else 1e-5

    def near(c: float) -> bool:
        return bool(np.isclose(value, c * here, rtol=coarse, atol=1e-12))

    error = (abs(value - scale * here), abs(value / (scale * here) - 1) if here else NAN)
    if near(scale):
        return (Row("loss value", (), *error, OK, ""),), scale
    if scale == 1:
        for c, names in named_factors(*sizes(nodes), []).items():
            if c > 0 and len(names[0]) == 1 and near(c):
                note = f"{c:g} times the recorded one: {names[0][0][1]}; gradients are judged so"
                return (Row("loss value", (), *error, OTHER, note),), c
    note = f"yours {value:.6g}, recorded {scale * here:.6g}"
    return (Row("loss value", (), *error, WRONG, note),), scale


def common(rows: Mapping[Tensor, Row], scale: float) -> str:
    """A hint where everything handed in is wrong by one factor alone, which may be a convention."""
    handed = [row for row in rows.values() if row.verdict != ABSENT]
    wrong = [row for row in handed if row.diagnoses]
    if (
        scale != 1
        or len(handed) < 2
        or len(wrong) != 1
        or any(row.verdict in (OK, OTHER) for row in handed)
    ):
        return ""
    slugs = {d.slug for d in wrong[0].diagnoses}
    if not slugs & {"mean-missing", "mean-twice", "mean-count", "factor-2", "factor-half"}:
        return ""
    return "If the loss by hand is scaled so, pass value= or scale=. "


def at_kinks(loss: Tensor, t: Tensor, mine: Array, right: Array) -> bool:
    """Whether two gradients differ in few elements, in which the loss has a kink and the one handed
    in lies between the slopes on either side, as 1 does for relu at 0."""
    differ = np.argwhere(~np.isclose(mine, right, rtol=1e-6, atol=1e-6 * largest(right)))
    if not 0 < len(differ) <= 16:
        return False
    for place in differ:
        element = tuple(int(i) for i in place)
        sides = slopes(loss, t, element)
        if sides is None:
            return False
        low, high = min(sides), max(sides)
        margin = 1e-3 * (high - low)
        noise = 1e-8 * max(1.0, abs(float(loss.data.item())))
        if high - low <= noise or not low - margin <= mine[element] <= high + margin:
            return False
    return True


def cancelled(back: Backward, t: Tensor, mine: Array, right: Array) -> bool:
    """Whether both gradients are no larger than the rounding of the sums that they are made by, as
    before a batch normalisation, where the exact one is 0."""
    precision = max(np.finfo(a.dtype).eps for a in (mine, right))
    most = max(largest(mine), largest(right))
    return most < np.inf and bool(most <= 8 * precision * sum(map(summands, back.into.get(t, ()))))


def summands(e: Edge) -> float:
    """The largest sum of magnitudes that an element of an edge's part is the sum of."""
    if e.node.op.name == "matmul" and e.g.ndim == 2:
        other, g = np.abs(e.node.args[1 - e.i]).mT, np.abs(e.g)
        return largest(other @ g if e.i else g @ other)
    return largest(fit(np.abs(e.raw), e.p.data))


def laid_out(
    raw: Mapping[Tensor, Array], transposed: bool | None
) -> tuple[dict[Tensor, Array], dict[Tensor, str]]:
    """The gradients in the shapes of their tensors, where that can be, and what was done to them.

    Axes of size 1 may come and go, and a matrix may come as its transpose, as in the convention of
    columns or of weights (in, out): if all do whose shape can tell, of the leaves or of the
    intermediates. Square ones follow the others.
    """
    own, told = {}, {}
    for leaves in (True, False):
        group = {t: g for t, g in raw.items() if (t.op is None) == leaves}
        shapes = [(t.shape, g.shape) for t, g in group.items() if t.ndim == 2 and g.ndim == 2]
        turned = {a == b[::-1] for a, b in shapes if a[0] != a[1] and 1 not in a}
        turn = turned == {True} if transposed is None else transposed
        for t, g in group.items():
            fits = fitted(g, t.shape)
            if turn and g.ndim == t.ndim == 2 and g.shape == t.shape[::-1]:
                own[t] = g.T
                told[t] = "yours is the transpose"
            elif fits is not None:
                own[t] = fits
    return own, told


def deferral(
    nodes: list[Tensor], own: Mapping[Tensor, Array], true: Mapping[Tensor, Any]
) -> tuple[int, set[Tensor]]:
    """n, and the tensors whose gradients lack a 1/n that those of parameters have: intermediates
    and inputs. Else 1.

    Where some are wrong, it is the convention that leaves fewer of them wrong on their own.
    """
    n, _ = sizes(nodes)

    def near(t: Tensor, g: Array, right: Mapping[Tensor, Any]) -> bool:
        return distance(g, np.asarray(right.get(t, 0 * g)))[1] <= tolerance(g, t.data)

    late = {
        t for t, g in own.items() if t.op is not None or (n in t.shape and near(t, g / n, true))
    }
    if n < 2 or all(t.op is None for t in late) or len(late) == len(own):
        return 1, set()

    def result(factor: int) -> tuple[list[Tensor], int]:
        """The tensors that agree with autodiff, and how many neither do nor inherit."""
        mine = {t: g / factor if t in late else g for t, g in own.items()}
        made = Backward(nodes, {t: g.astype(t.dtype) for t, g in mine.items()}, {}).made
        good = [t for t, g in mine.items() if near(t, g, true)]
        return good, sum(not near(t, g, made) for t, g in mine.items() if not near(t, g, true))

    (good, wrong), (better, left) = result(1), result(n)
    more = len(better) - len(good)
    both = len({t in late for t in better}) == 2
    settled = (left < wrong and more >= 0) or (left == wrong and more > 0 and both)
    return (n, late) if settled else (1, set())


def put_off(row: Row, n: int) -> Row:
    """The row of an intermediate whose 1/n comes later."""
    if row.verdict != OK:
        return row
    words = SENTENCES["mean-deferred"].format(n=n)
    return replace(row, verdict=OTHER, diagnoses=(Diagnosis("mean-deferred", words, True),))


def named(search: Search, rows: dict[Tensor, Row]) -> tuple[dict[Tensor, Row], str]:
    """The rows with the mistakes that explain the wrong ones, and the first one's formulas.

    What the mistake of a row above explains is inherited.
    """
    wrong = [t for t, row in rows.items() if row.verdict == WRONG]
    found = search.explain(wrong) if wrong else {}
    first = found.get(wrong[0]) if wrong else None
    formula = f"{rows[wrong[0]].name}: {first.formula}." if first and first.formula else ""
    for t, finding in found.items():
        rows[t] = replace(rows[t], diagnoses=finding.diagnoses)
        for u in finding.also:
            rows[u] = replace(rows[u], verdict=INHERITED, note=f"{SAME} {rows[t].name}")
    return rows, formula


def assert_same(
    loss: Tensor,
    grads: Mapping[str, Any],
    model: Any = None,
    *,
    value: float | None = None,
    scale: float = 1.0,
    transposed: bool | None = None,
) -> None:
    """Raise AssertionError with the table of `compare`, unless its report is ok.

    >>> x = tensor(3.0, requires_grad=True, name="x")
    >>> assert_same(x * x, {"x": 6.0})
    """
    __tracebackhide__ = True  # pytest then shows the caller's line
    report = compare(loss, grads, model, value=value, scale=scale, transposed=transposed)
    if not report.ok:
        raise AssertionError(f"gradients differ from autodiff\n{report}")


def check_options(model: Any, scale: Any, transposed: Any) -> None:
    """Raise unless these are options of `compare`."""
    if model is not None and (isinstance(model, type) or not hasattr(model, "named_parameters")):
        raise TypeError(
            f"compare: model is {model!r:.60}; give the Module whose parameters have the names"
        )
    if not isinstance(scale, int | float | np.number) or not np.isfinite(scale) or not scale:
        raise ValueError(
            f"compare: scale is {scale!r:.60}; give the loss by hand over this loss, a number"
        )
    if transposed not in (None, True, False):
        raise ValueError(f"compare: transposed is {transposed!r:.60}; give True, False or None")


def check_loss(loss: Any) -> None:
    """Raise unless `loss` is a Tensor that a backward pass can start from."""
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"compare: the loss is a {type(loss).__name__}; give the Tensor that was computed, "
            "not its value"
        )
    if not loss.requires_grad:
        raise RuntimeError(
            "compare: the loss does not require grad: nothing that it was computed from has "
            "requires_grad=True, or it was computed inside no_grad()"
        )
    if loss.data.size != 1:
        raise RuntimeError(
            f"compare: the loss has shape {loss.shape} and must have one element; take its sum or "
            "mean, as the gradients by hand do"
        )


def released(node: Any) -> NoReturn:
    raise RuntimeError(
        f"compare: the record of {node.op.name} was released by backward(); call compare before "
        "it, or call backward(retain_graph=True)"
    )


def backward_order(loss: Tensor) -> Iterable[Tensor]:
    """The tape in the order in which a backward pass completes the gradients: a leaf's is
    complete when the operation that used it first is through."""
    nodes = list(walk(loss, released=released))
    done = {t: i for i, t in enumerate(nodes)}
    for i, node in enumerate(nodes):
        for p in node.parents:
            if p is not None and before(p, node.serial).op is None:
                done[before(p, node.serial)] = i
    return sorted(nodes, key=lambda t: (done[t], t.op is None))


def scale_of(loss: Tensor) -> float:
    """The largest finite number among the loss and what it was made of: a loss of 0 may be a
    difference of large numbers."""
    arrays = [loss.data, *(p.data for p in loss.parents if p is not None and p.requires_grad)]
    return max(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays)


def find(
    names: Iterable[str], order: list[Tensor], parameters: dict[str, Tensor]
) -> dict[Tensor, str]:
    """The tensor of each name."""
    known: dict[str, dict[Tensor, None]] = {name: {p: None} for name, p in parameters.items()}
    earlier = {t.extra.previous for t in order if t.extra is not None}
    for t in order:
        if t.name and t not in earlier:  # a change in place takes the name along
            known.setdefault(t.name, {})[t] = None
    asked: dict[Tensor, str] = {}
    for name in names:
        if name not in known:
            raise ValueError(unknown(name, list(known)))
        t, *others = known[name]
        if others:
            shapes = ", ".join(str(t.shape) for t in (t, *others))
            raise ValueError(
                f"compare: {1 + len(others)} tensors are called {name!r}, of shapes {shapes}; "
                "give each a name of its own"
            )
        if not t.requires_grad:
            raise ValueError(
                f"compare: {name!r} needs no gradient; set requires_grad=True on it before the "
                "loss is computed, or leave it out"
            )
        if t in asked:
            raise ValueError(
                f"compare: {asked[t]!r} and {name!r} are the same tensor; hand in one gradient"
            )
        asked[t] = name
    return asked


def unknown(name: Any, known: list[str]) -> str:
    """The text about a name that no tensor has."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    if not known:
        remedy = "no tensor has a name: set t.name, or pass model= for its parameters"
    else:
        shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
        remedy = f"known are {shown}"
    return f"compare: no tensor is called {name!r}{guess} {remedy}"


def as_gradient(name: str, value: Any) -> Array:
    """What was handed in as an array of floats, of the type that it has."""
    try:
        a = np.asarray(unboxed(value))
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"compare: the gradient of {name!r} is not an array: {error}") from None
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"compare: the gradient of {name!r} is a {type(value).__name__}, not an array of "
            "real numbers; leave a tensor out to skip it"
        )
    return a if a.dtype.kind == "f" else a.astype(np.float64)


def named_above(row: Row) -> bool:
    """Whether a mistake of another row explains this one, which is not made of that one."""
    return row.verdict == INHERITED and row.note.startswith(SAME)


def blamed(loss: Tensor, rows: dict[Tensor, Row]) -> tuple[Row, ...]:
    """The rows, with the tensors that the inherited ones have their mistake from.

    If all above agree within the tolerance, it is their rounding that cancellation made visible.
    """
    wrong = {t: row.name for t, row in rows.items() if row.verdict == WRONG or named_above(row)}
    above = sources(loss, wrong)
    names = [row.name for row in rows.values()]
    told = []
    for t, row in rows.items():
        if row.verdict == INHERITED and not named_above(row):
            causes = sorted(above.get(t, ()), key=names.index)
            cause = "from " + ", ".join(causes) if causes else "the rounding above explains it"
            note = "; ".join(filter(None, (cause, row.note)))
            row = replace(row, verdict=INHERITED if causes else SMALL, note=note)
        told.append(row)
    return tuple(told)


def witness(
    loss: Tensor,
    rows: dict[Tensor, Row],
    yours: Mapping[Tensor, Array],
    true: dict[Tensor, Any],
) -> Witness | None:
    """The worst element of the first wrong gradient, and what a finite difference says."""
    for t, row in rows.items():
        mine = yours.get(t)
        if row.verdict == WRONG and mine is not None:
            right = np.asarray(true.get(t, np.zeros(t.shape)))
            difference = np.abs(mine.astype(np.float64) - right)
            place = np.unravel_index(np.argmax(difference), t.shape)
            element = tuple(int(i) for i in place)
            sides = slopes(loss, t, element)
            numbers = float(mine[element]), float(right[element])
            return Witness(row.name, element, *numbers, sides, float(loss.data.item()))
    return None
