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
// A unit's response to an image, and its contrast if there is one, from the server's JSON.
function strength(unit) {
  return `α ${number(unit.response)}${unit.contrast === null ? "" : `, contrast ${number(unit.contrast, 2)}`}`;
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

// Tables and charts can be downloaded: tables as CSV or JSON here, charts as pictures too (in charts.js).
function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
function fileName(what, ending) {
  return `${document.title.split(" · ")[0]} ${what}`.trim().replaceAll(/[^\p{L}\p{N}.-]+/gu, "-").replaceAll(/^-+|-+$/g, "") + `.${ending}`;
}
// Rows, the first with the names of the columns.
function csv(rows) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => row.map((value) => quoted(String(value ?? ""))).join(",")).join("\r\n") + "\r\n";
}
function records(rows) {
  const [names, ...others] = rows;
  return JSON.stringify(others.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? null]))), null, 1);
}
// A number as the page writes it becomes a plain one again; see `number` above.
function plain(text) {
  const found = text.trim().replaceAll("−", "-").match(/^(-?[\d,]*\.?\d+)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?$/);
  if (!found) {
    return text.trim() === "–" ? null : text.trim();
  }
  const power = [...(found[2] || "")].map((one) => "-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(one)]).join("");
  return Number(found[1].replaceAll(",", "") + (power && `e${power}`));
}
function cellText(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll(".definition, .call").forEach((part) => part.remove());
  return cell.dataset.value ?? copy.textContent;
}
function downloads(...choices) {
  const buttons = choices.map(([text, run]) => {
    const button = element("button", { type: "button", textContent: text });
    button.addEventListener("click", run);
    return button;
  });
  return element("p", { className: "downloads" }, "Download ", ...buttons);
}
for (const table of document.querySelectorAll("table")) {
  const rows = () => [...table.rows].map((row, index) => [...row.cells].map((cell) => (index ? plain(cellText(cell)) : cellText(cell).trim())));
  const name = table.caption ? table.caption.textContent : table.closest("section")?.querySelector("h2")?.textContent || "table";
  const asCsv = () => save(fileName(name, "csv"), csv(rows()), "text/csv");
  const asJson = () => save(fileName(name, "json"), records(rows()), "application/json");
  (table.closest(".wide") || table).after(downloads(["CSV", asCsv], ["JSON", asJson]));
}
