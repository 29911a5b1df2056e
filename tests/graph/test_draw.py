"""What a drawing says: nodes, edges, gradients, formulas, modules, notes."""

import gc
import weakref

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, is_grad_enabled, manual_seed, no_grad, ops, rand, randn, tensor
from autograd_lite.engine import rules as F
from autograd_lite.engine.op import KINDS, Op, table
from autograd_lite.graph import draw
from autograd_lite.graph.cards import FAMILIES
from autograd_lite.graph.collapse import LIMIT
from autograd_lite.graph.model import Card
from autograd_lite.graph.theme import LIGHT
from autograd_lite.program.names import number


class Linear:
    def __init__(self, n, m):
        self.n, self.m = n, m
        self.weight = randn(m, n, requires_grad=True)
        self.bias = randn(m, requires_grad=True)

    def __call__(self, x):
        return x @ self.weight.mT + self.bias

    def __repr__(self):
        return f"Linear({self.n}, {self.m})"


class Net:
    """Duck-typed: all that draw asks of a model is named_parameters()."""

    def __init__(self, *layers):
        self.layers = layers

    def __getitem__(self, i):
        return self.layers[i]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def named_parameters(self, prefix=""):
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Net):
                yield from layer.named_parameters(f"{prefix}{i}.")
            elif isinstance(layer, Linear):
                yield f"{prefix}{i}.weight", layer.weight
                yield f"{prefix}{i}.bias", layer.bias


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


def mlp():
    net = Net(Linear(5, 4), F.relu, Linear(4, 3))
    x = Tensor(np.linspace(-1, 1, 10).reshape(2, 5).astype("float32"), name="x")
    target = Tensor(np.array([0, 2]), name="target")
    loss = ops.nll(F.log_softmax(net(x)), target, n=2)
    return net, loss


def card(g, title) -> Card:
    (node,) = [n for n in g.drawing.nodes if n.title == title]
    return node


def edges(g):
    return [(e.source, e.target) for e in g.drawing.edges]


def scalar(requires_grad=True):
    x = tensor(3.0, requires_grad=requires_grad, name="x")
    return x, x * x + x


# ---- nodes, edges, numbers


def test_a_repeated_input_is_two_edges_and_their_gradients_are_signed_numbers():
    x, y = scalar()
    g = draw(y)
    assert edges(g) == [("n1", "n2"), ("n1", "n2"), ("n1", "n3"), ("n2", "n3"), ("n3", "out")]
    assert [e.grads for e in g.drawing.edges] == [[3.0], [3.0], [1.0], [1.0], [1.0]]
    assert all(e.signed for e in g.drawing.edges)
    assert card(g, "x").grad == "grad 7" and card(g, "x").value == "value 3"
    assert draw(-x * 2).drawing.edges[0].grads == [-2.0]
    g = draw(F.where(np.array(True), x * x, x) - x.detach() * x)
    assert [e.grads for e in g.drawing.edges if e.source == "n1"] == [[3.0], [3.0], [0.0], [-3.0]]
    w = tensor(2.0, requires_grad=True)
    assert [e.grads[0] for e in draw(w**w).drawing.edges[:2]] == [4.0, pytest.approx(2.7725887)]


def test_gradients_on_edges_are_those_of_backward():
    a = randn(4, 3, requires_grad=True, dtype="float64")
    b = randn(3, requires_grad=True, dtype="float64")
    h = F.tanh(a * b)
    h.retain_grad()
    y = (h + b).sum()
    g = draw(y)
    y.backward(retain_graph=True)
    into = {e.target: e.grads[0] for e in g.drawing.edges if e.source == "n4"}
    assert into == {"n5": pytest.approx(np.linalg.norm(h.grad.array))}
    parts = [e.grads[0] for e in g.drawing.edges if e.source == "n2"]
    via_mul = (h.grad.array * (1 - h.array**2) * a.array).sum(0)
    via_add = np.full(3, 4.0)
    assert parts == [pytest.approx(np.linalg.norm(v)) for v in (via_mul, via_add)]
    assert np.allclose(b.grad.array, via_mul + via_add)
    assert card(g, "w1").grad == f"grad norm {number(np.linalg.norm(a.grad.array))}"


