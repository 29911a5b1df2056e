"""Check that a wheel holds exactly the package with `nn` in it, nn's alias and pytest's plugin:
wheel.py SOURCE WHEEL"""

import sys
from pathlib import Path
from zipfile import ZipFile

source, wheel = map(Path, sys.argv[1:])
names = ZipFile(wheel).namelist()
shipped = {name for name in names if not name.startswith("autograd_lite-")}
wanted = {
    (Path(place) / path.relative_to(source)).as_posix()
    for place, package in (("", "autograd_lite"), ("autograd_lite", "nn"))
    for path in (source / package).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
wanted |= {"autograd_lite_pytest.py", "nn.py"}
assert {"autograd_lite/py.typed", "autograd_lite/nn/datasets/digits.npz"} <= wanted
assert shipped == wanted, f"missing or too many in the wheel: {sorted(shipped ^ wanted)}"
assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names), "no license"
print(f"{wheel.name}: {len(shipped)} files, {wheel.stat().st_size:,} bytes")
