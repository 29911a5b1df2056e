"""Which tests run when: a plain `pytest`, `-m core` for an answer in seconds, `-m slow` the rest.

A test of hundreds of cases keeps about 150 of them by default: of every row of the table
(or of what else the cases are of) its first ordinary shape, then 0-d, broadcast, empty and size 1
in turn. Another test of the same row begins the turn elsewhere, so that together they see all. The
rest is marked slow, and so are the tests of SLOW. Nothing is drawn at random: the same names are
chosen everywhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any
from zlib import crc32

from autograd_lite.engine.op import table
from tests.cases import Array, Case

FEW, AIM = 250, 200  # a test of more cases than FEW is thinned to about AIM
CORE_FEW = 40  # core takes a case of each row from a test of more
MOST = 5  # cases of one row: one of each shape class
# what takes seconds and whose neighbours stay, and nothing that keeps from harm: names of tests, or
# how they begin
SLOW = (
    "compare/conventions/test_corrupted.py::test_a_random_change_is_found_and_has_no_name[a list of dict",
    "compare/conventions/test_corrupted.py::test_a_random_change_is_found_and_has_no_name[cost",
    "compare/conventions/test_corrupted.py::test_a_random_change_is_found_and_has_no_name[loss(",
    "compare/test_compare.py::test_a_long_tape_needs_no_recursion",
    "compare/test_compare_layers.py::test_a_forward_that_makes_no_tape_is_judged[Copies",
    "compare/test_compare_layers.py::test_a_forward_that_makes_no_tape_is_judged[Partly",
    "compare/test_compare_layers.py::test_a_step_is_read_up_to_its_rounding[1e-05",
    "compare/test_compare_layers.py::test_a_step_is_read_up_to_its_rounding[1e-08",
    "compare/test_naming.py::test_two_mistakes_get_no_third_name[batch norm]",
    "compare/test_naming.py::test_two_mistakes_get_no_third_name[recurrent]",
    "compare/test_planted.py::test_float32_gradients_are_named_too",
    "compare/test_planted.py::test_mistakes_are_located[everything]",
    "compare/test_planted.py::test_mistakes_are_located[parameters]",
    "compare/test_planted.py::test_mistakes_are_named_first[everything]",
    "compare/test_planted.py::test_mistakes_are_named_first[parameters]",
    "compare/test_planted.py::test_no_planted_mistake_passes[everything]",
    "compare/test_planted.py::test_no_planted_mistake_passes[parameters]",
    "compare/test_planted.py::test_the_report_on_784_64_10_is_little_work[none of the table",
    "compare/test_planted.py::test_two_mistakes_are_never_a_third[everything]",
    "compare/test_planted.py::test_two_mistakes_are_never_a_third[parameters]",
    "compare/test_planted.py::test_which_slugs_cannot_be_told_apart",
    "compare/test_probe.py::test_each_gradient_with_a_planted_error_is_wrong[1]",
    "compare/test_source.py::test_every_door_has_the_line_and_the_fix[an engine",
    "compare/test_source.py::test_the_line_is_among_those_shown[LSTM step by hand-5",
    "compare/test_source.py::test_the_line_is_among_those_shown[RNN in loops",
    "compare/test_source.py::test_the_line_is_among_those_shown[a gated unit through time-5",
    "compare/test_source.py::test_the_line_is_among_those_shown[a net in lists",
    "compare/test_source.py::test_the_line_is_among_those_shown[an engine",
    "compare/test_source.py::test_the_line_is_among_those_shown[im2col",
    "compilation/test_watch.py::test_an_interrupt_at_any_moment_of_the_first_call_leaves_everything_working[True]",
    "compilation/test_watch.py::test_the_source_is_shown_as_long_as_the_code_is_there",
    "derivation/test_growth.py::test_sums_of_thousands_of_terms_run[5000]",
    "grading/test_assignments.py::test_mistakes_of_a_backward_are_planted_too",
    "graph/test_film_in_browser.py::test_a_step_by_hand_ends_the_play",
    "graph/test_film_in_browser.py::test_every_kind_of_drawing_is_a_film[network",
    "graph/test_film_in_browser.py::test_play_and_pause",
    "graph/test_scale.py::test_100_000_operations_as_text_and_as_dot",
    "graph/test_scale.py::test_2000_nodes[ladder",
    "graph/test_scale.py::test_a_png_of_2000_nodes_is_small_and_of_more_than_can_be_laid_out_an_error[graphviz",
    "nn/test_checkpoints.py::test_a_training_that_is_killed_ends_with_the_same_bits[Adam-2]",
    "nn/test_optim.py::test_step_is_in_place_and_makes_no_arrays[ASGD",
    "nn/test_optim.py::test_step_is_in_place_and_makes_no_arrays[Adadelta",
    "nn/test_optim.py::test_step_is_in_place_and_makes_no_arrays[RMSprop",
    "nn/test_optim.py::test_step_is_in_place_and_makes_no_arrays[Rprop",
    "nn/test_strangers.py::test_65_000_entries[.npz]",
    "nn/test_strangers.py::test_65_000_entries[.pt]",
    "nn/test_strangers.py::test_65_000_entries[.safetensors]",
    "playground/test_box.py::test_a_verdict_is_of_the_layer_that_is_shown",
    "playground/test_page.py::test_a_training_is_seen_while_it_goes_on_and_stopped",
    "playground/test_page.py::test_bad_numbers_are_told_at_their_fields_and_nothing_runs",
    "playground/test_page.py::test_it_fits_the_screen_and_can_be_used_by_keyboard",
    "playground/test_page.py::test_the_graph_and_the_derivation_are_of_the_epoch_of_the_slider",
    "playground/test_page.py::test_the_name_of_the_baseline_is_where_no_curve_is",
    "playground/test_page.py::test_the_page_asks_again_when_there_is_no_answer",
    "seeds/test_s3.py::test_all_ten_epochs_print_the_figures_of_the_write_up",
    "seeds/test_s3.py::test_the_toy_regression_reaches_all_four_figures",
    "test_interrupts.py::test_a_compiled_step_is_whole_or_not_at_all",
    "test_interrupts.py::test_a_step_of_an_optimizer_is_whole_or_not_at_all[AdamW]",
    "test_interrupts.py::test_a_step_of_an_optimizer_is_whole_or_not_at_all[RMSprop]",
    "test_interrupts.py::test_a_step_of_lbfgs_is_whole_or_not_at_all",
    "test_mistakes_gallery.py::test_accuracy_cannot_judge_a_gradient",
    "test_nets.py::test_ctrl_c_ends_with_what_there_is[lstm",
    "test_nets.py::test_ctrl_c_ends_with_what_there_is[vae",
    "test_nets.py::test_the_gpt_learns_more_than_counts_of_letters",
    "test_nets.py::test_the_vit_learns_digits",
    "test_selection.py::test_who_names_a_slow_test_wants_it",
    "test_speed.py::test_an_lstm_is_timed_beside_its_matrix_products",
    "test_speed.py::test_blocks_and_embeddings_are_timed[1]",
    "test_speed.py::test_blocks_and_embeddings_are_timed[embedding]",
    "test_speed.py::test_every_system_is_timed_or_left_out_with_a_reason[chain]",
    "test_speed.py::test_every_system_is_timed_or_left_out_with_a_reason[deep]",
    "test_speed.py::test_growth_and_memory_are_measured",
    "test_speed.py::test_lenet_is_timed_beside_its_matrix_products",
    "test_structure.py::test_the_figures_are_printed",
    "test_systems.py::test_s0_page_plays_pauses_and_slides",
    "test_systems.py::test_s0_reaches_a_row_of_the_table",
    "test_systems.py::test_s0_reports_divergence_and_what_helps",
    "test_systems.py::test_s2_reaches_its_ranges_on_every_start",
    "test_systems.py::test_s4_reaches_its_table_at_step_100",
    "test_traps.py::test_memory_returns_to_baseline_without_the_collector[error",
    "test_traps.py::test_memory_returns_to_baseline_without_the_collector[hooks",
)
KNOWN: dict[str, str] = {}  # the shape class of each case of the table, by its name
SHAPES = ["ordinary", "0-d", "broadcast", "empty", "size 1"]

# the files that `-m core` reads: the engine, nn, and one of each reader
CORE = {
    "test_ops.py", "test_chain.py", "test_tensor.py", "test_modes.py",
    "test_protocols.py", "test_differences.py", "test_symbol.py", "test_anomaly.py",
    "test_origin.py", "test_calculus.py", "nn/test_layers.py", "nn/test_losses.py",
    "nn/test_module.py", "nn/test_schedulers.py", "derivation/test_textbook.py",
    "compilation/test_nn.py", "compare/test_rows.py", "graph/test_draw.py",
}  # fmt: skip


def shape_class(case: Case) -> str:
    """Which of the shapes that break rules a case has."""
    if case.id not in KNOWN:
        KNOWN[case.id] = classify(case.arrays())
    return KNOWN[case.id]


def classify(arrays: Sequence[Array]) -> str:
    if any(a.size == 0 for a in arrays):
        return "empty"
    if all(a.ndim == 0 for a in arrays):
        return "0-d"
    if all(a.size == 1 for a in arrays):
        return "size 1"
    return "broadcast" if len({a.shape for a in arrays}) > 1 else "ordinary"


def subject(name: str, values: Sequence[Any]) -> tuple[str, str]:
    """What a case of a test is of, a row if there is one, and its shape class."""
    words = [value for value in values if isinstance(value, str)]
    for value in values:
        if isinstance(value, Case):
            return " ".join([value.row, *words]), shape_class(value)
    rows = [word for word in words if word in table]
    return rows[0] if rows else re.split(r"\W", name)[0], "ordinary"


def in_turn(test: str, group: str, classes: dict[str, list[int]]) -> Iterator[int]:
    """Cases of one group, the ordinary first, then of each other shape class in turn."""
    others = SHAPES[1:]
    start = crc32(f"{test} {group}".encode()) % len(others)
    order = [SHAPES[0], *others[start:], *others[:start]]
    columns = zip_longest(*(classes.get(name, []) for name in order))
    return (i for i in chain.from_iterable(columns) if i is not None)


def chosen(
    test: str, cases: Sequence[tuple[str, Sequence[Any]]], few: int = FEW, aim: int = AIM
) -> set[int]:
    """The places of the cases that run by default; a case is its name and its parameters."""
    if len(cases) <= few:
        return set(range(len(cases)))
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, case in enumerate(cases):
        group, shape = subject(*case)
        groups[group][shape].append(i)
    each = min(MOST, max(1, round(aim / len(groups))))
    if len(groups) < 10:  # no groups to speak of: evenly spread
        return set(range(0, len(cases), -(-len(cases) // aim)))
    kept: set[int] = set()
    for group, classes in groups.items():
        turn = in_turn(test, group, classes)
        kept.update(i for i, _ in zip(turn, range(each), strict=False))
    return kept