def test_a_result_of_several_elements_gets_ones():
    x = Tensor(np.ones(9), requires_grad=True)
    g = draw(x * 2)
    assert g.drawing.edges[-1].grads == [3.0] and g.drawing.edges[0].grads == [6.0]
    assert g.drawing.facts[-1] == "gradients of sum(y)"


def test_norms_neither_overflow_nor_lose_small_numbers():
    for size in (1e200, 1e-200):
        x = Tensor(np.ones(4), requires_grad=True)
        (edge,) = [e for e in draw((x * size).sum()).drawing.edges if e.source == "n1"]
        assert edge.grads == [pytest.approx(2 * size)]


def test_formulas_are_those_of_the_rules_that_are_run():
    _, y = scalar()
    g = draw(y)
    assert card(g, "mul").forward == "u = x * x"
    assert card(g, "mul").backward == ["d_x += d_u * x", "d_x += d_u * x"]
    assert card(g, "mul").saved == ["x"]
    assert (
        card(g, "add").backward == ["d_u = d_loss", "d_x += d_loss"] and card(g, "add").saved == []
    )
    square = Op("square2", lambda x: x * x, lambda g, y, x: g * 2 * x)
    assert card(draw(square(tensor(2.0, requires_grad=True))), "square2").backward == [
        "d_w = d_loss * 2 * w"
    ]


def test_inputs_that_need_no_gradient_have_no_rule_and_constants_no_card():
    x = rand(2, 3)
    w = randn(3, 4, requires_grad=True)
    w.name = "w"
    g = draw((x @ w) * np.ones((2, 4), "float32") * 2.0)
    assert card(g, "matmul").backward == ["d_w = x.mT @ d_z"]
    (untracked,) = [e for e in g.drawing.edges if not e.tracked]
    assert untracked.grads == [] and untracked.source == "n1"
    assert [n.kind for n in g.drawing.nodes] == ["input", "parameter", "op", "op", "op", "result"]
    muls = [n.forward for n in g.drawing.nodes if n.title == "mul"]
    assert muls == ["u = z * k", "y = u * 2.0"]


def test_a_transposed_weight_is_drawn_as_the_weight():
    net, loss = mlp()
    g = draw(loss, net)
    assert "mT" not in [n.title for n in g.drawing.nodes]
    first, second = (n for n in g.drawing.nodes if n.title == "matmul")
    assert first.forward == "m1 = x @ W1.mT" and first.backward == ["d_W1.mT = x.mT @ d_m1"]
    assert second.backward == ["d_h = d_m2 @ W2", "d_W2.mT = h.mT @ d_m2"]
    assert card(g, "0.weight").beside == first.key
    y = net[0].weight.mT
    assert card(draw(y), "mT").forward == "y = w.mT"


def test_names_that_people_gave_stay_and_others_give_way():
    a = tensor([1.0, 2.0], requires_grad=True, name="a")
    odd = tensor([1.0, 2.0], requires_grad=True, name='<b> & "q"\n\x00é')
    g = draw(((a + 1) * (odd + 1)).sum())
    assert [n.symbol for n in g.drawing.nodes if n.kind == "op"] == ["a1", "a2", "u", "loss"]
    assert card(g, "a").symbol == "a"
    assert card(g, '<b> & "q" é').symbol == "b_q_é"
    u = tensor(1.0, requires_grad=True, name="u")
    assert [n.symbol for n in draw(u * 2 + 1).drawing.nodes] == ["u", "u1", "loss", "loss"]
    same = [tensor(1.0, requires_grad=True, name="w") for _ in range(2)]
    assert [n.symbol for n in draw(same[0] * same[1]).drawing.nodes][:2] == ["w", "w_2"]


def test_backward_steps_count_from_the_result():
    net, loss = mlp()
    steps = [n.step for n in draw(loss, net).drawing.nodes if n.kind == "op"]
    assert steps == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("view", ["forward", "backward"])
def test_one_way_views(view):
    _, y = scalar()
    text, source = draw(y, view=view).to_text(), draw(y, view=view).to_dot()
    assert ("u = x * x" in text) == (view == "forward")
    assert ("d_x += d_u * x" in text) == (view == "backward")
    assert '"both"' not in source and ("▲" in source) == (view == "backward")


