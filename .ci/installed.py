"""Use the installed wheel, away from the clone: import, train, draw, compare. Run it with -I."""

import importlib
import pkgutil
import sys
import time

HEAVY = {"graphviz", "matplotlib", "tqdm", "scipy", "safetensors", "sklearn", "torch"}

start = time.perf_counter()
import numpy as np

after_numpy = time.perf_counter()
import autograd_lite
from autograd_lite import nn

end = time.perf_counter()
loaded = {name.partition(".")[0] for name in sys.modules}
assert not HEAVY & loaded, f"imported without need: {sorted(HEAVY & loaded)}"

from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from autograd_lite import Tensor, manual_seed
from autograd_lite.comparison import compare
from autograd_lite.graph import draw
from autograd_lite.nn import datasets, train

for module in pkgutil.walk_packages(autograd_lite.__path__, "autograd_lite."):
    if not module.name.endswith(("__main__", ".sklearn")) and ".playground." not in module.name:
        importlib.import_module(module.name)  # without the extras, which those are made of
folder = Path(autograd_lite.__file__).parent
assert Path(sys.prefix) in folder.parents, f"{folder} is not what was installed"
assert (folder / "py.typed").is_file() and folder in Path(nn.__file__).parents

manual_seed(0)
iris, digits, diabetes = datasets.iris(), datasets.digits(), datasets.diabetes()
assert (len(iris.data), len(digits.data), len(diabetes.data)) == (150, 1797, 442)
x, y = (digits.data / 16).astype("float32"), digits.target
model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=64, shuffle=True)
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
history = train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, 5, metrics="accuracy")
assert history["accuracy"][-1] > 0.95, history

model = nn.Linear(64, 3)
output = model(Tensor(x[:8]))
loss = nn.MSELoss()(output, np.zeros((8, 3), "float32"))
right = 2 * output.detach().numpy().T @ x[:8] / 24
assert compare(loss, {"weight": right}, model=model).ok
assert not compare(loss, {"weight": -right}, model=model).ok

with TemporaryDirectory() as name:
    picture = draw(loss).save(Path(name) / "net.svg")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    film = draw(loss).save(Path(name) / "net.html").read_text("utf-8")
    assert "film-story" in film and "{{" not in film

print(
    f"Python {sys.version.split()[0]}, NumPy {np.__version__}: trained to "
    f"{history['accuracy'][-1]:.3f}, drew, compared; NumPy loads in "
    f"{1000 * (after_numpy - start):.0f} ms, the packages in {1000 * (end - after_numpy):.0f} more"
)
