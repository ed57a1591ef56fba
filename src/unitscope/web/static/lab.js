// The lab: remove units of one image or add noise; show predictions and maps before and after.
"use strict";
(() => {
  const form = document.getElementById("lab");
  if (!form) {
    return;
  }
  const { sigma, layer, top, unit, rank, shown_sigma, shown_top } = form.elements;
  const choose = document.getElementById("choose");
  const container = document.getElementById("structure");
  const list = document.getElementById("predictions");
  const image = form.dataset.image;
  const page = choose.getAttribute("action");
  // The URL holds the page's state, so that it can be reloaded, bookmarked and shared.
  const given = new URLSearchParams(location.search);
  let named = given.getAll("remove").filter(Boolean);
  let accepted = []; // the units of the last successful request
  let before = null;
  let running = false;
  let again = false;

  const ranking = () => (rank ? rank.value : "");

  function removed() {
    const column = before.layers.find((one) => one.layer === layer.value);
    const greatest = column.units.slice(0, Number(top.value)).map((one) => `${column.layer}:${one.unit}`);
    return [...new Set([...named, ...greatest])];
  }

  function state(of) {
    const kept = new URLSearchParams({ image: of });
    named.forEach((name) => kept.append("remove", name));
    if (Number(top.value)) {
      kept.set("layer", layer.value);
      kept.set("top", top.value);
    }
    if (Number(sigma.value)) {
      kept.set("sigma", sigma.value);
    }
    if (ranking() === "response") {
      kept.set("rank", "response");
    }
    return `${page}?${kept}`;
  }

  function row({ name, class: number }, after) {
    const [previous, current] = [before, after].map((values) => values.probabilities[number]);
    const meter = element("meter", { min: 0, max: 1, value: current });
    meter.setAttribute("aria-label", `probability of ${name}`);
    const [earlier, now] = [previous, current].map((value) => (100 * value).toFixed(1));
    const words = earlier === now ? `${now}%` : `${earlier} → ${now}%`;
    return element("li", {}, element("span", { className: "name", textContent: name }), meter, element("span", { className: "n", textContent: words }));
  }

  function update(after) {
    const numbers = new Set(after.predictions.map((one) => one.class));
    const classes = [...after.predictions, ...before.predictions.filter((one) => !numbers.has(one.class))];
    list.replaceChildren(...classes.map((one) => row(one, after)));
    const shown = new Map(before.layers.map((column) => [column.layer, new Set(column.units.map((one) => one.unit))]));
    window.drawStructure(container, after, (column, one) => !shown.get(column.layer).has(one.unit));
    document.getElementById("picture").src = after.picture;
    container.dataset.ready = String(Number(container.dataset.ready || 0) + 1);
  }

  async function ask() {
    if (!before || running) {
      again = running;
      return;
    }
    running = true;
    const units = removed();
    const noise = Number(sigma.value);
    const requested = [...named];
    const address = state(image);
    const changed = units.length || noise;
    const after = changed ? await window.loadStructure(container, `${page}.json`, { image, removed: units, sigma: noise, rank: ranking() }) : before;
    running = false;
    if (after) {
      accepted = requested;
      document.getElementById("removed").textContent = units.join(", ") || "none";
      history.replaceState(null, "", address);
      update(after);
    } else {
      named = accepted;
      document.getElementById("removed").textContent = accepted.join(", ") || "none";
    }
    if (again) {
      again = false;
      ask();
    }
  }

  function write() {
    shown_sigma.textContent = sigma.value;
    shown_top.textContent = Number(top.value) || "none";
  }

  function restore() {
    const columns = before.layers.map((column) => column.layer);
    for (const option of layer.options) {
      option.hidden = !columns.includes(option.value);
    }
    layer.value = columns.includes(given.get("layer")) ? given.get("layer") : columns[Math.floor(columns.length / 2)];
    top.value = Number(given.get("top")) || 0;
    sigma.value = Number(given.get("sigma")) || 0;
    write();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = unit.value.trim();
    if (name) {
      named = [...new Set([...named, name])];
      unit.value = "";
    }
    ask();
  });
  form.addEventListener("input", (event) => {
    write();
    if (event.target === rank) {
      load();
    } else if (event.target !== unit) {
      ask();
    }
  });
  choose.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(state(choose.elements.image.value));
  });
  document.getElementById("back").addEventListener("click", () => {
    named = [];
    top.value = 0;
    sigma.value = 0;
    write();
    ask();
  });
  // The image as it is, in the chosen ranking; all changes are compared with it.
  async function load(first = false) {
    const found = await window.loadStructure(container, `${form.dataset.source}&rank=${ranking()}`);
    if (found) {
      before = found;
      if (first) {
        restore();
      }
      ask();
    }
  }
  if (rank) {
    rank.value = given.get("rank") === "response" ? "response" : "contrast";
  }
  load(true);
})();
