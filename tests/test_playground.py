"""The playground: its form, its process for pasted code, who may ask, and the page in a browser."""

import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from autograd_lite.graph import render as renderers
from tests.helpers import open_chromium

pytest.importorskip("flask", reason="needs flask")
pytest.importorskip("plotly", reason="needs plotly")

from examples.playground import sandbox
from examples.playground.__main__ import main
from examples.playground.layers import LAYERS
from examples.playground.sandbox import Limits, alone, judge
from examples.playground.server import MOST_SESSIONS, create, serve
from examples.playground.training import Form, Run, checked, data

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "the-token-of-this-start"
LIMITS = Limits(seconds=1, wall=8)  # a slow machine has 8 seconds for what takes .2

RIGHT = {
    "linear": "def backward(g, x, w, b):\n    return g @ w, g.T @ x, g.sum(axis=0)",
    "tanh": "def backward(g, x):\n    return g * (1 - np.tanh(x) ** 2)",
    "relu": "def backward(g, x):\n    return g * (x > 0)",
    "sigmoid": (
        "def backward(g, x):\n    y = 1 / (1 + np.exp(-x))\n    return {'x': g * y * (1 - y)}"
    ),
    "softmax": (
        "def backward(g, x):\n    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    return y * (g - (g * y).sum(axis=1, keepdims=True))"
    ),
    "mse": "def backward(g, x, t):\n    d = g * 2 * (x - t) / x.size\n    return d, -d",
    "cross_entropy": (
        "def backward(g, x):\n    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    p[np.arange(5), [0, 2, 1, 1, 0]] -= 1\n    return g * p / 5"
    ),
}


# ---- the form

FIRST = {name: str(value) for name, value in vars(Form()).items()}


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


# ---- runs


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
    text = json.dumps(run.state(0, 0), allow_nan=False)
    assert "null" in text
    assert "Kaiming" not in trained(activation="relu", lr=90, init="kaiming").end


# ---- pasted code


def verdict(code, layer="tanh", limits=LIMITS):
    return judge(layer, code, limits)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_begins_with_one_mistake_that_has_a_name(layer):
    wrong = verdict(LAYERS[layer].backward, layer)
    assert wrong["ok"] is False
    faults = [row for row in wrong["rows"] if row["verdict"] == "wrong here"]
    assert len(faults) == 1 and "unexplained" not in faults[0]["diagnosis"]
    right = verdict(RIGHT[layer], layer)
    assert right["ok"] is True, right
    assert right["printed"] == ""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_code_that_is_shown_is_what_the_layer_computes(layer):
    names = {"np": np}
    exec(LAYERS[layer].code, names)  # noqa: S102
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in LAYERS[layer].shapes]
    from autograd_lite import Tensor

    wanted = LAYERS[layer].forward(*map(Tensor, inputs)).numpy()
    assert np.allclose(names["forward"](*inputs), wanted, rtol=1e-12)


FORBIDDEN = {  # each does no harm where it is not refused
    "import os; os.system('touch {evil}')": "os.system",
    "import subprocess; subprocess.run(['touch', '{evil}'])": "_posixsubprocess",
    "import _posixsubprocess": "_posixsubprocess",
    "import readline; readline.read_history_file('/etc/passwd')": "readline",
    "import os; os.fork() or os._exit(0)": "os.fork",
    "import socket; socket.create_connection(('127.0.0.1', {port}), 1)": "socket.",
    "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}', timeout=1)": "urllib.Request",
    "open('{evil}', 'w')": "open is refused here: '{evil}'",
    "import os; os.open('{evil}', os.O_CREAT | os.O_WRONLY)": "open is refused here: '{evil}'",
    "np.ones(3).tofile('{evil}')": "open is refused",
    "open(np.__file__, 'a')": "open is refused",
    "open('/etc/passwd')": "open is refused here: '/etc/passwd'",
    "open(np.__file__ + '/../../../../../../../../../../etc/passwd')": "open is refused",
    "import sys; open(sys.path[0] + '/.git/config')": "open is refused",
    "class S(str):\n  startswith = lambda *a: True\nopen(S('/etc/passwd'))": "open is refused",
    "import builtins, sys\nclass S(str):\n  startswith = lambda *a: True\n"
    "  removeprefix = lambda *a: 'x'\nrunner = sys.modules['examples.playground.runner']\n"
    "runner.type = lambda x: str\n"
    "try: open(S('/etc/passwd'))\nfinally: del runner.type": "open is refused",
    "import os; os.remove('{victim}')": "os.remove",
    "import os; os.kill(os.getpid(), 0)": "os.kill",
    "import ctypes; ctypes.CDLL(None)": "ctypes.dlopen",
    "import gc; gc.get_objects()": "gc.get_objects",
}