def test_without_gradients_and_without_formulas():
    _, y = scalar()
    plain = draw(y, grads=False, formulas=False)
    assert not any(e.grads for e in plain.drawing.edges)
    assert not any(n.forward or n.backward for n in plain.drawing.nodes)
    assert all(e.tracked for e in plain.drawing.edges)
    unnamed = tensor([[1.0], [2.0]], requires_grad=True, name="not a name")
    assert "not_a_name in formulas" in draw(unnamed * 2).to_dot()
    assert "in formulas" not in draw(unnamed * 2, formulas=False).to_dot()


def test_the_trunk_is_the_longest_chain_and_only_its_parameters_stand_beside_it():
    w, u, b = (randn(3, 3, requires_grad=True) for _ in range(3))
    w.name, u.name, b.name = "w", "u", "b"
    h = F.tanh(F.sin(rand(2, 3) @ w) @ u)
    g = draw(h + rand(2, 3) @ b)
    beside = {n.title: n.beside for n in g.drawing.nodes if n.kind == "parameter"}
    matmuls = [n.key for n in g.drawing.nodes if n.title == "matmul"][:2]
    assert beside == {"w": matmuls[0], "u": matmuls[1], "b": ""}
    trunk = [e for e in g.drawing.edges if e.target == card(g, "add").key and e.spine]
    assert [e.source for e in trunk] == [card(g, "tanh").key]


def test_cards_on_both_sides_of_an_operation():
    x, mask = tensor([1.0, 2.0], requires_grad=True, name="x"), Tensor(np.array([True, False]))
    other = tensor([3.0, 4.0], requires_grad=True, name="other")
    g = draw(F.where(mask, F.sin(x), other))
    target = card(g, "where").key
    assert [n.beside for n in g.drawing.nodes if n.beside] == [target, target]
    (row,) = [line for line in g.to_dot().splitlines() if "rank=same" in line]
    left, right = card(g, "mask").key, card(g, "other").key
    assert f"{left} -> {target}" in row and f"{target} -> {right}" in row
    turned = f'color="{LIGHT["gradient"]}:{LIGHT["pale data"]}:{LIGHT["gradient"]}"'
    assert turned in row  # as its edge is


# ---- what must not happen


def test_draw_leaves_grad_and_tape_alone():
    x, y = scalar()
    draw(y)
    assert x.grad is None
    y.backward(retain_graph=True)
    draw(y)
    assert x.grad.item() == 7.0
    y.backward()
    assert x.grad.item() == 14.0


def test_draw_runs_no_hooks_and_keeps_no_gradient():
    calls = []
    x = tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    h.retain_grad()
    h.register_hook(lambda g: calls.append(g))
    x.register_hook(lambda g: calls.append(g))
    draw(h.sum())
    assert h.grad is None and calls == []


def test_drawing_records_nothing_and_a_drawing_holds_no_tensors():
    x, y = scalar()
    g = draw(y)
    with no_grad():
        assert draw(y).to_dot() == g.to_dot()
    boxed = Op("boxed", lambda x: x + 0, lambda g, y, x: inner.append(is_grad_enabled()) or g)
    inner = []
    draw(boxed(x), formulas=False)
    assert inner == [False]
    seen = weakref.ref(y)
    gc.disable()
    try:
        del x, y
        assert seen() is None
    finally:
        gc.enable()
    assert "loss = u + x" in g.to_text()


def test_errors_say_what_there_is():
    _, y = scalar()
    with pytest.raises(
        TypeError,
        match=r"^draw: needs the Tensor that was computed, or a model or function and its input, not a ndarray",
    ):
        draw(y.array)
    with pytest.raises(ValueError, match=r"view='up' does not exist; there are 'both', 'forward'"):
        draw(y, view="up")
    with pytest.raises(TypeError, match=r"findings='dead' are not what nn\.diagnosis\.diagnose"):
        draw(y, findings="dead")
    with pytest.raises(ValueError, match=r"direction='UD' does not exist; there are 'TB', 'LR'"):
        draw(y, direction="UD")
    with pytest.raises(ValueError, match=r"theme='pink' does not exist"):
        draw(y, theme="pink")
    for depth in (-1, 1.5, True):
        with pytest.raises(ValueError, match=r"depth=.* must be a number of levels"):
            draw(y, depth=depth)


