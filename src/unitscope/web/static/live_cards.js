// The cards of the live view: the top units of a layer and pinned units, each with its map now and its exemplars.
"use strict";
window.makeCards = (top, onPins) => {
  const list = document.getElementById("maps");
  const pinned = document.getElementById("pinned");
  const made = new Map();
  const pins = new Map();
  let order = [];

  function pair(name, unit) {
    const map = element("img", { className: "now", src: unit.map, alt: `map of ${name} now`, width: 96, height: 96 });
    return { map, pictures: element("span", { className: "pair" }, map, exemplarTiles(unit)) };
  }

  function card(layer, unit) {
    const name = `${layer.layer}:${unit.unit}`;
    const { map, pictures } = pair(name, unit);
    const words = element("span", { className: "note" });
    const button = element("button", { type: "button", className: "card", title: `Pin ${name}` }, pictures, words);
    const item = element("li", {}, button);
    item.dataset.unit = unit.unit;
    let latest = unit;
    button.addEventListener("click", () => pin(layer, latest));
    function show(now) {
      item.classList.toggle("away", !now);
      words.textContent = `unit ${unit.unit} · ${now ? strength(now) : "below the top units"}`;
      if (now) {
        latest = now;
        map.src = now.map;
      }
    }
    return { item, show };
  }

  // Keep the order of the maps while the pointer or the keyboard focus is on one.
  const points = window.matchMedia("(hover: hover)"); // on a touch screen, :hover stays set after a tap
  const held = () => (points.matches && list.matches(":hover")) || list.querySelector(":focus-visible") !== null;

  function showLayer(layer) {
    if (list.dataset.layer !== layer.layer) {
      list.dataset.layer = layer.layer;
      made.clear();
      order = [];
    }
    if (!order.length || !held()) {
      const units = layer.units.slice(0, top);
      order = units.map((one) => one.unit);
      units.filter((one) => !made.has(one.unit)).forEach((one) => made.set(one.unit, card(layer, one)));
      list.replaceChildren(...order.map((unit) => made.get(unit).item));
    }
    order.forEach((unit) => made.get(unit).show(layer.units.find((one) => one.unit === unit)));
  }

  function pin(layer, unit) {
    const name = `${layer.layer}:${unit.unit}`;
    if (pins.has(name)) {
      return;
    }
    const { map, pictures } = pair(name, unit);
    const words = element("span", { className: "note" });
    const link = element("a", { className: "card", href: layer.link.replace("{}", unit.unit), target: "_blank" }, pictures, element("span", { className: "name", textContent: name }), words);
    const away = element("button", { type: "button", textContent: "Unpin", ariaLabel: `unpin ${name}` });
    const item = element("li", {}, link, away);
    item.dataset.unit = name;
    pinned.append(item);
    pins.set(name, (now) => {
      map.src = now.map;
      words.textContent = ` ${strength(now)}`;
      item.dataset.frames = String(Number(item.dataset.frames || 0) + 1);
    });
    away.addEventListener("click", () => {
      pins.delete(name);
      item.remove();
      onPins();
    });
    onPins();
  }

  function show(layers) {
    showLayer(layers[0]);
    for (const layer of layers) {
      for (const unit of layer.units) {
        pins.get(`${layer.layer}:${unit.unit}`)?.(unit);
      }
    }
  }
  return { show, pins: () => [...pins.keys()] };
};