@pytest.mark.parametrize("network", ["cut off", "there"])
def test_what_pasted_code_must_not_do_is_refused(tmp_path, monkeypatch, network):
    """By the hook alone too, where the platform does not cut off the network."""
    if network == "there":
        monkeypatch.setattr(sandbox, "alone", list)
    tries = "\n".join(
        "try:\n"
        + "\n".join("    " + line for line in code.splitlines())
        + "\nexcept BaseException as error:\n    print(type(error).__name__, error)\n"
        "else:\n    print('DONE')"
        for code in FORBIDDEN
    )
    victim = tmp_path / "victim"
    victim.touch()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        facts = {"evil": tmp_path / "evil", "victim": victim, "port": listening.getsockname()[1]}
        for name, value in facts.items():
            tries = tries.replace(f"{{{name}}}", str(value))
        answer = verdict(f"{tries}\n{RIGHT['tanh']}")
        with pytest.raises(BlockingIOError):
            listening.accept()
    lines = answer["printed"].splitlines()
    assert len(lines) == len(FORBIDDEN), answer
    for line, wanted in zip(lines, FORBIDDEN.values(), strict=True):
        assert wanted.replace("{evil}", str(tmp_path / "evil")) in line
        assert "is refused here" in line
    assert answer["ok"] is True  # what is allowed still works
    assert list(tmp_path.iterdir()) == [victim]


@pytest.mark.skipif(not alone(), reason="this platform does not let a process be cut off")
def test_the_process_has_no_network_even_without_the_hook():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code = f"import socket; socket.create_connection({listening.getsockname()!r}, 2)"
        for prefix, expected in (([], 0), (alone(), 1)):
            command = [*prefix, sys.executable, "-c", code]
            assert subprocess.run(command, capture_output=True, check=False).returncode == expected


def test_a_loop_without_an_end_is_ended():
    start = time.monotonic()
    answer = verdict("print('begin', flush=True)\nwhile True: pass")
    assert answer == {
        "error": "It was ended after 1 seconds of computing. Is a loop endless?",
        "printed": "begin\n",
    }
    assert time.monotonic() - start < LIMITS.wall


def test_a_signal_handler_does_not_outlive_the_limit():
    code = "import signal\nsignal.signal(signal.SIGXCPU, lambda *a: None)\nwhile True: pass"
    assert "seconds of computing" in verdict(code)["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_that_waits_does_not_outlive_the_server():
    code = (
        "import threading, time\n"
        "from examples.playground.sandbox import RUNNING, Limits, judge\n"
        "wait = 'import time; time.sleep(60)'\n"
        "threading.Thread(target=judge, args=('tanh', wait, Limits()), daemon=True).start()\n"
        "while not RUNNING: time.sleep(0.01)\n"
        "print(next(iter(RUNNING)).pid)\n"
    )
    command = [sys.executable, "-c", code]
    pid = int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("said", ['{"ok": NaN, "rows": [], "ends": []}', '{"ok": 1}', "[" * 60_000])
def test_what_the_code_writes_as_a_verdict_breaks_nothing(said):
    read = {"answer": said.encode()}
    assert "without a verdict" in sandbox.understood(0, False, read, Limits())["error"]


def test_code_that_waits_is_ended():
    start = time.monotonic()
    answer = verdict("import time; time.sleep(100)", limits=Limits(seconds=1, wall=1.5))
    assert answer["error"] == "It was ended after 1.5 seconds. Does it wait for something?"
    assert time.monotonic() - start < 8


def test_memory_is_limited():
    code = "def backward(g, x):\n    many = np.ones(1 << 27)  # a GiB\n    return g"
    (fault, *_) = verdict(code)["rows"]
    assert "raised MemoryError" in fault["diagnosis"]
    hoard = "kept = []\nwhile True: kept.append(np.empty(1 << 21))"
    assert "MemoryError" in verdict(hoard)["error"]


def test_what_is_printed_is_cut_and_dropped():
    answer = verdict("while True: print('x' * 10_000)")
    assert answer["printed"] == "x" * LIMITS.output + " … (cut)"
    assert "of computing" in answer["error"]  # it did not wait for a reader


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "The code defines no function called backward."),
        ("backward = 3", "The code defines no function called backward."),
        ("class backward: pass", "backward is a class; a function is needed."),
        ("def backward(g, x:", "SyntaxError"),
        ("x = 1\n1 / 0", 'File "<pasted>", line 2'),
        ("import os; os._exit(0)", "ended without a verdict (code 0)"),
        ("raise SystemExit", "ended without a verdict"),
        ("\0", "null bytes"),
        ("x" * 20_001, "The code has 20,001 characters; at most 20,000 are run."),
    ],
)
def test_code_without_a_verdict_is_told_why(code, told):
    answer = verdict(code)
    assert told in answer["error"]
    assert str(ROOT) not in answer["error"]


