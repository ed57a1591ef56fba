// Plotly charts in the page's colours; each figure element contains its data as JSON.
"use strict";
(() => {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const MAGMA = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 89, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];

  // Plotly parses names as markup, so escape them.
  const text = (name) => name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  function axis(title, more) {
    return {
      title: { text: text(title), standoff: 8 }, gridcolor: colour("--line"), zerolinecolor: colour("--line"),
      linecolor: colour("--quiet"), automargin: true, fixedrange: true, exponentformat: "none", separatethousands: true, ...more,
    };
  }

  function layout(more) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 50, r: 16, t: 12, b: 44 },
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("--ink") },
      height: 260, bargap: 0.04, showlegend: false, hovermode: "closest", ...more,
    };
  }

  const shares = (values) => (values ? { tickformat: ".0%" } : {});
  const middles = (edges) => edges.slice(1).map((edge, index) => (edge + edges[index]) / 2);

  const kinds = {
    responses(data) {
      const x = data.counts.map((_, bin) => data.start + (bin + 0.5) * data.width);
      const bars = {
        type: "bar", x, y: data.counts, width: data.width, marker: { color: colour("--bar") },
        hovertext: x.map((value) => number(value)), hovertemplate: "α %{hovertext}: %{y} images<extra></extra>",
      };
      const marks = {
        type: "scatter", mode: "markers", x: data.marks, y: data.marks.map(() => 0.7),
        hovertext: data.marks.map((value) => number(value)), hovertemplate: "exemplar, α %{hovertext}<extra></extra>",
        marker: { symbol: "triangle-up", size: 11, color: colour("--ink"), line: { width: 1, color: colour("--paper") } },
      };
      return [[bars, marks], layout({ xaxis: axis("response α"), yaxis: axis("images", { type: "log", dtick: 1 }) })];
    },
    classes(data) {
      const bars = {
        type: "bar", orientation: "h", x: data.means, y: data.names.map((_, index) => index), marker: { color: colour("--bar") },
        customdata: data.links, hovertext: data.names.map((name, index) => `${text(name)}: ${number(data.means[index])}`), hovertemplate: "%{hovertext}<extra></extra>",
      };
      const names = { tickmode: "array", tickvals: bars.y, ticktext: data.names.map(text) };
      return [
        [bars],
        layout({ height: 80 + 22 * data.names.length, xaxis: axis("mean response α"), yaxis: axis("", { autorange: "reversed", ...names }) }),
      ];
    },
    spread(data) {
      const x = middles(data.edges);
      const step = { type: "scatter", mode: "lines", line: { shape: "hvh", width: 2 }, hovertemplate: "%{y} units<extra></extra>" };
      const ofClass = { ...step, x, y: data.of_class, name: text(data.name), line: { ...step.line, color: colour("--accent") } };
      const ofAll = { ...step, x, y: data.of_all, name: "all images", line: { ...step.line, color: colour("--quiet"), dash: "dot" } };
      return [
        [ofClass, ofAll],
        layout({ height: 320, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, xaxis: axis("mean response of a unit"), yaxis: axis("units", { type: "log", dtick: 1 }) }),
      ];
    },
    depth(data, width) {
      const x = data.layers.map((_, index) => index);
      const short = data.layers.map((name) => text(data.calls[name] || (name.length > 18 ? `…${name.slice(-17)}` : name)));
      // Label only as many layers as fit.
      const step = Math.ceil((18 * x.length) / Math.max(width - 110, 100));
      const named = x.filter((index) => index % step === 0);
      const ticks = { tickangle: -60, tickmode: "array", tickvals: named, ticktext: named.map((index) => short[index]) };
      const parts = Math.min(...data.cosine) < 0 ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
      const series = (values) => ({
        x, y: values, hovertext: data.layers.map((name, index) => `${text(name)}: ${number(values[index])}`), hovertemplate: "%{hovertext}",
      });
      const shared = { type: "bar", ...series(data.shared), name: "shared units", marker: { color: colour("--bar") } };
      const chance = { type: "scatter", mode: "lines", ...series(data.expected), name: "by chance", line: { color: colour("--ink"), dash: "dot" } };
      const cosine = { type: "scatter", mode: "lines+markers", ...series(data.cosine), name: "cosine", yaxis: "y2", line: { color: "#e55964" } };
      return [
        [shared, chance, cosine],
        layout({
          height: 380, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, xaxis: axis("", ticks),
          yaxis: axis(`shared of the top ${data.top}`), yaxis2: axis("cosine", { overlaying: "y", side: "right", range: [1.02 * parts[0], 1.02], showgrid: false, tickmode: "array", tickvals: parts }),
          margin: { l: 50, r: 56, t: 12, b: 44 },
        }),
      ];
    },
    curves(data, width) {
      const traces = data.curves.map((curve, index) => ({
        type: "scatter", mode: "lines+markers", x: curve.x, y: curve.y, name: text(curve.name), line: { dash: ["solid", "dash", "dot"][index % 3] },
        error_y: { type: "data", symmetric: false, array: curve.above, arrayminus: curve.below, thickness: 1 },
      }));
      return [
        traces,
        layout({ height: 380, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, xaxis: axis(width < 480 ? data.x.replace(" of the layer's units", "") : data.x, shares(data.x_shares)), yaxis: axis(data.y, { ...shares(data.y_shares), rangemode: "tozero" }) }),
      ];
    },
  };

  function draw() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const data = JSON.parse(figure.querySelector("script").textContent);
      const container = figure.querySelector(".plot") || figure.appendChild(Object.assign(document.createElement("div"), { className: "plot" }));
      const [traces, form] = kinds[figure.dataset.chart](data, figure.clientWidth);
      Plotly.react(container, traces, form, { displayModeBar: false, responsive: true });
      if (data.links && !container.dataset.linked) {
        container.dataset.linked = "yes";
        container.on("plotly_click", ({ points }) => points[0].customdata && location.assign(points[0].customdata));
      }
    }
  }

  function paint() {
    for (const cell of document.querySelectorAll("table.matrix td[data-value]")) {
      const value = Math.min(1, Math.max(0, Number(cell.dataset.value)));
      const position = Math.min(value * (MAGMA.length - 1), MAGMA.length - 1.001);
      const low = Math.floor(position);
      const mixed = MAGMA[low].map((part, n) => Math.round(part + (MAGMA[low + 1][n] - part) * (position - low)));
      cell.style.backgroundColor = `rgb(${mixed.join(" ")})`;
      cell.style.color = value > 0.62 ? "#000" : "#fff";
    }
  }

  // A picture has the page's background, as its text has the page's colour.
  function offer() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const container = figure.querySelector(".plot");
      const picture = (format) => () => {
        const { data, layout } = container;
        const drawn = { data, layout: { ...layout, paper_bgcolor: colour("--paper") } };
        const size = { width: container.clientWidth, height: container.clientHeight, scale: format === "png" ? 2 : 1 };
        Plotly.downloadImage(drawn, { format, ...size, filename: fileName(figure.dataset.chart, format).slice(0, -4) });
      };
      const values = () => save(fileName(figure.dataset.chart, "json"), figure.querySelector("script").textContent, "application/json");
      figure.after(downloads(["PNG", picture("png")], ["SVG", picture("svg")], ["JSON", values]));
    }
  }

  draw();
  offer();
  paint();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("resize", draw);
})();
