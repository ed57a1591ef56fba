// The strip of layers: bar heights are logarithmic, since layers have from 3 to thousands of units.
"use strict";
const bars = [...document.querySelectorAll(".strip a")];
const widths = bars.map((bar) => Math.log2(1 + Number(bar.dataset.units)));
const most = Math.max(...widths);
bars.forEach((bar, index) => {
  bar.style.setProperty("--height", Math.max(6, (100 * widths[index]) / most).toFixed(1));
  bar.style.setProperty("--zero", (100 * Number(bar.dataset.zero)).toFixed(1));
});
function mark() {
  for (const bar of bars) {
    bar.toggleAttribute("aria-current", Boolean(location.hash) && bar.hash === location.hash);
  }
}
window.addEventListener("hashchange", mark);
mark();

// A long list gets a box that filters it; without this script the whole list scrolls.
for (const list of document.querySelectorAll("ul[data-filter]")) {
  const items = [...list.children];
  if (items.length < 12) {
    continue;
  }
  const names = items.map((item) => item.textContent.toLowerCase());
  const count = element("output", { className: "quiet", textContent: `${items.length}` });
  const box = element("input", { type: "search", autocomplete: "off" });
  box.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    items.forEach((item, index) => (item.hidden = !names[index].includes(wanted)));
    const found = items.filter((item) => !item.hidden).length;
    count.textContent = found === items.length ? `${found}` : `${found} of ${items.length}`;
  });
  list.before(element("p", { className: "fade" }, element("label", {}, `Find a ${list.dataset.filter} `, box), count));
}