# ---- notes


def note(g):
    (text,) = g.drawing.notes
    assert g.drawing.nodes[-1].title == text and text[:20] in g.to_dot()
    return text


def test_a_leaf_is_one_card_and_a_note():
    g = draw(tensor([1.0, 2.0]))
    assert [n.kind for n in g.drawing.nodes] == ["input", "note"] and g.drawing.edges == []
    assert note(g).startswith("Nothing was recorded for this tensor (nothing it was computed from")
    assert "a leaf: no operation made it" in note(draw(tensor([1.0], requires_grad=True)))


def test_released_records_are_drawn_as_far_as_they_go():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    h = x * x
    y, z = h.sum(), (h + x).sum()
    y.backward()
    assert "1 operation was released by backward()" in note(draw(y))
    g = draw(z)
    assert "1 operation was released" in note(g)
    assert card(g, "mul").lines == ["record released by backward()"]
    assert card(g, "mul").forward == "" and card(g, "add").forward == "a = u + x"
    (edge,) = [e for e in g.drawing.edges if e.source == card(g, "mul").key]
    assert edge.grads == []  # nothing flows into a released record
    assert card(g, "x").grad == "grad norm 1.4"


def test_an_input_changed_in_place_is_a_note():
    x = tensor([1.0, 2.0], requires_grad=True)
    h = x * 2
    y = (h * h).sum()
    with no_grad():
        h += 1
    assert note(draw(y)).startswith("Gradients are missing: mul: input 0, of shape (2,), was")


def test_in_place_operations_are_drawn_in_their_order():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    h = x * 2
    before = h + 1
    h += x
    g = draw((before + h).sum())
    assert [n.title for n in g.drawing.nodes if n.kind == "op"] == [
        "mul", "add", "add", "add", "sum",
    ]  # fmt: skip
    assert [e.target for e in g.drawing.edges if e.source == "n2"] == ["n3", "n4"]


def test_parameters_that_take_no_part_are_named():
    net, loss = mlp()
    net.layers = (*net.layers, Linear(2, 2))
    assert note(draw(loss, net)) == "Not used by this result: 3.weight, 3.bias."


@pytest.mark.parametrize("error", [TypeError, RecursionError])
def test_a_rule_that_has_no_text_says_so(error):
    def rule(g, y, x):
        if not isinstance(x, np.ndarray):
            raise error("arrays only")
        return g

    odd = Op("odd", lambda x: x + 0, rule)
    node = card(draw(odd(tensor([1.0], requires_grad=True))), "odd")
    assert node.backward == [f"no text: its rule raises {error.__name__} on Symbols"]


def test_the_kind_of_a_row_is_the_family_of_its_card_and_the_letter_of_its_result():
    x = randn(2, 2, requires_grad=True)
    for op, kw, family, symbol in [
        (ops.exp, {}, "activation", "u"),
        (ops.tanh, {}, "activation", "h"),
        (ops.softmax, {"axis": 1}, "reduction", "p"),
        (ops.cumsum, {"axis": 1}, "reduction", "s"),
        (ops.matmul, {}, "product", "m"),
        (ops.sub, {}, "arithmetic", "r"),
        (ops.logaddexp, {}, "arithmetic", "u"),
        (ops.power, {"p": 2}, "arithmetic", "u"),
        (ops.flip, {"axis": 1}, "shape", "v"),
    ]:
        node = draw(op(*[x] * len(op.rules), **kw) + 1).drawing.nodes[1]
        assert (node.family, node.symbol) == (family, symbol), op
    assert {op.kind for op in table.values()} <= set(FAMILIES) == set(KINDS)


