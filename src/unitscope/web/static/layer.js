// The units of a layer as cards: sorted and filtered in the browser, added on scrolling.
"use strict";
(() => {
  const AT_ONCE = 60;
  const { columns, exemplars } = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("units");
  const more = document.getElementById("more");
  const tools = document.getElementById("tools");
  const unitLink = list.dataset.unit;
  const thumbnail = list.dataset.thumbnail;
  let order = [];
  let shown = 0;

  function tile(row) {
    if (!thumbnail) {
      return element("span", { className: "tile", textContent: row });
    }
    const src = thumbnail.replace("{}", row);
    return element("img", { loading: "lazy", alt: "", width: 96, height: 96, src });
  }

  function card(channel) {
    const tiles = element("span", { className: "tiles" }, ...exemplars[channel].map(tile));
    const zeros = `${Math.round(100 * columns.zero_fraction[channel])}% zeros`;
    const facts = [`mean ${number(columns.mean[channel])}`, `max ${number(columns.max[channel])}`, zeros];
    if (columns.selective_class && columns.selective_class[channel]) {
      facts.push(`${columns.selective_class[channel]} ${number(columns.selectivity[channel], 2)}`);
    }
    const name = element("span", { className: "name", textContent: `unit ${channel}` });
    const note = element("span", { className: "note", textContent: ` ${facts.join(" · ")}` });
    const link = element("a", { className: "card", href: unitLink.replace("{}", channel) }, tiles, name, note);
    return element("li", {}, link);
  }

  const near = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && add(), { rootMargin: "900px" });

  function add() {
    const next = order.slice(shown, shown + AT_ONCE);
    shown += next.length;
    list.append(...next.map(card));
    more.hidden = shown >= order.length;
    // The observer reports only changes; in a tall window the end may still be visible, so observe it again.
    near.unobserve(more);
    near.observe(more);
  }

  function compare(sort) {
    if (sort === "channel") {
      return (a, b) => a - b;
    }
    const values = columns[sort];
    if (sort === "selective_class") {
      const selectivity = columns.selectivity;
      return (a, b) =>
        (values[a] || "\uffff").localeCompare(values[b] || "\uffff") || selectivity[b] - selectivity[a] || a - b;
    }
    return (a, b) => (values[b] ?? -Infinity) - (values[a] ?? -Infinity) || a - b;
  }

  function arrange() {
    const wanted = new FormData(tools);
    const label = (wanted.get("label") || "").trim().toLowerCase();
    const channels = columns.mean.map((_, channel) => channel);
    order = channels.filter(
      (channel) =>
        (!wanted.get("alive") || !columns.dead[channel]) &&
        (!label || (columns.selective_class[channel] || "").toLowerCase().includes(label)),
    );
    order.sort(compare(wanted.get("sort")));
    document.getElementById("count").textContent = `${order.length} of ${channels.length} units`;
    list.replaceChildren();
    shown = 0;
    add();
  }

  const datalist = document.getElementById("labels");
  if (datalist) {
    const known = [...new Set(columns.selective_class.filter(Boolean))].sort();
    datalist.append(...known.map((value) => element("option", { value })));
  }
  const stored = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of stored) {
    if (tools.elements[name] && name !== "alive") {
      tools.elements[name].value = value;
    }
  }
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", () => {
    const wanted = new FormData(tools);
    const kept = new URLSearchParams();
    ["sort", "label"].forEach((name) => wanted.get(name) && kept.set(name, wanted.get(name)));
    history.replaceState(null, "", `#${kept}`);
    arrange();
  });
  arrange();
  const names = Object.keys(columns);
  const rows = () => [["unit", ...names], ...columns.mean.map((_, channel) => [channel, ...names.map((name) => columns[name][channel])])];
  const asCsv = () => save(fileName("units", "csv"), csv(rows()), "text/csv");
  tools.after(downloads(["CSV", asCsv], ["JSON", () => save(fileName("units", "json"), records(rows()), "application/json")]));
})();