def test_what_is_printed_is_no_verdict():
    forged = "import os\nos.write(1, b'{\"ok\": true}')\nprint('{\"ok\": true}')\nos._exit(0)"
    answer = verdict(forged)
    assert "ok" not in answer and '{"ok": true}' in answer["printed"]


def test_the_process_knows_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("A_SECRET", "hidden")
    answer = verdict("import os\nprint(sorted(os.environ))")
    assert "THREADS" in answer["printed"] and "A_SECRET" not in answer["printed"]


def test_an_unknown_layer_is_told():
    assert verdict("", layer="magic")["error"].startswith("There is no layer 'magic'; there are")


# ---- who may ask


class Client:
    """A browser without a screen, for port 5000."""

    base = "http://127.0.0.1:5000"

    def __init__(self, app=None):
        self.flask = (app or create(5000, TOKEN, LIMITS)).test_client()

    def get(self, path, **headers):
        return self.flask.get(path, headers=named(headers), base_url=self.base)

    def post(self, path, body, **headers):
        headers = {"Origin": self.base} | named(headers)
        return self.flask.post(path, json=body, headers=headers, base_url=self.base)


def named(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def client():
    client = Client()
    assert (
        client.get(
            "/",
        ).status_code
        == 403
    )
    assert client.get(f"/?token={TOKEN}").status_code == 303
    yield client
    client.flask.application.extensions["sessions"].stop()


PATHS = ("/", "/page.css", "/page.js", "/plotly.js", "/form", "/state", "/film", "/nothing")


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(path):
    for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%ff"):
        answer = Client().get(path + query)
        assert answer.status_code == 403
        assert "needs the token of this start" in answer.text
        assert "Set-Cookie" not in answer.headers


def test_a_cookie_that_was_made_up_is_refused(client):
    site = {"domain": "127.0.0.1"}
    token, _, name = client.flask.get_cookie("playground-5000", **site).value.partition(".")
    assert token == TOKEN
    for value in (f"wrong.{name}", f"{token}.wrong", token, name, ""):
        client.flask.set_cookie("playground-5000", value, **site)
        assert client.get("/").status_code == 403


def test_the_cookie_is_for_this_site_and_no_script():
    answer = Client().get(f"/?token={TOKEN}")
    assert answer.headers["Location"] == "/"
    assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_who_has_the_token_is_answered(client):
    for path in ("/", "/page.css", "/page.js", "/form", "/state"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'; script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/nothing").status_code == 404
    assert client.get("/../server.py").status_code == 404


def test_the_port_that_browsers_leave_out_is_answered():
    app = create(80, TOKEN, LIMITS).test_client()
    for base in ("http://127.0.0.1", "http://127.0.0.1:80", "http://localhost"):
        assert app.get(f"/?token={TOKEN}", base_url=base).status_code == 303


@pytest.mark.parametrize("host", ["evil.example:5000", "127.0.0.1", "127.0.0.1:81", "[::1]:5000"])
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    answer = client.get(f"/?token={TOKEN}", Host=host)
    assert answer.status_code == 421 and "Set-Cookie" not in answer.headers
    assert client.post("/start", FIRST, Host=host, Origin=f"http://{host}").status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:5001", "http://localhost:5000", "null",
     "https://127.0.0.1:5000", ""],
)  # fmt: skip
def test_other_origins_are_refused(client, origin):
    for path, body in (("/start", FIRST), ("/check", {"layer": "tanh", "code": ""}), ("/stop", {})):
        assert client.post(path, body, Origin=origin).status_code == 403
    assert client.get("/form", Origin=origin).status_code == 403
    assert client.get("/state").json == {"run": 0}


