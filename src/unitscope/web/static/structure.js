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
  const words = element("p", {}, element("b", { textContent: name }), ` ${strength(unit)} · `, link);
  dialog.querySelector(".body").replaceChildren(words, picture, exemplarTiles(unit));
  dialog.showModal();
};
window.mapButton = (unit, ...more) => {
  const picture = element("img", { src: unit.map, alt: `unit ${unit.unit}` });
  return element("button", { type: "button", className: "map", title: strength(unit) }, picture, ...more);
};
window.layerColumn = (layer, ...lists) => {
  const link = element("a", { href: layer.page, textContent: layer.layer, title: layer.layer });
  const others = element("span", { className: "call", textContent: layer.other_names.join(" ") });
  return element("div", { className: "column" }, element("h3", {}, link, " ", others), ...lists);
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
(() => {
  const container = document.getElementById("structure");
  if (!container || !container.dataset.source) {
    return;
  }
  const form = document.getElementById("ranking");
  const rank = form && form.elements.rank;
  const given = new URLSearchParams(location.search);
  let asked = 0;
  function column(layer) {
    const items = layer.units.map((unit) => {
      const button = window.mapButton(unit, `${unit.unit}`);
      button.addEventListener("click", () => window.enlargeMap(layer, unit));
      return element("li", {}, button);
    });
    return window.layerColumn(layer, element("ol", {}, ...items));
  }
  async function show() {
    const mine = ++asked;
    try {
      const found = await window.loadStructure(container.dataset.source + (rank ? `&rank=${rank.value}` : ""));
      if (mine !== asked) {
        return;
      }
      container.replaceChildren(...found.layers.map(column));
      window.fitColumns(container);
      const spaced = found.layers.length < found.of_layers ? ", evenly spaced from the first to the last" : "";
      document.getElementById("shown").textContent = window.describeLayers(found) + spaced;
      document.getElementById("ranked").textContent = found.ranked_by;
      showPredictions(found.predictions);
    } catch (problem) {
      container.replaceChildren(element("p", { className: "reason", textContent: problem.message }));
    }
    container.removeAttribute("aria-busy");
  }
  if (rank) {
    rank.value = given.get("rank") === "response" ? "response" : "contrast";
    form.addEventListener("submit", (event) => event.preventDefault());
    rank.addEventListener("change", () => {
      rank.value === "response" ? given.set("rank", "response") : given.delete("rank");
      history.replaceState(null, "", `${location.pathname}${given.size ? `?${given}` : ""}`);
      show();
    });
  }
  new ResizeObserver(() => window.fitColumns(container)).observe(container);
  show();
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
