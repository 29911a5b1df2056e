"use strict";

const $ = (id) => document.getElementById(id);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const whole = (n) => n.toLocaleString("en");
const DARK = matchMedia("(prefers-color-scheme: dark)");
const POINTS = ["#2b6cb0", "#dd7a2b", "#2f8f6b"];
const CONFIG = { displayModeBar: false, responsive: true };

let now = fresh(0); // the run that is shown
let timer = null; // of the play

function fresh(run) {
  return { run, task: "", picture: null, frames: [], losses: [], epochs: 0, end: "", at: -1, live: true };
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Silence("The playground does not answer: was it ended in the terminal?");
  }
  if (answer.headers.get("Content-Type") !== "application/json") {
    throw new Error(answer.ok ? "An answer that was not expected." : (await answer.text()).trim());
  }
  return answer.json();
}

class Silence extends Error {} // no answer at all, so that asking again may help

function make(tag, text, kind) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

/* ---- the form */

function fill(choices, values) {
  for (const [name, texts] of Object.entries(choices)) {
    for (const [value, text] of Object.entries(texts)) {
      if (name === "task") {
        const label = make("label");
        const radio = make("input");
        Object.assign(radio, { type: "radio", name, value });
        label.append(radio, text);
        document.querySelector(".tasks").append(label);
      } else {
        $("form").elements[name].add(new Option(text, value));
      }
    }
  }
  put(values);
  $("form").addEventListener("change", (event) => {
    if (event.target.name === "task") {
      // a rate and a start with which each task goes well
      const classes = event.target.value === "classes";
      put({ lr: classes ? 0.5 : values.lr, init: classes ? "kaiming" : values.init });
      showTask();
    }
  });
}

function put(values) {
  for (const [name, value] of Object.entries(values)) $("form").elements[name].value = value;
  showTask();
}

function showTask() {
  const task = $("form").elements.task.value;
  document.querySelector(".for-function").hidden = task !== "function";
  document.querySelector(".for-classes").hidden = task !== "classes";
}

function complain(wrong) {
  for (const label of document.querySelectorAll("[data-field]")) {
    const name = label.dataset.field;
    const text = wrong[name] || "";
    label.querySelector(".problem")?.remove();
    const field = label.querySelector("input, select");
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
    if (!text) continue;
    const note = make("span", text, "problem");
    note.id = `problem-${name}`;
    label.append(note);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", note.id);
  }
  document.querySelector("[aria-invalid]")?.focus();
}

async function start(event) {
  event.preventDefault();
  $("problem").textContent = "";
  try {
    const answer = await ask("/start", Object.fromEntries(new FormData($("form"))));
    complain(answer.wrong || {});
    if (answer.wrong) {
      $("problem").textContent = "Nothing was started.";
      return;
    }
    show(answer);
    follow();
  } catch (error) {
    $("problem").textContent = error.message;
  }
}

/* ---- the run */

function show(answer) {
  pause();
  now = Object.assign(fresh(answer.run), { task: answer.task, picture: answer.picture });
  for (const id of ["film", "graph-svg", "derived", "maths", "forms"]) $(id).hidden = true;
  $("film").onload = null; // it loads nothing, which is no drawing
  $("film").removeAttribute("src");
  for (const id of ["derivation-problem", "derivation-epoch", "graph-problem", "graph-epoch"]) $(id).textContent = "";
  tell("");
  $("hint")?.remove();
  $("facts").replaceChildren();
  for (const id of ["slider", "play", "show-graph", "show-derivation"]) $(id).disabled = true;
  $("fit-title").textContent = answer.picture.title;
  $("loss-title").textContent = answer.task === "function"
    ? "Mean squared error over all points" : "Cross-entropy over all points";
  $("stop").disabled = false;
}

let following = false;
const PAUSES = [250, 500, 1000, 2000, 4000]; // ms before asking again

async function patiently(path) {
  for (const pause of PAUSES) {
    try {
      return await ask(path);
    } catch (error) {
      if (!(error instanceof Silence)) throw error;
      tell("No answer; trying again …", "bad");
      await wait(pause);
      tell("");
    }
  }
  return ask(path);
}

function tell(text, kind = "") {
  $("end").textContent = text;
  $("end").className = kind;
}