def test_other_sites_are_refused_where_the_browser_tells_them(client):
    for site in ("cross-site", "same-site"):
        assert client.get("/form", Sec_Fetch_Site=site).status_code == 403
        assert client.get(f"/?token={TOKEN}", Sec_Fetch_Site=site).status_code == 403
    assert client.get("/form", Sec_Fetch_Site="same-origin").status_code == 200


def test_a_form_of_another_site_cannot_post(client):
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = client.flask.post(
            "/start", data="{}", base_url=client.base,
            headers={"Origin": client.base, "Content-Type": kind},
        )  # fmt: skip
        assert answer.status_code == 403
    without = client.flask.post("/start", json=FIRST, base_url=client.base)
    assert without.status_code == 403
    for changing in ("/start", "/stop", "/check"):
        assert client.get(changing).status_code == 405


def test_bad_requests_break_nothing(client):
    assert client.post("/start", [1]).status_code == 400
    assert client.post("/check", {"layer": 1, "code": 2}).status_code == 400
    assert client.post("/check", []).status_code == 400
    assert client.post("/start", FIRST | {"units": "x" * 200_000}).status_code == 413
    broken = {"Origin": client.base, "Content-Type": "application/json"}
    answer = client.flask.post("/start", data="{", headers=broken, base_url=client.base)
    assert answer.status_code == 400
    deep = "[" * 60_000
    answer = client.flask.post("/start", data=deep, headers=broken, base_url=client.base)
    assert answer.status_code == 400
    for path in ("/film", "/graph.svg?frame=0", "/derivation?frame=x"):
        assert client.get(path).status_code == 404
    wrong = client.post("/start", FIRST | {"units": "0", "lr": "x"})
    assert wrong.status_code == 422 and set(wrong.json["wrong"]) == {"units", "lr"}
    assert client.get("/state").json == {"run": 0}


def test_a_new_start_ends_the_last_one_and_many_browsers_do_not_pile_up(client):
    long = FIRST | {"epochs": "20000", "samples": "1000", "units": "64"}
    known = client.flask.application.extensions["sessions"]
    (first,) = known._known.values()
    assert client.post("/start", long).json["run"] == 1
    run = first.run
    assert client.post("/start", long).json["run"] == 2
    assert not run.thread.is_alive() and run.end.startswith("Stopped after")
    assert first.run.thread.is_alive()
    for _ in range(MOST_SESSIONS):
        known.new()
    assert not first.run.thread.is_alive()
    assert client.get("/").status_code == 403


def test_film_picture_and_derivation_are_of_the_frame(client, monkeypatch):
    client.post("/start", FIRST | {"epochs": "20", "units": "4", "layers": "1"})
    while not client.get("/state").json["end"]:
        time.sleep(0.02)
    state = client.get("/state").json
    film = client.get("/film?frame=0")
    told = re.search(r"loss (\d\S+) · float64", film.text)[1]
    assert float(told) == pytest.approx(state["losses"][0], rel=1e-4)
    policy = film.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in policy and "allow-same-origin" not in policy
    svg = client.get("/graph.svg?frame=3")
    assert svg.mimetype == "image/svg+xml" and "fc1" in svg.text
    derived = client.get("/derivation?frame=0").json
    told = re.match(r"loss = (\S+),", derived["text"])[1]
    assert float(told) == pytest.approx(state["losses"][0], rel=1e-4)
    assert "def backprop(" in derived["numpy"] and "$" in derived["markdown"]
    assert client.get("/film?frame=9999").status_code == 404
    monkeypatch.setattr(renderers, "candidates", lambda backend: iter(()))
    assert client.get("/graph.svg?frame=0").status_code == 503
    assert client.get("/film?frame=0").status_code == 200


