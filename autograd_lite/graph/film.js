"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const story = JSON.parse(byId("film-story").textContent);
  const { numbers, scenes } = story; // scenes by the module that is open, "" the whole
  scenes[""] = { cards: story.cards, edges: story.edges, steps: story.steps };
  const stage = byId("film-stage"), canvas = byId("film-canvas"), panel = byId("film-panel");
  const slider = byId("film-slider"), count = byId("film-count"), say = byId("film-say");
  const root = document.documentElement;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const SVG = "http://www.w3.org/2000/svg";
  const PAUSE = 1600; // milliseconds a step is shown
  let steps, cards, edges, picture, keys, begun, here = ""; // of the scene that is shown
  let now = 0, picked = null, timer = 0, scale = 1, focused;

  for (const scene of Object.values(scenes))
    for (const card of Object.values(scene.cards)) { // what is empty was left out
      for (const list of ["lines", "mistakes", "arrays", "leaving"]) card[list] ??= [];
      card.parts = story.sums[card.parts] || [];
    }
  scenes[""].html = canvas.innerHTML;
  root.classList.add("js");
  canvas.classList.add("film");

  // ---- small helpers

  function make(tag, text, ...classes) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    element.classList.add(...classes.filter(Boolean));
    return element;
  }

  function number(x, digits) {
    if (typeof x !== "number") return String(x); // true, NaN, inf
    const size = Math.abs(x);
    let text = x === 0 || (size >= 1e-3 && size < 1e5)
      ? String(parseFloat(x.toPrecision(digits)))
      : x.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
    return text.replaceAll("-", "−");
  }

  const shaped = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const single = (n) => n.shape.every((length) => length === 1) && n.values;

  // ---- the panel: formulas with shapes, arrays as tables

  /* What stands under a name of a formula: the number if it is one, else the shape. */
  function under(name, card, out) {
    const turned = name.endsWith("ᵀ");
    const base = turned ? name.slice(0, -1) : name;
    const known = (wanted) => card.arrays.find(([n]) => n === wanted);
    let at = known(base);
    if (at) at = at[1];
    else if (base.startsWith("d") && base.slice(1) === card.name) at = card.total;
    else {
      const gift = card.leaving.find((g) => g.name === name.slice(1));
      at = gift ? gift.numbers : undefined;
      if (gift && at !== undefined && !single(numbers[at])) return shaped(numbers[at].shape);
    }
    if (at === undefined) return "";
    if (single(numbers[at])) return number(numbers[at].values[0], 4);
    const shape = [...numbers[at].shape];
    if (turned) shape.push(...shape.splice(-2).reverse());
    return shaped(shape);
  }

  function formula(text, card, tone) {
    const line = make("p", null, "formula", tone);
    for (const word of text.split(/([\p{L}_][\p{L}\p{N}_]*(?!\())/u)) {
      const note = /^[\p{L}_]/u.test(word) ? under(word, card) : "";
      if (note) {
        const ruby = make("ruby", word);
        ruby.append(make("rt", note));
        line.append(ruby);
      } else line.append(word);
    }
    return line;
  }

  function cell(value, top) {
    const td = make("td");
    const data = make("data", number(value, 4));
    data.value = value;
    if (typeof value === "number" && top > 0) {
      td.style.setProperty("--weight", Math.abs(value) / top);
      td.style.setProperty("--tone", value < 0 ? "var(--lit)" : "var(--gradient)");
    }
    td.append(data);
    return td;
  }

  /* The values of an array: lists in lines of five, matrices as they are, and the matrices of a
     larger array one after the other. */
  function tables(array, name) {
    const box = make("div", null, "numbers");
    const { shape, values } = array;
    const top = Math.max(0, ...values.filter((v) => typeof v === "number").map(Math.abs));
    const columns = shape.length > 1 ? shape[shape.length - 1] : Math.min(shape[0], 5);
    const rows = shape.length > 1 ? shape[shape.length - 2] : Math.ceil(shape[0] / columns);
    const page = shape.length > 1 ? rows * columns : values.length;
    for (let start = 0; start < values.length; start += page) {
      const table = make("table");
      const index = [];
      for (let rest = start / page, axis = shape.length - 3; axis >= 0; axis--) {
        index.unshift(rest % shape[axis]);
        rest = Math.floor(rest / shape[axis]);
      }
      if (index.length) table.append(make("caption", `${name}[${index.join(", ")}]`));
      else table.setAttribute("aria-label", `values of ${name}`);
      const head = table.createTHead().insertRow();
      head.append(make("td"));
      head.firstChild.style.background = "none";
      for (let j = 0; j < columns; j++) {
        const th = make("th", shape.length > 1 || rows === 1 ? j : `+${j}`);
        th.scope = "col";
        head.append(th);
      }
      const body = table.createTBody();
      for (let i = 0; i < rows; i++) {
        const tr = body.insertRow();
        const th = make("th", shape.length > 1 ? i : rows === 1 ? "" : i * columns);
        th.scope = "row";
        tr.append(th);
        const first = start + i * columns;
        for (const value of values.slice(first, Math.min(first + columns, start + page)))
          tr.append(cell(value, top));
      }
      box.append(table);
    }
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `values of ${name}`);
    return box;
  }

  function array(name, at, tone) {
    const box = make("div", null, "array");
    const line = make("p");
    line.append(make("b", name, tone));
    box.dataset.name = name;
    box.append(line);
    if (at === undefined || at === null) return box;
    const n = numbers[at];
    if (single(n)) {
      const value = make("data", number(n.values[0], 6));
      value.value = n.values[0];
      value.classList.add("single");
      line.append(make("span", `${shaped(n.shape)} ${n.dtype}`, "size"), value);
      return box;
    }
    line.append(make("span", `${shaped(n.shape)} ${n.dtype}`, "size"));
    const facts = make("dl", null, "statistics");
    const size = n.shape.reduce((a, b) => a * b, 1);
    for (const [word, x] of [["norm", n.norm], ["min", n.min], ["mean", n.mean], ["max", n.max],
      ["zeros", n.zeros]]) {
      if (x === undefined || (word === "zeros" && x === 0)) continue;
      const pair = make("div");
      const share = `${Math.round((100 * x) / size)} %`;
      const value = make("data", word === "zeros" ? share : number(x, 4));
      value.value = x;
      value.dataset.of = word;
      const dd = make("dd");
      dd.append(value);
      pair.append(make("dt", word), dd);
      facts.append(pair);
    }
    box.append(facts);
    if (n.values && n.values.length) box.append(tables(n, name));
    return box;
  }

  function heading(card) {
    const h2 = make("h2");
    const named = card.name && card.name !== card.title ? `  ${card.name}` : "";
    h2.append(make("span", card.title, card.family || card.kind));
    h2.append(make("small", (named + " " + (card.shape || "")).trim()));
    return h2;
  }

  /* What the film starts from: the leaves, and what there is to say about the whole. */
  function leaves() {
    const found = [];
    for (const key of keys)
      if (cards[key].kind === "note") found.push(make("p", cards[key].title, "plain"));
    for (const [kind, title] of [["parameter", "Parameters"], ["input", "Inputs"]]) {
      const list = make("ul", null, "leaves");
      for (const key of keys.filter((k) => cards[k].kind === kind)) {
        const card = cards[key], button = make("button"), item = make("li");
        button.type = "button";
        button.append(make("b", card.title, kind), make("span", card.shape));
        button.append(make("small", card.lines.join(" · ")));
        if (card.verdict) button.append(make("small", card.verdict, "verdict", card.tone));
        button.addEventListener("click", () => pick(key));
        item.append(button);
        list.append(item);
      }
      if (list.children.length) found.push(section(title), list);
    }
    return found;
  }

  const section = (text, tone) => make("h3", text, tone);

  function forward(card) {
    const found = [];
    const arrays = card.arrays;
    if (card.forward) found.push(section("Forward"), formula(card.forward, card));
    if (arrays.length) {
      const [name, at] = arrays[arrays.length - 1];
      found.push(array(name, at));
    }
    if (arrays.length > 1) {
      found.push(section("From"));
      for (const [name, at] of arrays.slice(0, -1)) found.push(array(name, at));
    }
    return found;
  }

  function arriving(card) {
    const found = [];
    if (card.total === undefined && !card.parts.length) return found;
    const name = `d${card.name}`;
    const several = card.parts.length;
    const parts = several ? ` in ${several} parts, which add up` : "";
    found.push(section(`Gradient that arrives${parts}`, "gradient"));
    if (several) {
      const sum = make("div", null, "sum");
      card.parts.forEach((part, i) => {
        const from = cards[part.card] ? cards[part.card].title : "";
        const of = part.name ? `${from} ${part.name}` : from;
        sum.append(array(`part ${i + 1}, from ${of}`, part.numbers, "gradient"));
      });
      found.push(sum);
    }
    found.push(array(several ? `${name}, the sum` : name, card.total, "gradient"));
    return found;
  }

  function backward(card) {
    const found = arriving(card);
    const leaving = card.leaving;
    if (leaving.length) found.push(section("Gradients that leave", "gradient"));
    for (const gift of leaving) {
      if (gift.formula) found.push(formula(gift.formula, card, "gradient"));
      const target = cards[gift.card];
      const parts = target && target.parts.length ? `, one of ${target.parts.length} parts` : "";
      found.push(array(`d${gift.name}${parts}`, gift.numbers, "gradient"));
    }
    if (card.saved) found.push(make("p", `Needs from the forward pass: ${card.saved.join(", ")}`, "plain"));
    return found;
  }

  function origin(card) {
    if (card.kind !== "op") return [];
    const box = make("div", null, "source");
    const at = card.place;
    if (at) {
      if (at.text) box.append(make("code", at.text));
      const inside = at.module ? `, in module ${at.module}` : "";
      box.append(`${at.file}, line ${at.line}, in ${at.function}${inside}`);
    } else {
      box.append("To see the line that made this, compute the loss inside ");
      const code = make("code", "with record_lines():");
      code.style.display = "inline";
      box.append(code);
    }
    return [section("Line"), box];
  }

  function goto(key) {
    const row = make("div", null, "goto");
    steps.forEach((step, i) => {
      if (step.card !== key || i === now) return;
      const button = make("button", `Go to its ${step.way === "seed" ? "backward" : step.way} step`);
      button.type = "button";
      button.addEventListener("click", () => show(i));
      row.append(button);
    });
    return row.children.length ? [row] : [];
  }

  function tell() {
    const step = steps[now];
    const key = picked || step.card;
    const box = byId("film-card");
    const card = key && cards[key];
    const found = [];
    if (card) {
      found.push(heading(card));
      const leaf = card.kind === "parameter" || card.kind === "input";
      for (const line of leaf ? [card.lines.join(" · ")] : card.lines)
        found.push(make("p", line, "plain"));
      if (card.verdict) found.push(make("p", card.verdict, "verdict", card.tone));
      for (const line of card.mistakes) found.push(make("p", line, "plain"));
      if (picked) found.push(...goto(key));
      if (picked || step.way === "forward") found.push(...forward(card));
      if (picked || step.way !== "forward") found.push(...backward(card));
      found.push(...origin(card));
    } else found.push(...leaves());
    box.replaceChildren(...found);
    panel.scrollTop = 0;
    say.textContent = picked ? `Selected: ${card.label}.` : step.say;
  }

  // ---- the graph

  function framed(cls) {
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("class", `frame ${cls}`);
    rect.style.display = "none";
    if (picture) picture.querySelector(".graph").append(rect);
    return rect;
  }
  let frames;

  function surround(rect, key, pad) {
    const node = key && byId(key);
    rect.style.display = node && picture ? "" : "none";
    if (!node || !picture) return;
    const box = node.getBBox();
    rect.setAttribute("x", box.x - pad);
    rect.setAttribute("y", box.y - pad);
    rect.setAttribute("width", box.width + 2 * pad);
    rect.setAttribute("height", box.height + 2 * pad);
  }

  function paint() {
    const step = steps[now];
    canvas.classList.toggle("whole", step.way === "start");
    const come = (at) => now === 0 || (at ?? 0) <= now;
    for (const key of keys) {
      const node = byId(key);
      node.classList.toggle("later", !come(cards[key].reached));
      node.classList.toggle("back", now > 0 && now >= begun && begun > 0 && cards[key].returned <= now);
      node.classList.toggle("now", step.card === key);
      node.classList.toggle("picked", picked === key);
      if (step.card === key) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    }
    edges.forEach(([source, target, tracked], i) => {
      const edge = byId(`e${i + 1}`);
      if (!edge) return;
      edge.classList.toggle("later", !(come(cards[target].reached) && come(cards[source].reached)));
      edge.classList.toggle("back", tracked && begun > 0 && cards[target].returned <= now);
      edge.classList.toggle("now", (step.way === "forward" && target === step.card)
        || (step.way === "seed" && target === step.card)
        || (step.way === "backward" && tracked && target === step.card));
    });
    frames.now.classList.toggle("backward", step.way === "backward" || step.way === "seed");
    for (const box of map.querySelectorAll(".card")) box.classList.toggle("now", box.dataset.of === step.card);
    surround(frames.now, step.card, 5);
    surround(frames.picked, picked, 9);
  }

  function reveal(key) {
    const node = key && byId(key);
    if (!node) return;
    const box = node.getBoundingClientRect(), view = stage.getBoundingClientRect();
    const move = (low, high, from, to) => {
      const margin = (to - from) * 0.12;
      return low < from + margin || high > to - margin ? (low + high - from - to) / 2 : 0;
    };
    stage.scrollBy({
      left: box.width < view.width ? move(box.left, box.right, view.left, view.right) : box.left - view.left - 8,
      top: move(box.top, box.bottom, view.top, view.bottom),
      behavior: still.matches ? "auto" : "smooth",
    });
  }

  function zoom(wanted, x, y) {
    if (!picture) return;
    const view = stage.getBoundingClientRect();
    const at = [x ?? view.left + view.width / 2, y ?? view.top + view.height / 2];
    const before = picture.getBoundingClientRect();
    const place = [(at[0] - before.left) / before.width, (at[1] - before.top) / before.height];
    scale = Math.min(4, Math.max(0.1, wanted));
    picture.style.width = `${picture.viewBox.baseVal.width * scale}px`;
    const after = picture.getBoundingClientRect();
    stage.scrollLeft += after.left + place[0] * after.width - at[0];
    stage.scrollTop += after.top + place[1] * after.height - at[1];
    locate();
  }

  function fitting() {
    const style = getComputedStyle(stage);
    const room = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return room / picture.viewBox.baseVal.width;
  }

  // ---- the map of a picture that is larger than the screen

  const map = byId("film-map"), MAP = [170, 240]; // pixels at most
  let view, mapped = true; // the part that is seen, and whether people want to know

  function rect(box, ...classes) {
    const shape = document.createElementNS(SVG, "rect");
    for (const [name, x] of Object.entries(box)) shape.setAttribute(name, x);
    shape.classList.add(...classes);
    return shape;
  }

  /* Every card and module as a box, in shares of the picture. */
  function chart() {
    map.replaceChildren();
    if (!picture) return;
    const { width, height } = picture.viewBox.baseVal, all = picture.getBoundingClientRect();
    const fit = Math.min(
      Math.min(MAP[0], 0.25 * stage.clientWidth) / width,
      Math.min(MAP[1], 0.45 * stage.clientHeight) / height,
    );
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("width", width * fit);
    svg.setAttribute("height", height * fit);
    svg.setAttribute("aria-hidden", "true");
    for (const element of picture.querySelectorAll(".cluster, .node")) {
      const box = element.getBoundingClientRect();
      const share = { x: (box.left - all.left) / all.width, y: (box.top - all.top) / all.height,
        width: box.width / all.width, height: box.height / all.height };
      const shape = rect(share, element.classList.contains("node") ? "card" : "module");
      shape.dataset.of = element.id;
      svg.append(shape);
    }
    view = rect({}, "view");
    svg.append(view);
    map.append(svg);
    locate();
  }

  function locate() {
    if (!picture || !view) return;
    const all = picture.getBoundingClientRect(), seen = stage.getBoundingClientRect();
    const x = Math.max(0, (seen.left - all.left) / all.width), y = Math.max(0, (seen.top - all.top) / all.height);
    const share = { x, y, width: Math.min(1 - x, seen.width / all.width), height: Math.min(1 - y, seen.height / all.height) };
    for (const [name, value] of Object.entries(share)) view.setAttribute(name, value);
    map.hidden = !mapped || all.width * all.height < 2.5 * seen.width * seen.height;
  }

  function travel(event) {
    const box = map.firstChild.getBoundingClientRect(), all = picture.getBoundingClientRect();
    const seen = stage.getBoundingClientRect();
    stage.scrollBy({
      left: all.left + (all.width * (event.clientX - box.left)) / box.width - (seen.left + seen.right) / 2,
      top: all.top + (all.height * (event.clientY - box.top)) / box.height - (seen.top + seen.bottom) / 2,
      behavior: "instant",
    });
  }
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    travel(event);
  });
  map.addEventListener("pointermove", (event) => event.buttons && travel(event));
  map.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    stage.scrollBy({ left: (step[0] * stage.clientWidth) / 3, top: (step[1] * stage.clientHeight) / 3, behavior: "instant" });
    event.preventDefault();
    event.stopPropagation();
  });
  stage.addEventListener("scroll", locate);
  addEventListener("resize", locate);

  // ---- the film

  function show(i, playing) {
    if (!playing) pause();
    now = Math.max(0, Math.min(steps.length - 1, i));
    picked = null;
    slider.value = now;
    const step = steps[now];
    slider.setAttribute("aria-valuetext", step.say);
    count.textContent = `step ${now} of ${steps.length - 1}`;
    for (const go of ["first", "back"]) control(go).disabled = now === 0;
    for (const go of ["forward", "last"]) control(go).disabled = now === steps.length - 1;
    paint();
    tell();
    if (step.card) rove(step.card);
    reveal(step.card || keys[0]);
  }

  const control = (go) => document.querySelector(`[data-go="${go}"]`);

  function pick(key) {
    pause();
    picked = key;
    rove(key);
    paint();
    tell();
    reveal(key);
  }

  function pause() {
    clearTimeout(timer);
    timer = 0;
    root.classList.remove("playing");
    control("play").setAttribute("aria-label", "Play");
  }

  function play() {
    if (timer) return pause();
    if (now === steps.length - 1) show(0);
    root.classList.add("playing");
    control("play").setAttribute("aria-label", "Pause");
    const next = () => {
      show(now + 1, true);
      timer = now < steps.length - 1 ? setTimeout(next, PAUSE) : 0;
      if (!timer) pause();
    };
    timer = setTimeout(next, PAUSE / 4);
    picked = null;
  }

  const moves = {
    first: () => show(0),
    back: () => show(now - 1),
    play,
    forward: () => show(now + 1),
    last: () => show(steps.length - 1),
  };
  for (const [go, move] of Object.entries(moves)) control(go).addEventListener("click", move);
  slider.addEventListener("input", () => show(Number(slider.value)));

  // ---- cards that can be focused: one of them is in the order of the Tab key

  function rove(key, focus) {
    byId(focused).setAttribute("tabindex", "-1");
    focused = key;
    byId(key).setAttribute("tabindex", "0");
    if (focus) byId(key).focus({ preventScroll: true });
  }
  function animate() {
    if (picture) {
      picture.setAttribute("role", "group");
      picture.setAttribute("aria-label", "Cards of the graph; up and down go from one to the next");
    }
    for (const key of keys) {
      const node = byId(key), card = cards[key];
      node.setAttribute("role", "button");
      node.setAttribute("tabindex", "-1");
      node.setAttribute("aria-label", card.opens ? `${card.label}, closed` : card.label);
      if (card.opens) {
        node.setAttribute("aria-expanded", "false");
        sign(node, "+");
      }
      node.addEventListener("focus", () => node.matches(":focus-visible") && surround(frames.focused, key, 12));
      node.addEventListener("blur", () => surround(frames.focused, null));
    }
    for (const frame of canvas.querySelectorAll(".cluster")) {
      const path = frame.id.slice("module ".length);
      if (path && scenes[path] && within(here, path)) sign(frame, "−");
    }
    focused = keys[0];
    if (keys.length) rove(keys[0]);
  }

  /* What a click does to a module stands behind its name. */
  function sign(element, what) {
    element.classList.add(what === "+" ? "opens" : "closes");
    const texts = element.querySelectorAll("text");
    const text = what === "+" ? texts[0] : texts[texts.length - 1]; // a frame has its title alone
    if (!text) return;
    const mark = document.createElementNS(SVG, "tspan");
    mark.textContent = ` [${what}]`;
    text.append(mark);
  }

  // ---- scenes: the whole, and one for every module that can be opened

  const within = (path, outer) => `${path}.`.startsWith(outer ? `${outer}.` : "");
  const outwards = (path) => { // the scenes around one, the whole first
    const names = path.split(".");
    const around = names.map((_, i) => names.slice(0, i).join("."));
    return [...new Set(["", ...around])].filter((p) => scenes[p]);
  };

  async function unpacked(scene) {
    if (!scene.html) {
      const bytes = Uint8Array.from(atob(scene.picture), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      scene.html = await new Response(stream).text();
    }
    return scene.html;
  }

  async function enter(path, key) {
    pause();
    canvas.innerHTML = await unpacked(scenes[path]);
    const from = here;
    stand(path);
    show(0);
    const back = keys.find((k) => cards[k].opens === from || within(from, cards[k].opens || "-"));
    const first = keys.find((k) => k === key) ?? (within(path, from)
      ? keys.find((k) => cards[k].path && within(cards[k].path, path)) : back);
    if (key) pick(key);
    else if (first) {
      rove(first, true);
      reveal(first);
    }
    if (!key && path) say.textContent = `Open: ${path}. ${steps.length - 1} steps.`;
  }

  const close = () => here && enter(outwards(here).at(-1));

  function stand(path) {
    here = path;
    ({ steps, cards, edges } = scenes[path]);
    picture = byId("film-picture");
    keys = Object.keys(cards).filter((key) => byId(key));
    frames = { now: framed(""), picked: framed("picked"), focused: framed("focused") };
    begun = steps.findIndex((step) => step.way === "seed");
    animate();
    slider.max = steps.length - 1;
    slider.style.setProperty("--turn", begun > 0 ? `${(100 * (begun - 0.5)) / (steps.length - 1)}%` : "");
    const trail = byId("film-trail");
    trail.hidden = Object.keys(scenes).length < 2;
    trail.replaceChildren(...[...new Set([...outwards(path), path])].map((p) => {
      const button = make("button", p || document.title);
      button.type = "button";
      if (p === path) button.setAttribute("aria-current", "location");
      button.addEventListener("click", () => enter(p));
      return button;
    }));
    if (picture) { // to the width, with letters neither tiny nor huge
      const drawn = picture.querySelector(".graph").transform.baseVal.consolidate().matrix.a;
      zoom(Math.min(1.4 / drawn, Math.max(fitting(), 1 / drawn)));
    }
    chart();
  }

  // ---- a name to be found

  const search = byId("film-search");
  function find() {
    const wanted = search.value.trim().toLowerCase();
    if (!wanted) return tell();
    const found = new Map();
    for (const path of [here, ...Object.keys(scenes)])
      for (const [key, card] of Object.entries(scenes[path].cards)) {
        const text = `${card.label} ${card.forward || ""} ${card.opens || ""}`;
        if (text.toLowerCase().includes(wanted) && !found.has(card.label + key))
          found.set(card.label + key, [path, key, card]);
      }
    const list = make("ul", null, "leaves");
    const named = ([, , card]) => !card.title.toLowerCase().startsWith(wanted);
    const sorted = [...found.values()].sort((a, b) => named(a) - named(b));
    for (const [path, key, card] of sorted.slice(0, 40)) {
      const button = make("button"), item = make("li");
      button.type = "button";
      button.append(make("b", card.title, card.family || card.kind), make("span", card.name || ""));
      button.append(make("small", path && path !== here ? `in ${path}` : card.shape || ""));
      button.addEventListener("click", () => (path === here ? pick(key) : enter(path, key)));
      item.append(button);
      list.append(item);
    }
    byId("film-card").replaceChildren(section(`Found: ${found.size}`), list);
    say.textContent = `${found.size} found for ${search.value}.`;
  }
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") byId("film-card").querySelector("button")?.click();
    else if (event.key === "Escape") {
      search.value = "";
      tell();
      stage.focus();
    } else if (!["Home", "End"].includes(event.key)) return event.stopPropagation();
    event.stopPropagation();
  });

  const act = (key) => (cards[key].opens ? enter(cards[key].opens) : pick(key));

  stage.addEventListener("click", (event) => {
    const node = event.target.closest(".node"), title = event.target.closest(".closes text");
    if (moved) return;
    if (node && cards[node.id]) act(node.id);
    else if (title) enter(outwards(title.closest(".closes").id.slice("module ".length)).at(-1));
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target, key = event.key;
    const node = on.closest(".node");
    const pressed = on.closest("button, a, summary");
    let done = true;
    if (node && cards[node.id] && (key === "Enter" || key === " ")) act(node.id);
    else if (node && cards[node.id] && (key === "ArrowUp" || key === "ArrowDown")) {
      const next = keys[keys.indexOf(node.id) + (key === "ArrowUp" ? -1 : 1)];
      if (next) {
        rove(next, true);
        reveal(next);
      }
    } else if (on === slider && key !== " ") done = false;
    else if (on.closest(".numbers") && key.startsWith("Arrow")) done = false;
    else if (key === "ArrowLeft") moves.back();
    else if (key === "ArrowRight") moves.forward();
    else if (key === "Home") moves.first();
    else if (key === "End") moves.last();
    else if (key === " " && !pressed) play();
    else if (key === "Escape" && picked) show(now);
    else if (key === "Backspace" && here) close();
    else if (key === "/") search.focus();
    else if (key === "m") {
      mapped = !mapped;
      locate();
    }
    else if (key === "+" || key === "=") zoom(scale * 1.25);
    else if (key === "-") zoom(scale / 1.25);
    else if (key === "0" && picture) zoom(fitting());
    else done = false;
    if (done) event.preventDefault();
  });

  // ---- zoom and pan

  for (const button of document.querySelectorAll("[data-zoom]"))
    button.addEventListener("click", () => {
      if (!picture) return;
      const how = { in: scale * 1.25, out: scale / 1.25, fit: fitting() };
      zoom(how[button.dataset.zoom]);
    });
  if (!byId("film-picture")) byId("film-zoom").style.display = "none";
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  let from = null, moved = false;
  stage.addEventListener("pointerdown", (event) => {
    moved = false;
    if (event.pointerType === "mouse" && event.button === 0)
      from = [event.clientX, event.clientY, stage.scrollLeft, stage.scrollTop];
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
    if (!moved && Math.hypot(dx, dy) < 5) return;
    moved = true;
    stage.classList.add("dragged");
    stage.scrollTo(from[2] - dx, from[3] - dy);
  });
  addEventListener("pointerup", () => {
    from = null;
    stage.classList.remove("dragged");
  });

  // ---- light and dark

  const theme = byId("film-theme"), night = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : night.matches);
  const lamp = () => theme.setAttribute("aria-pressed", dark());
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    lamp();
  });
  night.addEventListener("change", lamp);
  lamp();

  stand("");
  show(0);
})();
