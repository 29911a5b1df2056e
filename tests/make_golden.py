"""Write the two golden.json: what PyTorch gives for the snippets of test_functions and of
nn/test_golden.

Run `python -m tests.make_golden` with PyTorch 2.13 after changing them.
"""

import json
from typing import Any

from tests import test_functions
from tests.nn import test_golden


def main() -> None:
    import torch

    for tests in (test_functions, test_golden):
        found: dict[str, Any] = {name: tests.theirs(torch, name) for name in tests.SAME}
        lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
        tests.GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{tests.GOLDEN.parent.name}: {len(found)} snippets, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