def test_graphs_of_several_who_train_at_once_are_of_their_own_nets():
    app = create(5000, TOKEN, LIMITS)
    clients = {units: Client(app) for units in ("5", "6", "7")}
    found = {}

    def draw_while_training(units, client):
        client.get(f"/?token={TOKEN}")
        client.post("/start", FIRST | {"epochs": "20000", "layers": "1", "units": units})
        while not client.get("/state").json["frames"]:
            time.sleep(0.01)
        svg = client.get("/graph.svg?frame=0").text
        going_on = not client.get("/state").json["end"]
        found[units] = going_on, re.findall(r"Linear\(\d+, \d+\)", svg)

    threads = [threading.Thread(target=draw_while_training, args=one) for one in clients.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    app.extensions["sessions"].stop()
    assert found == {n: (True, [f"Linear(1, {n})", f"Linear({n}, 1)"]) for n in clients}


# ---- the program


def test_the_program_listens_to_this_machine_alone():
    command = [sys.executable, "-W", "error", "-m", "examples.playground", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            program.stdout.readline()
            found = re.search(
                r"http://127\.0\.0\.1:(\d+)/\?token=(\S{32})$", program.stdout.readline()
            )
            port = int(found[1])
            for host in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
                if host != "127.0.0.1":
                    with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
                        socket.create_connection((host, port), 1).close()
            with socket.create_connection(("127.0.0.1", port), 5) as wire:
                wire.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                assert b" 403 " in wire.recv(100)
            program.send_signal(2)
            assert "ended" in program.stdout.read()
            assert program.wait(10) == 0
        finally:
            program.kill()


def test_options_that_make_no_sense(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in ("-1", "65536", "x", str(taken.getsockname()[1])):
            with pytest.raises(SystemExit) as ended:
                main(["--no-browser", f"--port={port}"])
            assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "65536 is not between 0 and 65535" in told and "cannot be used" in told


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    driver = open_chromium()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address():
    """The address of a server, without the token; its sessions end with the module."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = serve(listening, TOKEN, Limits(seconds=1, wall=8))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.app.extensions["sessions"].stop()
        server.shutdown()
        thread.join()


class Page:
    """The playground in a browser, as one clicks through it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address
        self.js = driver.execute_script

    def open(self, width=1360, height=900, dark=False, token=TOKEN):
        tell = self.driver.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        tell("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tell("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(f"{self.address}/?token={token}")
        self.until(lambda: self.js("return document.body.dataset.ready") == "true")
        return self

    def until(self, condition, seconds=20):
        """Wait for something that takes time; its value."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.03)
        return value

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.one(selector).text

    def click(self, selector):
        self.one(selector).click()

    def fill(self, **fields):
        from selenium.webdriver.support.ui import Select

        for name, value in fields.items():
            field = self.one(f'[name="{name}"]')
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)
        return self

    def train(self, **fields):
        """Train to the end; the sentence that tells how it ended."""
        self.js("document.getElementById('end').textContent = ''")  # of the run before
        self.fill(**fields).click("#start")
        return self.until(lambda: self.text("#end"))

    def slide(self, index):
        self.js(
            "const s = document.getElementById('slider'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'))",
            index,
        )

    def last(self):
        return int(self.one("#slider").get_attribute("max"))

    def curve(self, chart, trace):
        return self.js(
            "return Array.from(document.getElementById(arguments[0]).data[arguments[1]].y)",
            chart,
            trace,
        )

    def losses(self):
        return self.curve("loss", 0)

    def shown(self):
        return int(self.text("#epoch").removeprefix("epoch "))

    def compare(self, code, layer=None):
        """Paste a backward and compare; the heading of the verdict."""
        from selenium.webdriver.support.ui import Select

        if layer:
            Select(self.one("#layer")).select_by_value(layer)
        if code is not None:
            self.js("const c = document.getElementById('code'); c.value = arguments[0]", code)
        self.click("#run")
        return self.until(lambda: [h.text for h in self.all("#verdict h2")])[0]


@pytest.fixture
def page(chromium, address):
    chromium.get(f"{address}/?token={TOKEN}")
    chromium.delete_all_cookies()  # each test is a browser that was not here before
    page = Page(chromium, address).open()
    yield page
    errors = [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"]
    assert not [e for e in errors if "422" not in e["message"]], errors


def test_a_function_is_fitted_and_played(page):
    assert "token" not in page.driver.current_url
    assert page.one("#play").get_property("disabled")
    assert page.train(layers="2", epochs="60", samples="50") == "Trained for 60 epochs."
    assert page.text("#fit-title") == "sin x: 1-16-16-1 tanh, 50 points"
    assert page.text("#count") == "epoch 60 of 60"
    assert page.one("#progress").get_property("value") == 60
    assert not page.one("#stop").is_enabled()
    losses = page.losses()
    assert len(losses) == 61 and page.shown() == 60

    x = np.linspace(-np.pi, np.pi, 50)
    line = np.polyval(np.polyfit(x, np.sin(x), 1), x)
    assert np.allclose(page.curve("fit", 1), line, atol=1e-5)
    assert page.curve("loss", 1) == pytest.approx(2 * [np.mean((line - np.sin(x)) ** 2)], rel=1e-4)
    for index in (page.last(), 0, 7):  # the slider: what is shown is the net of that epoch
        page.slide(index)
        error = np.array(page.curve("fit", 2)) - np.sin(x)
        assert np.mean(error**2) == pytest.approx(losses[page.shown()], rel=1e-3)
        assert float(page.text("#facts .net")) == pytest.approx(losses[page.shown()], rel=1e-2)
        assert page.js("return document.getElementById('loss').data[2].x[0]") == page.shown()

    page.slide(page.last())
    page.click("#play")
    assert page.one("#play").get_attribute("aria-label") == "Pause"
    page.until(lambda: 0 < page.shown() < 60)
    page.click("#play")
    stood = page.shown()
    time.sleep(0.2)
    assert page.shown() == stood < 60
    page.click("#play")
    page.until(lambda: page.shown() == 60)
    page.until(lambda: page.one("#play").get_attribute("aria-label") == "Play")


LONG = {"epochs": "20000", "samples": "1000", "units": "64", "layers": "2"}


def test_a_training_is_seen_while_it_goes_on_and_stopped(page):
    page.fill(lr="0.0001", **LONG).click("#start")
    first = page.until(lambda: page.one("#progress").get_property("value"))
    page.until(lambda: page.one("#progress").get_property("value") > first)
    page.until(lambda: page.last() > 3 and page.shown() > 0)
    page.slide(1)  # who looks at an early epoch is not taken away from it
    early = page.shown()
    count = page.last()
    page.until(lambda: page.last() > count)
    assert page.shown() == early
    follows = page.js(  # at once, before the next frame comes
        "const slider = document.getElementById('slider'), follows = [];"
        "slider.value = now.frames.length - 1; slider.dispatchEvent(new Event('input'));"
        "follows.push(now.live); document.getElementById('play').click();"
        "follows.push(now.live); return follows"
    )
    assert follows == [True, False]  # a play is not drawn to the newest epoch
    page.click("#play")
    page.click("#stop")
    end = page.until(lambda: page.text("#end"))
    epoch = int(re.fullmatch(r"Stopped after ([\d,]+) of 20,000 epochs\.", end)[1].replace(",", ""))
    assert len(page.losses()) == epoch + 1 < 20_000
    page.slide(page.last())
    assert page.shown() == epoch
    page.open()  # the page loaded again shows the same run
    assert page.until(lambda: page.text("#end")) == end
    assert page.one('[name="units"]').get_attribute("value") == "64"
    assert len(page.losses()) == epoch + 1


def test_points_are_classified(page):
    page.click(".tasks label:nth-child(2)")
    assert not page.one('[name="target"]').is_displayed()
    end = page.train(cloud="rings", epochs="300", samples="90", layers="1", units="12")
    assert end == "Trained for 300 epochs."
    assert page.text("#fit-title") == "rings: 2-12-3 tanh, 90 points"
    facts = [fact.text.splitlines() for fact in page.all("#facts div")]
    names = ["loss of the net", "of the linear classifier", "right, in training",
             "right, held out", "held out, linear"]  # fmt: skip
    assert [name for name, _ in facts] == names
    values = [float(value.removesuffix(" %")) for _, value in facts]
    assert values[0] < values[1] / 2 and values[3] > values[4] + 20
    picture = "return document.getElementById('fit').layout.images[0].source"
    after = page.js(picture)
    page.slide(0)
    assert page.js(picture) != after
    assert after.startswith("data:image/png;base64,")


def derived_loss(page):
    found = re.match(r"loss = ([\d.]+)", page.text("#derived"))
    return float(found[1]) if found else np.inf


def test_the_graph_and_the_derivation_are_of_the_epoch_of_the_slider(page):
    page.train(epochs="50", units="5", layers="1", samples="20", seed="3")
    losses = page.losses()
    for index in (0, page.last()):
        page.click("#tab-graph")
        page.slide(index)
        loss = losses[page.shown()]
        page.click("#show-graph")
        frame = page.until(lambda: page.one("#film").is_displayed() and page.one("#film"))
        assert frame.get_attribute("sandbox") == "allow-scripts"
        page.driver.switch_to.frame(frame)
        try:
            told = page.until(lambda: [f.text for f in page.all(".facts")])[0]
            assert float(re.match(r"loss (\S+)", told)[1]) == pytest.approx(loss, rel=1e-3)
            page.click('[data-go="forward"]')
            assert page.text("#film-count") == "step 1 of 17"
            assert page.js("return self.origin") == "null"
        finally:
            page.driver.switch_to.default_content()
        page.js("document.getElementById('film').removeAttribute('src')")
        page.click("#tab-derivation")
        page.click("#show-derivation")
        page.until(lambda loss=loss: abs(derived_loss(page) - loss) < 1e-5)
        assert "d_fc1_weight = d_z1.T @ x" in page.text("#derived")
    page.click('[name="form"][value="numpy"]')
    assert page.text("#derived").startswith("import numpy as np")
    page.click('[name="form"][value="markdown"]')
    assert "$" in page.text("#derived")


def test_a_backward_is_compared(page):
    page.click("#tab-check")
    assert page.compare(None) == "Not right yet"
    rows = [row.text.splitlines() for row in page.all("#verdict li")]
    assert rows[0][:3] == ["b", "(4,)", "wrong here"]
    assert "mean over the batch for the sum" in rows[0][3]
    assert [row[2] for row in rows[1:]] == ["ok", "ok"]
    assert page.compare(RIGHT["linear"]) == "Every gradient is right."
    assert page.compare(RIGHT["softmax"], "softmax") == "Every gradient is right."
    evil = "def backward(g, x):\n    raise ValueError('<img src=x onerror=\"pwned=1\">')"
    assert page.compare(evil, "tanh") == "Not right yet"
    assert "<img src=x" in page.text("#verdict") and not page.all("#verdict img")
    assert page.js("return window.pwned") is None


@pytest.mark.parametrize(
    ("code", "heading", "told"),
    [
        ("while True: pass", "No verdict", "ended after 1 seconds of computing"),
        ("def backward(g, x):\n    return np.ones(1 << 40)", "Not right yet", "MemoryError"),
        (
            "import socket\ndef backward(g, x):\n    socket.create_connection(('127.0.0.1', 80))",
            "Not right yet",
            "is refused here",
        ),
        ("import os; os.system('ls')", "No verdict", "os.system is refused here"),
        ("print('hello')\nbackward = 1", "No verdict", "no function called backward"),
    ],
)
def test_code_that_does_something_else_harms_nothing(page, code, heading, told):
    page.click("#tab-check")
    assert page.compare(code, "tanh") == heading
    assert told in page.text("#verdict")
    assert ("hello" in page.text("#verdict")) == ("hello" in code)
    assert page.compare(RIGHT["tanh"]) == "Every gradient is right."


def test_bad_numbers_are_told_at_their_fields_and_nothing_runs(page):
    before = page.text("#fit-title"), page.text("#end")
    bad = {
        "layers": "9",
        "units": "many",
        "lr": "-1",
        "samples": "",
        "epochs": "1e9",
        "seed": "1.5",
    }
    page.fill(**bad).click("#start")
    page.until(lambda: page.text("#problem") == "Nothing was started.")
    for name in bad:
        field = page.one(f'[name="{name}"]')
        assert field.get_attribute("aria-invalid") == "true"
        told = page.text(f"#{field.get_attribute('aria-describedby')}")
        assert told.startswith(("It must be", "Give a number", "'")), name
    assert len(page.all(".fields .problem")) == len(bad)
    assert page.js("return document.activeElement.name") == "layers"
    assert (page.text("#fit-title"), page.text("#end")) == before
    assert not page.one("#stop").is_enabled()
    page.fill(layers="1", units="3", lr="0.01", samples="10", seed="0")
    assert page.train(epochs="10") == "Trained for 10 epochs."
    assert not page.all("[aria-invalid]") and not page.text("#problem")


def test_divergence_is_told_with_what_helps(page):
    end = page.train(activation="relu", layers="3", lr="10", epochs="100")
    assert end.startswith("It diverged") and "Kaiming" in end
    page.slide(0)
    page.slide(page.last())
    assert page.text("#facts .net") == "no number"


def test_two_browsers_do_not_mix(page):
    other = open_chromium()
    try:
        second = Page(other, page.address).open()
        page.fill(target="square", lr="0.0001", **LONG).click("#start")
        page.until(lambda: page.last() > 1)
        assert second.text("#fit-title") == "The fit" and not second.one("#stop").is_enabled()
        assert second.train(target="abs", epochs="200", layers="1") == "Trained for 200 epochs."
        assert second.text("#fit-title").startswith("|x|: 1-16-1 tanh")
        assert len(second.losses()) == 201
        assert page.text("#fit-title").startswith("x²: 1-64-64-1") and not page.text("#end")
        page.click("#stop")
        assert page.until(lambda: page.text("#end")).startswith("Stopped")
        assert second.text("#end") == "Trained for 200 epochs."
        stranger = page.address.replace("127.0.0.1", "localhost")
        other.get(stranger)  # another name, without the cookie
        assert "needs the token of this start" in other.page_source
    finally:
        other.quit()


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web site that is open in the same browser, and tries."""

    target = ""

    def do_GET(self):
        page = """<!DOCTYPE html><link rel="icon" href="data:,"><script>
        const target = "TARGET", tries = [];
        const note = (name) => (what) => tries.push(name + ": " + what);
        const post = (path, type, body, mode) => fetch(target + path,
            {method: "POST", credentials: "include", mode, headers: {"Content-Type": type}, body});
        window.done = Promise.allSettled([
          post("/start", "text/plain", 'FORM', "no-cors"),
          post("/start", "application/json", 'FORM', "cors"),
          post("/check", "text/plain", '{"layer": "tanh", "code": ""}', "no-cors"),
          fetch(target + "/state", {credentials: "include"}),
          fetch(target + "/state", {credentials: "include", mode: "no-cors"}).then((r) => r.text()),
        ]).then((all) => all.map((one) => one.status + " " + (one.value?.type ?? one.value ?? "")));
        </script><script src="TARGET/page.js" onload="window.loaded=1"></script>
        <iframe src="TARGET/" id="inside"></iframe>"""
        body = page.replace("TARGET", self.target).replace("FORM", json.dumps(FIRST))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *given):
        pass


def test_a_site_that_is_open_in_the_same_browser_gets_nothing(chromium, address):
    page = Page(chromium, address).open()
    page.train(epochs="10", seed="77")
    shown = "return fetch('/state').then((r) => r.json())"
    before = page.js(shown)
    Elsewhere.target = address
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        port = site.server_address[1]
        # the same machine, whose cookies are sent along, and a site that is another one
        for name in ("127.0.0.1", "localhost"):
            chromium.get(f"http://{name}:{port}/")
            tried = chromium.execute_async_script("window.done.then(arguments[0])")
            assert [one.strip() for one in tried] == 5 * ["rejected"]
            assert chromium.execute_script("return window.loaded") is None
            chromium.switch_to.frame(chromium.find_element("id", "inside"))
            assert "Playground" not in chromium.page_source
            chromium.switch_to.default_content()
        site.shutdown()
    page.driver.get(address)
    page.until(lambda: page.js("return document.body.dataset.ready") == "true")
    assert page.js(shown) == before
    assert before["form"]["seed"] == 77 and before["run"] >= 1


def test_a_wrong_token_opens_nothing(chromium, address):
    chromium.delete_all_cookies()
    chromium.get(f"{address}/?token=wrong")
    assert "needs the token of this start" in chromium.page_source
    assert not chromium.find_elements("css selector", "form")
    chromium.delete_all_cookies()


def test_nothing_is_asked_of_others(page):
    page.train(epochs="10")
    page.click("#show-graph")
    page.until(lambda: page.one("#film").is_displayed())
    asked = set()
    for entry in page.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    own = {url for url in asked if url.startswith((page.address, "data:"))}
    assert asked == own and f"{page.address}/plotly.js" in own


@pytest.mark.parametrize(("width", "dark"), [(1360, False), (820, True), (375, False)])
def test_it_fits_the_screen_and_can_be_used_by_keyboard(page, width, dark):
    page.open(width, 800, dark)
    page.train(epochs="20", layers="1")
    page.click("#tab-check")
    page.compare(None)
    assert page.js("return document.documentElement.scrollWidth") <= width
    ground = page.js("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 31)" if dark else "rgb(255, 255, 255)")
    for field in page.all("input:not([type=radio]), select, button, textarea"):
        if field.is_displayed():
            assert field.accessible_name
    page.one("#tab-check").send_keys("\ue012")  # arrow to the left
    assert page.one("#derivation").is_displayed() and not page.one("#check").is_displayed()
