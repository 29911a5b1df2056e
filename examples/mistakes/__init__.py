"""The most frequent mistakes in backprop by hand, in code as people write it, each with its report.

One file per way of writing, one function per mistake: its docstring says what it is and why the net
trains all the same, its code has the wrong line and the right one, and it ends with the call that
shows the mistake. Reports are made by running it, never stored.

    python -m examples.mistakes                      their names
    python -m examples.mistakes NAME                 one of them, with its report
    python -m examples.mistakes --pages DIR          a page for each, in Markdown
    python -m examples.mistakes.iris                 four mistakes in one network, mended one by one
"""
