"""Write golden.json: what PyTorch gives for the snippets of test_functions.

Run `python -m tests.make_golden` with PyTorch 2.13 after changing them.
"""

import json
from typing import Any

from tests.test_functions import GOLDEN, SAME, theirs


def main() -> None:
    import torch

    found: dict[str, Any] = {name: theirs(torch, name) for name in SAME}
    lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(found)} snippets, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
