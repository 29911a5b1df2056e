"""The form: what is wrong with a field is told."""

import pytest

from autograd_lite.playground.training import Form, checked
from tests.playground.shared import FIRST


def test_the_form_as_it_opens_is_right():
    assert checked(FIRST) == (Form(), {})


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("units", "", "Give a number."),
        ("units", "many", "'many' is no whole number."),
        ("units", "1.5", "'1.5' is no whole number."),
        ("units", "0", "It must be from 1 to 64; it is 0."),
        ("units", "-3", "It must be from 1 to 64; it is -3."),
        ("units", "1e3", "'1e3' is no whole number."),
        ("units", "9" * 50, "That is too long for a number."),
        ("layers", "4", "It must be from 1 to 3; it is 4."),
        ("samples", "9", "It must be from 10 to 1,000; it is 9."),
        ("epochs", "20001", "It must be from 1 to 20,000; it is 20,001."),
        ("seed", "-1", "It must be from 0 to 4,294,967,295; it is -1."),
        ("lr", "0", "It must be above 0 and at most 100; it is 0."),
        ("lr", "-0.1", "It must be above 0 and at most 100; it is -0.1."),
        ("lr", "nan", "It must be above 0 and at most 100; it is nan."),
        ("lr", "inf", "It must be above 0 and at most 100; it is inf."),
        ("lr", "fast", "'fast' is no number."),
        ("target", "cos", "'cos' is no choice; there are sin, square, abs, wave, exp, log."),
        ("activation", "", "'' is no choice; there are tanh, relu."),
        ("cloud", "sun", "'sun' is no choice; there are moons, rings, iris."),
        ("task", "win", "'win' is no choice; there are function, classes."),
        ("init", "zero", "'zero' is no choice; there are normal, kaiming."),
        ("more", "1", "There is no field 'more'."),
    ],
)
def test_a_wrong_field_is_told(field, text, told):
    assert checked(FIRST | {field: text}) == (None, {field: told})


def test_missing_fields_are_told_all_at_once():
    form, wrong = checked({})
    assert form is None and set(wrong) == set(FIRST)