async function follow() {
  if (following) return;
  following = true;
  try {
    while (true) {
      const { run, frames, losses } = now;
      const news = await patiently(`/state?run=${run}&frames=${frames.length}&losses=${losses.length}`);
      if (!news.run) break;
      if (now.run !== run) continue; // started anew meanwhile
      if (news.picture) {
        show(news);
        if (news.form) put(news.form);
      }
      now.frames.push(...news.frames);
      now.losses.push(...news.losses);
      Object.assign(now, { epochs: news.epochs, end: news.end });
      progress();
      if (news.frames.length || news.losses.length) {
        if (now.live && now.frames.length) now.at = now.frames.length - 1;
        draw();
      }
      if (now.end) break;
      await wait(120);
    }
  } catch (error) {
    tell(error.message, "bad");
    $("stop").disabled = true;
  }
  following = false;
}

function progress() {
  const epoch = now.losses.length - 1;
  $("progress").max = now.epochs;
  $("progress").value = Math.max(epoch, 0);
  $("count").textContent = `epoch ${whole(epoch)} of ${whole(now.epochs)}`;
  tell(now.end, /diverged|broke/.test(now.end) ? "bad" : "");
  $("stop").disabled = Boolean(now.end);
  const some = now.frames.length > 0;
  $("slider").max = Math.max(now.frames.length - 1, 0);
  for (const id of ["slider", "play", "show-graph", "show-derivation"]) $(id).disabled = !some;
}

/* ---- the charts */

function colour(name) {
  // the computed value resolves light-dark()
  const probe = make("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function layout(more) {
  const axis = {
    gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true,
    tickfont: { color: colour("soft"), size: 12 }, fixedrange: true, title: { font: { size: 12.5, color: colour("soft") } },
  };
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    margin: { l: 46, r: 16, t: 14, b: 40 }, hovermode: "closest", ...more,
    xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
  };
}

function line(x, y, name, more = {}) {
  return { x, y, name, mode: "lines", hoverinfo: "none", line: { color: colour("net"), width: 2.5, shape: "linear" }, ...more };
}

function ticks(low, high) {
  // of a logarithmic axis: powers of ten, and 2 and 5 times those where there is room
  const step = Math.ceil((high - low) / 8);
  const tickvals = [];
  for (let k = Math.floor(low); k <= high; k++) {
    for (const m of high - low < 2.2 ? [1, 2, 5] : k % step ? [] : [1]) tickvals.push(Number(`${m}e${k}`));
  }
  const ticktext = tickvals.map((x) => {
    const [m, k] = x.toExponential().split("e");
    return Math.abs(k) > 3 ? `${m === "1" ? "" : `${m}·`}10<sup>${Number(k)}</sup>` : String(x);
  });
  return { tickvals, ticktext };
}

const tag = () => ({ showarrow: false, font: { color: colour("baseline"), size: 12 } });
const dashed = () => ({ color: colour("baseline"), width: 1.6, dash: "dash" });

function draw() {
  if (now.at < 0) return;
  const { picture, frames, losses } = now;
  const frame = frames[now.at];
  $("slider").value = now.at;
  $("epoch").textContent = `epoch ${whole(frame.epoch)}`;
  $("slider").setAttribute("aria-valuetext", $("epoch").textContent);
  if (now.task === "function") drawFunction(picture, frame);
  else drawClasses(picture, frame);

  const epochs = losses.map((_, i) => i);
  const span = now.end ? Math.max(losses.length - 1, 1) : now.epochs;
  const loss = losses[frame.epoch];
  const known = [...losses.filter((l) => l !== null), picture.baseline].map(Math.log10);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const room = 0.08 * Math.max(high - low, 0.5);
  const under = losses.at(-1) > picture.baseline; // its name is on the side where the curve is not
  const range = [low - (under ? 2.5 : 1) * room, high + 2.5 * room];
  const name = now.task === "function" ? "best line" : "linear classifier";
  const baseline = picture.baseline.toPrecision(3);
  const data = [
    line(epochs, losses, "loss", { hoverinfo: "x+y", line: { color: colour("net"), width: 2 } }),
    line([0, span], [picture.baseline, picture.baseline], name, { line: dashed() }),
    { x: [frame.epoch], y: [loss], mode: "markers", hoverinfo: "none", marker: { color: colour("net"), size: 10 } },
  ];
  Plotly.react("loss", data, layout({
    xaxis: { title: { text: "epoch", font: { size: 12.5, color: colour("soft") } }, range: [-0.02 * span, 1.02 * span] },
    yaxis: { type: "log", range, ...ticks(...range) },
    annotations: [{ x: 1, xref: "paper", xanchor: "right", y: Math.log10(picture.baseline), yanchor: under ? "top" : "bottom", text: `${name} ${baseline}`, ...tag() }],
  }), CONFIG);

  const facts = [[now.task === "function" ? "squared error of the net" : "loss of the net", loss === null ? "no number" : loss.toPrecision(3), "net"], [`of the ${name}`, baseline, "baseline"]];
  if (now.task === "classes") {
    const percent = (x) => `${(100 * x).toFixed(1)} %`;
    facts.push(["right, in training", percent(frame.right), "net"], ["right, held out", percent(frame.held), "net"], ["held out, linear", percent(picture.held), "baseline"]);
  }
  $("facts").replaceChildren(...facts.map(([term, value, kind]) => {
    const box = make("div");
    box.append(make("dt", term), make("dd", value, kind));
    return box;
  }));
}

