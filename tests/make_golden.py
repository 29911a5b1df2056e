"""Write the golden data: what PyTorch gives for the snippets of test_functions, test_torch_words,
test_scripts and nn/test_golden.

Run `python -m tests.make_golden` with PyTorch 2.13 after changing them.
"""

import json
import math
from typing import Any

from tests import test_functions, test_scripts, test_torch_words
from tests.nn import test_golden


def near(old: Any, new: Any) -> bool:
    """Whether what is stored is right still: then its last digits stay, whatever the machine."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(near(old[k], new[k]) for k in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(near, old, new))
    if isinstance(old, float) and isinstance(new, float):
        return (
            old == new
            or abs(old - new) <= 1e-6 * max(abs(old), 1e-3)
            or (math.isnan(old) and math.isnan(new))
        )
    return type(old) is type(new) and old == new


def main() -> None:
    import torch

    for tests in (test_functions, test_torch_words, test_scripts, test_golden):
        old = json.loads(tests.GOLDEN.read_text()) if tests.GOLDEN.exists() else {}
        found: dict[str, Any] = {name: tests.theirs(torch, name) for name in tests.SAME}
        found |= {n: old[n] for n in found if n in old and near(old[n], found[n])}
        lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
        tests.GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{tests.GOLDEN.name}: {len(found)} snippets, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
