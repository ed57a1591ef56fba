// Activation maps over the exemplars, and the slider that fades between image and map.
"use strict";
(() => {
  const section = document.getElementById("exemplars");
  const fade = document.getElementById("fade");
  if (!fade) {
    return; // no maps, or a dead unit without exemplars
  }
  const list = section.querySelector(".exemplars");
  const state = document.getElementById("maps-state");
  const show = () => list.style.setProperty("--fade", fade.value / 100);
  fade.addEventListener("input", show);
  show();
  const count = Number(section.dataset.count);
  const strip = new Image();
  strip.addEventListener("load", () => {
    const width = strip.naturalWidth / count;
    // Copy each map out of the strip first: smooth scaling in the strip would mix in its neighbours' cells.
    const cell = Object.assign(document.createElement("canvas"), { width, height: strip.naturalHeight });
    for (const canvas of list.querySelectorAll("canvas")) {
      // Without an image, use the map's own aspect ratio.
      canvas.height = Math.max(1, Math.round((canvas.width * strip.naturalHeight) / width));
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      const left = Number(canvas.dataset.index) * width;
      cell.getContext("2d").drawImage(strip, left, 0, width, cell.height, 0, 0, width, cell.height);
      context.drawImage(cell, 0, 0, canvas.width, canvas.height);
    }
    state.textContent = "";
    section.dataset.ready = "yes";
  });
  strip.addEventListener("error", () => {
    state.textContent = "The maps could not be loaded.";
    section.dispatchEvent(new Event("missing"));
  });
  if (count) {
    state.textContent = "Running the network…";
    strip.src = section.dataset.maps;
  }
})();
