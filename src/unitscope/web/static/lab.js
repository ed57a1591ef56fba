// The lab: one image, units that are taken away, noise; what the network says of it before and after.
"use strict";
(() => {
  const form = document.getElementById("lab");
  if (!form) {
    return;
  }
  const place = document.getElementById("structure");
  const list = document.getElementById("predictions");
  const named = new Set(form.dataset.removed.split(" ").filter(Boolean));
  let before = null;
  let running = false;
  let again = false;

  function removed() {
    const count = Number(form.elements.top.value);
    const layer = before && before.layers.find((one) => one.layer === form.elements.layer.value);
    const greatest = layer ? layer.units.slice(0, count).map((unit) => `${layer.layer}:${unit.unit}`) : [];
    return [...new Set([...named, ...greatest])];
  }

  function element(name, attributes, ...children) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  }

  function row(name, was, is) {
    const meter = element("meter", { min: 0, max: 1, value: is });
    meter.setAttribute("aria-label", `probability of ${name}`);
    const words = is === was ? `${(100 * is).toFixed(1)}%` : `${(100 * was).toFixed(1)} → ${(100 * is).toFixed(1)}%`;
    return element("li", {}, element("span", { className: "name", textContent: name }), meter, element("span", { className: "n", textContent: words }));
  }

  function tell(told) {
    const was = new Map(told.before.predictions.map((one) => [one.name, one.probability]));
    const is = new Map(told.after.predictions.map((one) => [one.name, one.probability]));
    const names = [...new Set([...is.keys(), ...was.keys()])];
    list.replaceChildren(...names.map((name) => row(name, was.get(name) || 0, is.get(name) || 0)));
    const known = new Map(told.before.layers.map((layer) => [layer.layer, new Set(layer.units.map((unit) => unit.unit))]));
    window.drawStructure(place, told.after, (layer, unit) => !known.get(layer.layer).has(unit.unit));
    document.getElementById("picture").src = told.after.picture;
    place.dataset.ready = String(Number(place.dataset.ready || 0) + 1);
  }

  async function ask() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    const units = removed();
    document.getElementById("removed").textContent = units.join(", ") || "none";
    const body = { image: form.dataset.image, removed: units, sigma: Number(form.elements.sigma.value) };
    const told = await window.tellStructure(place, "/lab.json", body);
    running = false;
    if (told) {
      before = told.before;
      offer();
      tell(told);
    }
    if (again) {
      again = false;
      ask();
    }
  }

  function offer() {
    const shown = new Set(before.layers.map((layer) => layer.layer));
    for (const option of form.elements.layer.options) {
      option.hidden = !shown.has(option.value);
    }
    if (!shown.has(form.elements.layer.value)) {
      form.elements.layer.value = before.layers.at(-1).layer;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const unit = form.elements.unit.value.trim();
    if (unit) {
      named.add(unit);
      form.elements.unit.value = "";
    }
    ask();
  });
  form.addEventListener("input", (event) => {
    form.elements.told_sigma.textContent = form.elements.sigma.value;
    form.elements.told_top.textContent = Number(form.elements.top.value) || "none";
    if (event.target.name !== "unit") {
      ask();
    }
  });
  document.getElementById("back").addEventListener("click", () => {
    named.clear();
    form.elements.top.value = 0;
    form.elements.sigma.value = 0;
    form.dispatchEvent(new Event("input"));
  });
  ask();
})();
