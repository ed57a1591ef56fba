// An image's structure: a column per layer with the maps of its top units, from the server's JSON.
"use strict";
window.drawStructure = (container, found, moved = () => false) => {
  const dialog = document.getElementById("enlarged");
  const strength = (unit) => `α ${number(unit.response)}${unit.contrast === null ? "" : `, contrast ${number(unit.contrast)}`}`;
  function enlarge(layer, unit) {
    const name = `${layer.layer}:${unit.unit}`;
    const picture = element("img", { src: unit.map, alt: `activation map of ${name}` });
    const link = layer.link
      ? element("a", { href: layer.link.replace("{}", unit.unit), textContent: "exemplars" })
      : element("span", { textContent: "this layer is not in the atlas" });
    const words = element("p", {}, element("b", { textContent: name }), ` ${strength(unit)} · `, link);
    dialog.querySelector(".body").replaceChildren(words, picture);
    dialog.showModal();
  }
  container.replaceChildren(
    ...found.layers.map((layer) => {
      const units = layer.units.map((unit) => {
        const picture = element("img", { src: unit.map, alt: `unit ${unit.unit}` });
        const button = element("button", { type: "button", className: "map", title: strength(unit) }, picture, `${unit.unit}`);
        if (moved(layer, unit)) {
          button.classList.add("moved");
        }
        button.addEventListener("click", () => enlarge(layer, unit));
        return element("li", {}, button);
      });
      const heading = element("h3", { textContent: layer.layer, title: layer.layer });
      return element("div", { className: "column" }, heading, element("ol", {}, ...units));
    }),
  );
  const shown = document.getElementById("shown");
  const some = found.layers.length < found.of_layers;
  shown.textContent = some ? `${found.layers.length} of ${found.of_layers} layers, evenly spaced from the first to the last` : `All ${found.of_layers} layers`;
  document.getElementById("ranked").textContent = found.ranked_by;
  container.removeAttribute("aria-busy");
};
window.loadStructure = async (container, address, body) => {
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
  container.replaceChildren(element("p", { className: "reason", textContent: message }));
  container.removeAttribute("aria-busy");
  return null;
};
(async () => {
  const container = document.getElementById("structure");
  if (!container || !container.dataset.source) {
    return;
  }
  const form = document.getElementById("ranking");
  const rank = form && form.elements.rank;
  const given = new URLSearchParams(location.search);
  let asked = 0;
  async function show() {
    const mine = ++asked;
    const found = await window.loadStructure(container, container.dataset.source + (rank ? `&rank=${rank.value}` : ""));
    if (found && mine === asked) {
      window.drawStructure(container, found);
      showPredictions(found.predictions);
    }
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
  show();
})();

// An uploaded image has no predictions in the atlas; they come with its structure.
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
