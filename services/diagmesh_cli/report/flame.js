"use strict";
(() => {
  const HEIGHT = 20, LEAST = 1, MOST = 6000;
  const data = JSON.parse(document.getElementById("data").textContent);
  const graph = document.getElementById("graph"), told = document.getElementById("told");
  const search = document.getElementById("search"), found = document.getElementById("found");
  const choice = document.getElementById("type");
  let tree, zoomed = 0, boxes = new Map();

  function plant(view) {
    const nodes = view.nodes.map(([depth, name, now, base]) => ({
      depth, name: view.names[name], now, base, weight: view.differs ? now + base : now, start: 0, next: 0, parent: -1, children: [],
    }));
    const path = [];
    nodes.forEach((node, at) => {
      path.length = node.depth;
      if (node.depth) {
        node.parent = path[node.depth - 1];
        const parent = nodes[node.parent], before = parent.children.at(-1);
        node.start = before === undefined ? parent.start : nodes[before].start + nodes[before].weight;
        parent.children.push(at);
      }
      path.push(at);
    });
    for (let at = nodes.length - 1; at >= 0; at--) {
      const children = nodes[at].children;
      nodes[at].next = children.length ? nodes[children.at(-1)].next : at + 1;
    }
    return { nodes, view };
  }

  function colour(node) {
    if (tree.view.differs) {
      if (!node.weight) return "hsl(40 12% 82%)";
      const change = (node.now - node.base) / node.weight, strong = Math.min(1, Math.abs(change) * 1.5);
      return change >= 0
        ? `hsl(8 ${Math.round(12 + 63 * strong)}% ${Math.round(82 - 20 * strong)}%)`
        : `hsl(210 ${Math.round(12 + 53 * strong)}% ${Math.round(82 - 16 * strong)}%)`;
    }
    if (/^(runtime|internal|syscall|sync)[/.]/.test(node.name)) return "hsl(40 14% 78%)";
    const pack = node.name.slice(0, node.name.indexOf(".", node.name.lastIndexOf("/") + 1));
    let hash = 7;
    for (const letter of pack) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
    return `hsl(${12 + (hash % 44)} ${68 + (hash >> 8) % 18}% ${66 + (hash >> 16) % 10}%)`;
  }

  function value(number) {
    const unit = tree.view.unit, size = Math.abs(number);
    const steps = unit === "nanoseconds" ? [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]]
      : unit === "bytes" ? [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]] : [[1, ""]];
    const [factor, name] = steps.find(([one]) => size >= one) ?? steps.at(-1);
    const digits = (number / factor).toLocaleString("en", { maximumFractionDigits: factor === 1 ? 0 : 2 });
    return name ? `${digits} ${name}` : digits;
  }

  const share = (part, whole) => (whole ? `${(100 * part / whole).toFixed(part === whole ? 0 : 1)} %` : "-");

  function tell(node) {
    const root = tree.nodes[0], own = node.now - node.children.reduce((sum, one) => sum + tree.nodes[one].now, 0);
    told.replaceChildren();
    const name = document.createElement("b");
    name.textContent = node.name;
    const change = node.now - node.base;
    const words = tree.view.differs
      ? `${value(node.base)} ${tree.view.before}, ${value(node.now)} ${tree.view.now}: ${change > 0 ? "+" : ""}${value(change)}`
      : `${value(node.now)}, ${share(node.now, root.now)} of all; in itself ${value(own)}`;
    told.append(name, document.createElement("br"), words);
  }

  function draw(focus) {
    const width = graph.clientWidth, nodes = tree.nodes, root = nodes[zoomed], scale = root.weight ? width / root.weight : 0;
    const wanted = pattern();
    const fragment = document.createDocumentFragment();
    boxes = new Map();
    let deepest = root.depth;
    const add = (at, left, size, above) => {
      const node = nodes[at], box = document.createElement("button");
      box.type = "button";
      box.className = `box${above ? " above" : ""}${wanted && wanted.test(node.name) ? " found" : ""}`;
      box.style.left = `${left}px`;
      box.style.top = `${node.depth * HEIGHT}px`;
      box.style.width = `${Math.max(LEAST, size)}px`;
      box.style.background = colour(node);
      if (size > 24) box.textContent = size > 16 + 7.3 * node.name.length ? node.name : node.name.slice(node.name.lastIndexOf("/") + 1);
      box.setAttribute("aria-label", `${node.name}, ${value(node.now)}`);
      box.tabIndex = at === zoomed ? 0 : -1;
      box.dataset.at = at;
      fragment.append(box);
      boxes.set(at, box);
      deepest = Math.max(deepest, node.depth);
    };
    for (let at = root.parent; at >= 0; at = nodes[at].parent) add(at, 0, width, true);
    for (let at = zoomed; at < root.next && boxes.size < MOST;) {
      const node = nodes[at], size = node.weight * scale;
      if (size < LEAST) { at = node.next; continue; }
      add(at, (node.start - root.start) * scale, size, false);
      at++;
    }
    graph.style.height = `${(deepest + 1) * HEIGHT}px`;
    graph.replaceChildren(fragment);
    count(wanted);
    if (focus !== undefined) (boxes.get(focus) ?? boxes.get(zoomed)).focus();
  }

  function pattern() {
    if (!search.value) return null;
    try { return new RegExp(search.value, "i"); } catch { return new RegExp(search.value.replace(/[^\w/]/g, "\\$&"), "i"); }
  }

  function count(wanted) {
    if (!wanted) { found.textContent = ""; return; }
    let sum = 0, places = 0;
    for (let at = 0; at < tree.nodes.length;) {
      const node = tree.nodes[at];
      if (wanted.test(node.name)) { sum += node.weight; places++; at = node.next; } else at++;
    }
    found.textContent = places ? `${places.toLocaleString("en")} found, ${share(sum, tree.nodes[0].weight)} of all` : "nothing found";
  }

  function zoom(at) { zoomed = at; tell(tree.nodes[at]); draw(at); }

  function choose() {
    tree = plant(data[choice ? Number(choice.value) : 0]);
    zoomed = 0;
    tell(tree.nodes[0]);
    draw();
    for (const part of document.querySelectorAll("[data-view]")) part.hidden = choice && part.dataset.view !== choice.value;
  }

  const boxOf = (event) => event.target.closest(".box");
  graph.addEventListener("click", (event) => { const box = boxOf(event); if (box) zoom(Number(box.dataset.at)); });
  for (const kind of ["mouseover", "focusin"]) graph.addEventListener(kind, (event) => {
    const box = boxOf(event);
    if (box) tell(tree.nodes[Number(box.dataset.at)]);
  });
  graph.addEventListener("keydown", (event) => {
    const box = boxOf(event);
    if (!box) return;
    const at = Number(box.dataset.at), node = tree.nodes[at];
    const beside = node.parent >= 0 ? tree.nodes[node.parent].children : [at], place = beside.indexOf(at);
    const heaviest = [...node.children].sort((one, other) => tree.nodes[other].weight - tree.nodes[one].weight);
    const to = { ArrowUp: node.parent, ArrowDown: heaviest[0], ArrowLeft: beside[place - 1], ArrowRight: beside[place + 1] }[event.key];
    if (to === undefined || to < 0) return;
    event.preventDefault();
    boxes.get(to)?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; zoom(0); }
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });
  search.addEventListener("input", () => draw());
  document.getElementById("whole").addEventListener("click", () => zoom(0));
  choice?.addEventListener("change", choose);
  const asked = new URLSearchParams(location.hash.slice(1)); // a link may say what is meant: #find=lock, #zoom=main.work
  search.value = asked.get("find") ?? "";
  choose();
  const wanted = asked.get("zoom"), meant = wanted ? tree.nodes.findIndex((node) => node.name.includes(wanted)) : -1;
  if (meant > 0) zoom(meant);
  let drawn = graph.clientWidth;
  new ResizeObserver(() => { if (graph.clientWidth !== drawn) { drawn = graph.clientWidth; draw(); } }).observe(graph);
})();
