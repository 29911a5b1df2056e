"""Mistakes that people make in backprop by hand, each as a small case that the comparison names.

Five write-ups of hand-derived networks and some published code made them; here they are rebuilt
in our own words, on the smallest problem that shows them. One file per source, one function per
mistake; its docstring says what was written, what is right, and why it is easy to get wrong.

    python -m examples.mistakes                      run every case
    python -m examples.mistakes --list               their names
    python -m examples.mistakes --only s2            one source, or one case: --only s2.binary_term
    python -m examples.mistakes.iris                 four of them in one network, mended one by one
"""
