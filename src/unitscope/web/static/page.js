// Used by every page: arrow keys for neighbours, forms that submit on change, helpers for other scripts.
"use strict";
function element(name, attributes, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}
// Must format like `unitscope.web.number_format.number`.
function number(value, digits = 3) {
  if (!Number.isFinite(value)) {
    return "–";
  }
  const [mantissa, power] = value.toExponential(digits - 1).split("e").map(Number);
  const raised = (text) => [...text].map((one) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(one)]).join("");
  const written = -4 <= power && power <= 5;
  const text = written ? value.toLocaleString("en", { maximumFractionDigits: Math.max(0, digits - 1 - power) }) : `${mantissa} × 10${raised(String(power))}`;
  return text.replace("-", "−");
}
// The thumbnails of a unit's exemplars, from the server's JSON.
function exemplarTiles(unit) {
  const pictures = unit.exemplars.map(({ image, thumbnail }) => element("img", { src: thumbnail, alt: image, title: image, width: 96, height: 96, loading: "lazy" }));
  return element("span", { className: "tiles" }, ...pictures);
}
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog, .columns, .js-plotly-plot");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (event.key === "/") {
    const search = document.querySelector(".search input");
    if (search) {
      event.preventDefault();
      search.focus();
    }
    return;
  }
  const relation = { ArrowLeft: "prev", ArrowRight: "next", ArrowUp: "up" }[event.key];
  const link = relation && document.querySelector(`a[rel="${relation}"]`);
  if (link && !(event.key === "ArrowUp" && window.scrollY > 0)) {
    event.preventDefault();
    link.click();
  }
});
for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
