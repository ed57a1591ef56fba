// One image of the lab: its predictions and the maps of its layers, before a change and after it.
"use strict";
window.makeTrial = ({ image, page, before, remove, toggle, drop }) => {
  const isUpload = image.startsWith("upload:");
  const title = isUpload ? "Your picture" : image;
  const percent = (value) => (100 * value).toFixed(1);
  const unitsOf = new Map(before.layers.map((layer) => [layer.layer, new Set(layer.units.map((one) => one.unit))]));
  const list = element("ol", { className: "predictions changes" });
  const views = element("div", { className: "views" });
  const away = element("button", { type: "button", className: "drop-image", textContent: "✕", ariaLabel: `leave out ${title}` });
  away.addEventListener("click", drop);
  const address = page + image.split("/").map(encodeURIComponent).join("/");
  const name = isUpload ? title : element("a", { href: address, textContent: title });
  const summary = element("div", { className: "summary" }, element("h2", {}, name, " ", away), views, list);
  const columns = before.layers.map((layer) => {
    const lists = ["before", "after"].map((when) => element("ol", { ariaLabel: `${layer.layer} ${when}`, className: when }));
    const all = element("button", { type: "button", className: "all", textContent: `Remove ${layer.units.length}`, ariaLabel: `remove the top ${layer.units.length} units of ${layer.layer}` });
    all.addEventListener("click", () => remove(layer.units.map((one) => `${layer.layer}:${one.unit}`)));
    lists[0].replaceChildren(...layer.units.map((unit) => item(layer, unit)));
    return { layer, lists, column: window.layerColumn(layer, all, element("div", { className: "lanes" }, ...lists)) };
  });
  let pressed = null; // the button that was pressed last
  const strip = element("div", { className: "columns" }, ...columns.map((one) => one.column));
  strip.addEventListener("click", (event) => (pressed = event.target));
  const whole = element("section", { className: "trial", ariaLabel: title }, summary, strip);

  function item(layer, unit) {
    const unitName = `${layer.layer}:${unit.unit}`;
    const map = window.mapButton(unit);
    map.dataset.unit = unitName;
    map.ariaLabel = `remove ${unitName}`;
    map.addEventListener("click", () => toggle(unitName));
    const more = element("button", { type: "button", className: "more", textContent: unit.unit, ariaLabel: `enlarge ${unitName}` });
    more.addEventListener("click", () => window.enlargeMap(layer, unit));
    return element("li", {}, map, more);
  }

  function prediction({ name: label, class: number }, after) {
    const [earlier, now] = [before, after].map((values) => values.probabilities[number]);
    const meter = (value, when) => element("meter", { min: 0, max: 1, value, className: when, ariaLabel: `probability of ${label} ${when}` });
    const words = percent(earlier) === percent(now) ? `${percent(now)}%` : `${percent(earlier)} → ${percent(now)}%`;
    const meters = after === before ? [meter(now, "now")] : [meter(earlier, "before"), meter(now, "after")];
    return element("li", {}, element("span", { className: "name", textContent: label }), element("span", { className: "n", textContent: words }), ...meters);
  }

  function showPredictions(after) {
    const numbers = new Set(after.predictions.map((one) => one.class));
    const classes = [...after.predictions, ...before.predictions.filter((one) => !numbers.has(one.class))];
    list.replaceChildren(...classes.map((one) => prediction(one, after)));
  }

  // Redraw only what has changed, so that the keyboard's focus and the place in the strip are kept.
  function update(after, { removed, sigma }) {
    const known = new Set(removed);
    showPredictions(after || before);
    const picture = (values, what) => element("img", { src: values.picture, alt: `${title} as the network sees it${what}` });
    views.replaceChildren(picture(before, ""), ...(sigma ? [picture(after, ", with noise")] : []));
    const column = pressed?.closest(".column") || strip.firstElementChild;
    const left = column.getBoundingClientRect().left;
    whole.classList.toggle("changed", Boolean(after));
    window.fitColumns(strip);
    strip.scrollLeft += column.getBoundingClientRect().left - left; // columns are wider with two lanes
    columns.forEach(({ layer, lists }, position) => {
      const output = after ? after.layers[position].units : [];
      lists[1].replaceChildren(...output.map((unit) => item(layer, unit)));
      [...lists[1].children].forEach((one, rank) => one.classList.toggle("moved", !unitsOf.get(layer.layer).has(output[rank].unit)));
      for (const map of lists.flatMap((one) => [...one.querySelectorAll(".map")])) {
        const isRemoved = known.has(map.dataset.unit) || known.has(layer.layer);
        map.setAttribute("aria-pressed", isRemoved);
      }
    });
  }
  new ResizeObserver(() => window.fitColumns(strip)).observe(strip);
  return { before, element: whole, update };
};