function drawFunction(picture, frame) {
  Plotly.react("fit", [
    {
      x: picture.x, y: picture.y, hoverinfo: "x+y", cliponaxis: false, opacity: 0.7,
      mode: picture.x.length > 200 ? "lines" : "markers", // so many dots touch, and slow the play
      marker: { color: colour("soft"), size: 4.5 }, line: { color: colour("soft"), width: 5 },
    },
    line(picture.x, picture.line, "best line", { line: dashed() }),
    line(picture.x, frame.y, "net", { line: { color: colour("net"), width: 3 } }),
  ], layout({
    yaxis: { range: picture.range },
    xaxis: { title: { text: "x", font: { size: 12.5, color: colour("soft") } }, range: [picture.x[0], picture.x.at(-1)] },
    annotations: [{ x: picture.x[0], y: picture.line[0], xanchor: "left", yanchor: picture.line[0] > picture.line.at(-1) ? "bottom" : "top", text: "best line", ...tag() }],
  }), CONFIG);
}

function drawClasses(picture, frame) {
  const [left, right, bottom, top] = picture.box;
  const groups = [...new Set(picture.classes)].sort();
  Plotly.react("fit", groups.map((k) => {
    const mine = (_, i) => picture.classes[i] === k;
    return {
      x: picture.x.filter(mine), y: picture.y.filter(mine), mode: "markers", hoverinfo: "x+y", name: `class ${k}`,
      marker: { color: POINTS[k], size: 7, line: { color: "#ffffff", width: 1 }, symbol: ["circle", "square", "triangle-up"][k] },
    };
  }), layout({
    xaxis: { range: [left, right], showgrid: false }, yaxis: { range: [bottom, top], showgrid: false },
    images: [{ source: painted(frame.map, picture.grid), xref: "x", yref: "y", x: left, y: top, sizex: right - left, sizey: top - bottom, sizing: "stretch", layer: "below" }],
  }), CONFIG);
}

