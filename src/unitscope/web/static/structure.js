// An image's structure: a column per layer with the maps of its top units, from the server's JSON.
"use strict";
window.loadStructure = async (address, body) => {
  let message = "The server did not respond.";
  try {
    const response = await fetch(address, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    const found = await response.json();
    if (response.ok) {
      return found;
    }
    message = found.message;
  } catch {
    // No response, or not JSON: keep the default message.
  }
  throw new Error(message);
};
window.enlargeMap = (layer, unit) => {
  const dialog = document.getElementById("enlarged");
  const name = `${layer.layer}:${unit.unit}`;
  const picture = element("img", { src: unit.map, alt: `activation map of ${name}` });
  const link = element("a", { href: layer.link.replace("{}", unit.unit), textContent: "exemplars" });
  const words = element("p", {}, element("b", { textContent: name }), ` α ${number(unit.response)} · `, link);
  dialog.querySelector(".body").replaceChildren(words, picture, exemplarTiles(unit));
  dialog.showModal();
};
window.mapButton = (unit, ...more) => {
  const picture = element("img", { src: unit.map, alt: `unit ${unit.unit}` });
  return element("button", { type: "button", className: "map", title: `α ${number(unit.response)}` }, picture, ...more);
};
window.layerColumn = (layer, ...lists) => {
  const link = element("a", { href: layer.page, textContent: layer.layer, title: layer.layer });
  const call = element("span", { className: "call", textContent: layer.call });
  return element("div", { className: "column" }, element("h3", {}, link, " ", call), ...lists);
};
// Fit whole columns, at least as wide as their style says, so that none is cut at the edge.
window.fitColumns = (strip) => {
  const [column] = strip.children;
  if (column) {
    const { columnGap, paddingLeft, paddingRight } = getComputedStyle(strip);
    const [gap, left, right, least] = [columnGap, paddingLeft, paddingRight, getComputedStyle(column).minWidth].map(parseFloat);
    const across = Math.floor((strip.clientWidth - left - right + gap) / (least + gap));
    strip.style.setProperty("--across", Math.max(1, Math.min(across, strip.childElementCount)));
  }
};
window.describeLayers = (found) => {
  const count = found.layers.length;
  return count < found.of_layers ? `${count} of ${found.of_layers} layers` : `All ${found.of_layers} layers`;
};

// The page of an image, or of an upload, whose predictions come with its structure.
(async () => {
  const container = document.getElementById("structure");
  if (!container || !container.dataset.source) {
    return;
  }
  try {
    const found = await window.loadStructure(container.dataset.source);
    const column = (layer) => {
      const items = layer.units.map((unit) => {
        const button = window.mapButton(unit, `${unit.unit}`);
        button.addEventListener("click", () => window.enlargeMap(layer, unit));
        return element("li", {}, button);
      });
      return window.layerColumn(layer, element("ol", {}, ...items));
    };
    container.replaceChildren(...found.layers.map(column));
    new ResizeObserver(() => window.fitColumns(container)).observe(container);
    const spaced = found.layers.length < found.of_layers ? ", evenly spaced from the first to the last" : "";
    document.getElementById("shown").textContent = window.describeLayers(found) + spaced;
    showPredictions(found.predictions);
  } catch (problem) {
    container.replaceChildren(element("p", { className: "reason", textContent: problem.message }));
  }
  container.removeAttribute("aria-busy");
})();

function showPredictions(predictions) {
  const list = document.getElementById("uploaded-predictions");
  if (!list) {
    return;
  }
  list.replaceChildren(
    ...predictions.map((one) => {
      const meter = element("meter", { min: 0, max: 1, value: one.probability, ariaLabel: `probability of ${one.name}` });
      const words = element("span", { className: "n", textContent: `${(100 * one.probability).toFixed(1)}%` });
      return element("li", {}, element("span", { className: "name", textContent: one.name }), meter, words);
    }),
  );
}