def test_an_operation_of_a_user_has_a_family_and_a_letter_without_being_named():
    def drawn(op, *inputs):
        node = draw(op(*inputs) * 2).drawing.nodes[len(inputs)]
        return node.family, node.symbol, node.forward, node.backward

    x, w = Tensor([1.0], True, name="x"), Tensor([2.0], True, name="w")
    cbrt = Op("cbrt", np.cbrt, lambda g, y, x: g / (3 * y * y))
    assert drawn(cbrt, x) == ("activation", "u", "u = cbrt(x)", ["d_x = d_u / (3 * u * u)"])
    two_rules = lambda g, y, a, b: g * b, lambda g, y, a, b: g * a
    dots = Op("dots", lambda a, b: a * b, *two_rules, kind="product")
    assert drawn(dots, x, w) == ("product", "z", "z = x * w", ["d_x = d_z * w", "d_w = d_z * x"])
    swish = Op("swish", lambda x: x * np.tanh(x), lambda g, y, x: g, activation=True)
    assert drawn(swish, x)[:2] == ("activation", "h")
    cube = Op("cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
    assert drawn(cube, x)[:2] == ("activation", "u")
    mixed = Op("mixed", lambda a, b: a * b, *two_rules)
    assert drawn(mixed, x, w)[:2] == ("arithmetic", "u")
    total = Op("total", lambda x: np.sum(x), lambda g, y, x: g * np.ones(x.shape))
    assert drawn(total, Tensor([1.0, 2.0], True))[:2] == ("reduction", "u")


def test_nan_infinite_and_vanishing_gradients_show():
    x = tensor([-1.0, 4.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        source = draw(F.sqrt(x).sum()).to_dot()
    assert '"tracked alarm"' in source and "NaN or infinite" in source
    assert f'color="{LIGHT["alarm"]}">grad norm NaN<' in source
    source = draw((x * 1e-9).sum()).to_dot()
    assert '"tracked vanishing"' in source and "below 1e-7" in source
    assert f'color="{LIGHT["gradient"]}">&#160; ▲ 1.4e-9' in source  # pale, but for the number
    assert '"tracked alarm"' not in source


def test_values_that_are_no_numbers_show():
    x = tensor([[-1.0, 4.0, 0.0]], requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        total = (F.log(x) * 1).sum()
        g = draw(total, grads=False)
    assert [card(g, kind).alarm for kind in ("log", "mul")] == [
        "1 NaN and 1 infinite of 3 values"
    ] * 2
    assert card(g, "x").alarm == card(g, "sum").alarm == ""  # the value of the sum says it
    red = f'color="{LIGHT["wrong ink"]}"'
    assert f"{red}><b>● 1 NaN and 1 infinite of 3 values" in g.to_dot()
    assert f"{red}>= NaN<" in g.to_dot()
    for text in (g.to_text(), g.to_mermaid(), g.to_html()):
        assert "1 NaN and 1 infinite of 3 values" in text
    assert "NaN and" not in draw((x * 1).sum()).to_dot()
    with np.errstate(all="ignore"), no_grad():
        x[:] = np.nan  # what was computed with is not known any more
    assert card(draw(total), "x").alarm == ""


def test_a_folded_card_counts_the_operations_with_values_that_are_no_numbers():
    class Log(nn.Module):
        def forward(self, x):
            return x.log() + (x * 2)

    with np.errstate(all="ignore"):
        g = draw(Log()(tensor([-1.0, 1.0], requires_grad=True)).sum(), depth=0)
    assert [n.alarm for n in g.drawing.nodes if n.kind == "module"] == [
        "NaN or infinite values in 2 of them"
    ]


def test_an_index_has_a_name_and_is_told_if_it_is_short():
    x = tensor(np.arange(40.0).reshape(20, 2), requires_grad=True, name="x")
    index = np.arange(18).reshape(2, 9)[::-1]
    node = card(draw(x[index].sum()), "getitem")
    assert node.forward == "v = x[index]" and not node.lines
    assert node.backward == ["d_x = scatter_add(d_v, shape=(20, 2), index=index)"]
    mask = np.arange(20) % 3 == 0
    assert card(draw(x[mask, 0].sum()), "getitem").forward == "v = x[mask, 0]"
    assert card(draw(x[[3, 1]].sum()), "getitem").lines == ["index = [3, 1]"]


def test_the_gradient_sets_the_thickness():
    x = tensor([1.0, 1.0], requires_grad=True)
    widths = [
        float(draw((x * s).sum()).to_dot().split('penwidth="')[1].split('"')[0])
        for s in (1e-6, 1e-1, 1.0, 10.0, 1e30)
    ]
    assert widths == sorted(widths) and widths[0] == 0.8 and widths[-1] == 5.0
    assert widths[3] - widths[2] == pytest.approx(0.7)


# ---- modules, folding, size


def test_modules_frame_what_uses_their_parameters():
    net, loss = mlp()
    g = draw(loss, net)
    frames = {path: tuple(frame) for path, frame in g.drawing.modules.items()}
    assert frames == {"0": ("0", "Linear(5, 4)"), "2": ("2", "Linear(4, 3)")}
    where = {n.title: n.path for n in g.drawing.nodes if n.title in ("relu", "0.bias", "2.bias")}
    assert where == {"relu": "", "0.bias": "0", "2.bias": "2"}
    assert [n.path for n in g.drawing.nodes if n.title == "matmul"] == ["0", "2"]
    assert 'subgraph "cluster_0"' in g.to_dot() and 'subgraph module1["0' in g.to_mermaid()
    assert "[2] Linear(4, 3)" in g.to_text()


def test_nested_modules_hold_what_lies_between_their_parts():
    net = Net(Net(Linear(3, 3), F.tanh, Linear(3, 3)), F.relu, Linear(3, 1))
    g = draw(net(rand(2, 3)).sum(), net)
    assert card(g, "tanh").path == "0" and card(g, "relu").path == ""
    assert list(g.drawing.modules) == ["0", "0.0", "0.2", "2"]


def test_depth_folds_modules_into_cards():
    net = Net(Net(Linear(3, 3), F.tanh, Linear(3, 3)), F.relu, Linear(3, 1))
    loss = net(rand(2, 3)).sum()
    g = draw(loss, net, depth=0)
    assert [n.title for n in g.drawing.nodes] == ["x", "0", "relu", "2", "sum", "loss"]
    assert card(g, "0").lines == ["(2, 3) → (2, 3)", "5 operations · 24 parameters"]
    assert " to " in card(g, "0").grad and card(g, "0").shape == "Net"
    opened = draw(loss, net, depth=1)
    assert [n.title for n in opened.drawing.nodes if n.kind == "module"] == ["0.0", "0.2"]
    assert card(opened, "tanh").path == "0"
    assert draw(loss, net, collapse=True).to_dot() == g.to_dot()


def test_a_leaf_used_often_has_a_copy_at_every_use():
    w = tensor([2.0, 1.0], requires_grad=True, name="w")
    h = rand(2)
    for _ in range(4):
        h = h * w
    assert len([n for n in draw(h).drawing.nodes if n.title == "w"]) == 1
    g = draw(h * w)
    copies = [n for n in g.drawing.nodes if n.title == "w"]
    assert [n.key for n in copies] == [f"n1_{i}" for i in (1, 2, 3, 4, 5)]
    assert copies[2].lines == ["used 5 times: copy 3"]
    assert all(sum(e.source == n.key for e in g.drawing.edges) == 1 for n in copies)
    assert draw(w * w * w * w).to_dot().count('id="n1"') == 1


def uneven(n):
    """Whether to do the one or the other, n times, so that nothing comes three times in a row."""
    return [i.bit_count() % 2 for i in range(n)]


def test_the_cut_keeps_both_ends_connected():
    x = tensor(1.0, requires_grad=True, name="x")
    y = x
    for one in uneven(500):
        y = F.sin(y) if one else F.cos(y)
    g = draw(y)
    (hidden,) = [n for n in g.drawing.nodes if n.kind == "hidden"]
    assert sum(e.target == hidden.key for e in g.drawing.edges) == 1
    assert sum(e.source == hidden.key for e in g.drawing.edges) == 1
    assert len([n for n in g.drawing.nodes if n.kind == "op"]) == 80


def test_large_models_fold_their_modules_first():
    blocks = (Net(Linear(2, 2), F.tanh, Linear(2, 2)) for _ in range(60))
    net = Net(*(layer for block in blocks for layer in (block, F.relu)))  # no two in a row
    g = draw(net(rand(1, 2)).sum(), net)
    assert len(g.drawing.nodes) <= LIMIT
    assert [b.what for b in g.drawing.modules.values()] == [
        "as here",
        "Net",
        "Linear(2, 2)",
        "Linear(2, 2)",
    ]
    assert "nslimit" not in g.to_dot()
    assert "nslimit" in draw(net(rand(1, 2)).sum(), net, collapse=False).to_dot()


def test_buffers_and_nested_modules_are_named():
    import nn

    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("shift", rand(2, 1))
            self.body = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))

        def forward(self, x):
            return (self.body(x) + self.shift).sum()

    model = Shifted()
    text = draw(model(rand(2, 3)), model=model).to_text()
    assert "shift  (2, 1)" in text
    assert "Sequential(\n" not in text
    assert "body.0" in text


def test_two_constants_of_one_shape_have_two_names():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    mask, other = np.array([True, False, True]), np.array([7.0, 8.0, 9.0], "float32")
    g = draw(F.where(mask, x, other))
    assert card(g, "where").forward == "y = where(mask, x, x1)"
    arrays = g.drawing.panels[card(g, "where").key].arrays
    assert arrays["mask"].values.tolist() == mask.tolist()
    assert arrays["x1"].values.tolist() == other.tolist()
    twice = draw((x * other + other).sum())
    assert [n.forward for n in twice.drawing.nodes if n.kind == "op"][:2] == [
        "u = x * k", "a = u + k",
    ]  # fmt: skip


def test_no_name_is_that_of_the_gradient_of_another():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    dx = tensor([3.0, 4.0], requires_grad=True, name="dx")
    g = draw((x * dx).sum())
    assert card(g, "mul").backward == ["d_x = d_u * dx_2", "d_dx_2 = d_u * x"]
    assert card(g, "dx").symbol == "dx_2"
    x1, dx1 = (tensor(1.0, requires_grad=True, name=name) for name in ("x1", "dx1"))
    many = draw(x * dx * x1 * dx1)
    symbols = {n.symbol for n in many.drawing.nodes if n.kind == "parameter"}
    assert len(symbols) == 4 and not any(f"d{name}" in symbols for name in symbols)
    assert card(draw(dx * 2), "dx").symbol == "dx"


def test_values_that_were_overwritten_are_not_told():
    x = tensor(3.0, requires_grad=True, name="x")
    y = x * 2
    y += 1
    g = draw(y)
    assert card(g, "mul").value == "" and card(g, "add").value == "7"
    assert card(g, "mul").lines == ["changed in place since: the values are gone"]
    arrays = g.drawing.panels[card(g, "mul").key].arrays
    assert arrays["u"].values is None and arrays["u"].statistics() == {}
    assert arrays["x"].values == 3.0
    z = x + 1
    with no_grad():
        x -= 1
    late = card(draw(z), "x")
    assert late.value == "" and late.lines == ["changed in place since: the values are gone"]
    assert card(draw(x + 1), "x").value == "value 2"  # changed before it was used


def test_a_copy_says_how_often_the_leaf_is_used_in_all():
    w = tensor(1.0, requires_grad=True, name="w")
    y = w
    for one in uneven(500):
        y = y * w if one else w - y
    first, second, *_ = [n for n in draw(y).drawing.nodes if n.title == "w"]
    assert first.lines == ["used 500 times, 80 of them drawn: copy 1"]
    assert first.value == "value 1" and first.grad.startswith("grad ")
    assert second.value == second.grad == ""


def test_long_names_keep_the_part_in_which_they_differ():
    block = "encoder_transformer_block_with_a_name.attention_projection_layer"
    w, b = (tensor(1.0, requires_grad=True, name=f"{block}.{n}") for n in ("weight", "bias"))
    titles = [n.title for n in draw(w * b).drawing.nodes if n.kind == "parameter"]
    assert [t.rpartition(".")[2] for t in titles] == ["weight", "bias"]
    assert all(len(t) == 60 and t.startswith("encoder") for t in titles)
