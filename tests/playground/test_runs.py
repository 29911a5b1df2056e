"""Runs: a net is trained, and what is kept of it can be drawn again."""

import json

import numpy as np
import pytest

from autograd_lite.playground.training import Form, Run, data


def trained(**more):
    run = Run(Form(**more), 1)
    run.start()
    run.join()
    return run


def test_a_run_learns_and_keeps_what_can_be_drawn_again():
    run = trained(epochs=400)
    assert run.end == "Trained for 400 epochs."
    assert len(run.losses) == 401
    assert run.losses[-1] < run.picture["baseline"] / 10 < run.losses[0]
    epochs = [shown["epoch"] for shown, _ in run.frames]
    assert epochs[0] == 0 and epochs[-1] == 400 and epochs == sorted(set(epochs))
    for index in (0, 50, -1):
        loss, _ = run.recorded(index)
        shown, _ = run.frames[index]
        assert loss.item() == run.losses[shown["epoch"]]
        error = np.array(shown["y"]) - run.data.y[:, 0]
        assert (error**2).mean() == pytest.approx(loss.item(), rel=1e-3)


def test_few_points_may_be_of_fewer_classes():
    run = trained(task="classes", cloud="moons", seed=31, samples=10, epochs=10)
    assert set(run.data.y) == {0} and set(run.data.y_test) == {0, 1}
    assert run.sizes[-1] == 2 and run.losses[-1] > 0 and run.picture["held"] < 1


@pytest.mark.parametrize("cloud", ["moons", "rings", "iris"])
def test_classes_are_learned_and_held_out_points_are_others(cloud):
    run = trained(task="classes", cloud=cloud, lr=0.5, init="kaiming", samples=120, epochs=300)
    last, _ = run.frames[-1]
    assert last["right"] > 0.93 and last["held"] > 0.85
    assert run.losses[-1] < 0.8 * run.picture["baseline"]
    assert last["held"] >= run.picture["held"]
    d = run.data
    assert len(d.x_test) >= 38 and not (d.x[:, None] == d.x_test).all(axis=2).all()
    assert data(run.form).x.tolist() == d.x.tolist()


def test_divergence_is_told_as_such_and_ends_the_run():
    run = trained(activation="relu", layers=3, lr=10)
    assert run.end.startswith("It diverged") and "Kaiming" in run.end
    assert len(run.losses) < 20
    _, model = run.recorded(-1)
    assert run.findings(model).kinds == {"not-finite"}  # which the film says on its card
    assert not run.findings(run.recorded(0)[1]).kinds & {"not-finite"}
    text = json.dumps(run.state(0, 0), allow_nan=False)
    assert "null" in text
    assert "Kaiming" not in trained(activation="relu", lr=90, init="kaiming").end