function painted(map, size) {
  const bytes = atob(map);
  const canvas = make("canvas");
  canvas.width = canvas.height = size;
  const image = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = bytes.charCodeAt(3 * i + k);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/* ---- play */

function pause() {
  clearInterval(timer);
  timer = null;
  document.body.classList.remove("playing");
  $("play").setAttribute("aria-label", "Play");
}

function play() {
  if (timer) return pause();
  if (now.at >= now.frames.length - 1) now.at = -1;
  now.live = false;
  document.body.classList.add("playing");
  $("play").setAttribute("aria-label", "Pause");
  timer = setInterval(() => {
    now.at += 1;
    draw();
    if (now.at >= now.frames.length - 1) {
      now.live = true;
      pause();
    }
  }, 60);
}

/* ---- graph and derivation */

async function showGraph() {
  const run = now.run;
  const which = `run=${run}&frame=${now.at}`;
  const epoch = $("epoch").textContent;
  $("graph-problem").textContent = "";
  $("graph-epoch").textContent = "Drawing …";
  try {
    await ask(`/frame?${which}`); // what a frame shows instead cannot be read here
  } catch (error) {
    $("film").hidden = $("graph-svg").hidden = true;
    $("graph-epoch").textContent = "";
    $("graph-problem").textContent = error.message;
    return;
  }
  if (now.run !== run) return; // started anew meanwhile
  $("film").src = `/film?${which}`;
  $("film").onload = () => { $("graph-epoch").textContent = `of ${epoch}`; };
  $("graph-svg").href = `/graph.svg?${which}`;
  $("film").hidden = $("graph-svg").hidden = false;
}

let derived = {};

async function showDerivation() {
  const epoch = $("epoch").textContent;
  $("show-derivation").disabled = true;
  for (const id of ["derivation-problem", "derivation-epoch"]) $(id).textContent = "";
  try {
    derived = await ask(`/derivation?run=${now.run}&frame=${now.at}`);
    $("derivation-epoch").textContent = `of ${epoch}`;
    $("maths").innerHTML = derived.maths; // made by the server; its policy runs no script of it
    showForm();
  } catch (error) {
    $("derivation-problem").textContent = error.message;
  }
  $("show-derivation").disabled = false;
}

function showForm() {
  const form = document.querySelector("[name=form]:checked").value;
  $("forms").hidden = false;
  $("maths").hidden = form !== "maths";
  $("derived").hidden = form === "maths";
  if (form !== "maths") $("derived").textContent = derived[form];
}

/* ---- a backward by hand */

const TONES = { "ok": "right", "ok elsewhere": "right", "wrong here": "wrong" };

const written = {}; // by layer: who looks at another finds it again

function showLayer(layers) {
  const layer = layers[$("layer").value];
  $("forward").textContent = layer.forward;
  $("code").value = written[$("layer").value] ?? layer.backward;
  $("verdict").replaceChildren();
}

function mended(fix) {
  const block = make("pre", `line ${fix.line}:  `, "fix");
  block.append(make("del", fix.old), "\n     ->  ", fix.new ? make("ins", fix.new) : "(without it)");
  return block;
}

async function compare() {
  const held = ["run", "again", "layer"].map($); // the verdict is of the layer that is shown
  for (const one of held) one.disabled = true;
  $("verdict").replaceChildren(make("p", "Comparing …", "said"));
  let answer;
  try {
    answer = await ask("/check", { layer: $("layer").value, code: $("code").value });
  } catch (error) {
    answer = { error: error.message };
  }
  for (const one of held) one.disabled = false;
  const parts = [];
  if (answer.error) {
    parts.push(make("h2", "No verdict", "no"), make(answer.error.includes("\n") ? "pre" : "p", answer.error));
  } else {
    parts.push(make("h2", answer.ok ? "Every gradient is right." : "Not right yet", answer.ok ? "ok" : "no"));
    if (answer.headline) parts.push(make("p", answer.headline));
    const list = make("ul");
    for (const row of answer.rows) {
      const item = make("li");
      const head = make("div", undefined, "head");
      head.append(make("b", row.name), make("span", row.shape === "()" ? "" : row.shape), make("i", row.verdict, TONES[row.verdict] || "doubt"));
      item.append(head);
      if (row.diagnosis) item.append(make("p", row.diagnosis));
      if (row.error !== "-") item.append(make("p", row.error === "0.0e+00" ? "no difference" : `relative error ${row.error}`, "said"));
      list.append(item);
    }
    const [summary, ...ends] = answer.ends.map((text) => make("p", text, "said"));
    parts.push(list, summary, ...answer.fixes.map(mended), ...ends);
  }
  if (answer.printed) parts.push(make("p", "It printed", "said"), make("pre", answer.printed));
  $("verdict").replaceChildren(...parts);
  $("verdict").scrollIntoView({ block: "nearest" }); // on a small screen it is below the box
}

/* ---- tabs and start */

function choose(tab) {
  for (const other of document.querySelectorAll("[role=tab]")) {
    const mine = other === tab;
    other.setAttribute("aria-selected", mine);
    other.tabIndex = mine ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !mine;
  }
  tab.focus();
}

async function begin() {
  const { choices, values, layers, limits } = await ask("/form");
  fill(choices, values);
  for (const [key, layer] of Object.entries(layers)) $("layer").add(new Option(layer.title, key));
  showLayer(layers);
  $("limits").textContent = limits;
  $("form").addEventListener("submit", start);
  $("stop").addEventListener("click", () => ask("/stop", {}).catch((error) => { $("problem").textContent = error.message; }));
  $("play").addEventListener("click", play);
  $("slider").addEventListener("input", () => {
    pause();
    now.at = Number($("slider").value);
    now.live = now.at === now.frames.length - 1;
    draw();
  });
  $("show-graph").addEventListener("click", showGraph);
  $("show-derivation").addEventListener("click", showDerivation);
  for (const radio of document.querySelectorAll("[name=form]")) radio.addEventListener("change", showForm);
  $("layer").addEventListener("change", () => showLayer(layers));
  $("code").addEventListener("input", () => { written[$("layer").value] = $("code").value; });
  $("again").addEventListener("click", () => {
    delete written[$("layer").value];
    showLayer(layers);
  });
  $("run").addEventListener("click", compare);
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(tabs[(i + step + tabs.length) % tabs.length]);
    });
  });
  DARK.addEventListener("change", draw);
  document.body.dataset.ready = "true";
  follow(); // a run that a page loaded before has started
}

begin().catch((error) => { $("problem").textContent = error.message; });
