// An image's structure: columns of layers with their greatest maps, drawn from what the network says.
"use strict";
window.drawStructure = (place, told, moved = () => false) => {
  const dialog = document.getElementById("enlarged");
  function enlarge(layer, unit) {
    const name = `${layer.layer}:${unit.unit}`;
    const picture = element("img", { src: unit.map, alt: `activation map of ${name}` });
    const link = layer.link
      ? element("a", { href: layer.link.replace("{}", unit.unit), textContent: "its exemplars" })
      : element("span", { textContent: "this layer is not in the atlas" });
    const words = element("p", {}, element("b", { textContent: name }), ` α ${unit.response.toPrecision(3)} · `, link);
    dialog.querySelector(".body").replaceChildren(words, picture);
    dialog.showModal();
  }
  place.replaceChildren(
    ...told.layers.map((layer) => {
      const units = layer.units.map((unit) => {
        const picture = element("img", { src: unit.map, alt: `unit ${unit.unit}` });
        const button = element("button", { type: "button", className: "map", title: `α ${unit.response.toPrecision(3)}` }, picture, `${unit.unit}`);
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
  const some = told.layers.length < told.of_layers;
  shown.textContent = some ? `${told.layers.length} of ${told.of_layers} layers, evenly spaced from the first to the last` : `All ${told.of_layers} layers`;
  place.removeAttribute("aria-busy");
};
window.tellStructure = async (place, address, body) => {
  let message = "The server does not answer.";
  try {
    const answer = await fetch(address, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    const told = await answer.json();
    if (answer.ok) {
      return told;
    }
    message = told.message;
  } catch {
    // No answer, or none that can be read: the words for it stand already.
  }
  place.replaceChildren(element("p", { className: "reason", textContent: message }));
  place.removeAttribute("aria-busy");
  return null;
};
(async () => {
  const place = document.getElementById("structure");
  if (place && place.dataset.source) {
    const told = await window.tellStructure(place, place.dataset.source);
    if (told) {
      window.drawStructure(place, told);
      tellPredictions(told.predictions);
    }
  }
})();

// A picture that was brought has no predictions in the atlas; the network has just made them.
function tellPredictions(predictions) {
  const list = document.getElementById("told");
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
