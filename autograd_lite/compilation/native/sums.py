"""Einstein sums in C: two operands after the other, as products of matrices where they are that."""

from __future__ import annotations

from math import prod

import numpy as np

from ...engine.rules import ops
from ..lower import Step
from .forms import form
from .items import FORMS, Item, Items, NoForm, Place

__all__: list[str] = []

Term = tuple[Place, str]  # a value, and the letter of each of its axes


def einsum(items: Items, s: Step) -> None:
    left, out = s.kw["spec"].split("->")
    if s.dtype.kind != "f":
        raise NoForm("a sum of ints")
    terms: list[Term] = []
    sizes: dict[str, int] = {}
    for letters, x in zip(left.split(","), s.inputs, strict=True):
        place = items.solid(items.of(x), x.shape, s.dtype)
        if any(sizes.setdefault(c, n) != n for c, n in zip(letters, place.shape, strict=True)):
            raise NoForm("an axis that is stretched")
        once = "".join(dict.fromkeys(letters))
        if once != letters:
            place = place.view(np.einsum(f"{letters}->{once}", place.array))  # the diagonal
        terms.append((place, once))
    found = terms[0]
    for i in range(1, len(terms)):
        kept = out + "".join(letters for _, letters in terms[i + 1 :])
        found = pair(items, found, terms[i], kept)
    place, letters = summed(items, found, out)
    place = place.view(place.array.transpose([letters.index(c) for c in out]))
    items.write(s, [place])


def summed(items: Items, term: Term, kept: str) -> Term:
    """Without the axes that nothing needs any more."""
    x, letters = term
    axes = [k for k, c in enumerate(letters) if c not in kept]
    if not axes:
        return term
    rest = "".join(c for c in letters if c in kept)
    out = items.made(tuple([n for k, n in enumerate(x.shape) if k not in axes]), x.dtype)
    items.added_up(out, x, axes, ops.sum)
    return out, rest


def pair(items: Items, a: Term, b: Term, kept: str) -> Term:
    """The product of two, without the axes that nothing needs any more."""
    a, b = summed(items, a, kept + b[1]), summed(items, b, kept + a[1])
    sizes = dict(zip(a[1], a[0].shape, strict=True)) | dict(zip(b[1], b[0].shape, strict=True))
    both = [c for c in a[1] if c in b[1]]
    batch, inner = ("".join(c for c in both if (c in kept) == is_kept) for is_kept in (True, False))
    of_a, of_b = ("".join(c for c in x[1] if c not in both) for x in (a, b))
    m, n, k = (prod(sizes[c] for c in letters) for letters in (of_a, of_b, inner))
    letters = batch + of_a + of_b
    shape = tuple([sizes[c] for c in letters])
    if k == 1 or m == n == 1:  # nothing that BLAS is faster with
        letters += inner
        out = items.made(tuple([sizes[c] for c in letters]), a[0].dtype)
        factors = [ordered(x, letters) for x in (a, b)]
        items.items.append(Item("each", out, factors, *form(ops.mul, [out.dtype] * 2, out.dtype)))
        return summed(items, (out, letters), kept)
    many = tuple([sizes[c] for c in batch])
    rows = items.shaped(ordered(a, batch + of_a + inner), (*many, m, k))
    columns = items.shaped(ordered(b, batch + inner + of_b), (*many, k, n))
    out = items.made((*many, m, n), a[0].dtype)
    items.multiply(out, rows, columns)
    return out.view(out.array.reshape(shape)), letters


def ordered(term: Term, letters: str) -> Place:
    """A value with its axes in this order; one of a single element for each that it has not."""
    x, its = term
    turned = x.array.transpose([its.index(c) for c in letters if c in its])
    return x.view(turned[(..., *(slice(None) if c in its else None for c in letters))])


FORMS[ops.einsum] = einsum
