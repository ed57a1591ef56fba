// Live view: send one frame of the camera or a video file at a time; send the next when the response arrives.
"use strict";
(() => {
  const form = document.getElementById("live");
  if (!form) {
    return;
  }
  const SHOWN = Number(form.dataset.top);
  const video = document.getElementById("video");
  const rate = document.getElementById("rate");
  const list = document.getElementById("predictions");
  const cards = document.getElementById("maps");
  const pinned = document.getElementById("pinned");
  const canvas = document.createElement("canvas");
  const pins = new Map();
  const made = new Map();
  const times = [];
  let order = [];
  let socket = null;

  // False for timers and frames of an old connection.
  const open = (mine) => mine === socket && mine.readyState === WebSocket.OPEN;

  function send(mine) {
    if (!open(mine)) {
      return;
    }
    if (video.readyState < 2) {
      setTimeout(send, 50, mine);
      return;
    }
    const scale = Math.min(1, 320 / Math.min(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((frame) => open(mine) && mine.send(frame), "image/jpeg", 0.85);
  }

  function prediction({ name, probability }) {
    const meter = element("meter", { min: 0, max: 1, value: probability });
    meter.setAttribute("aria-label", `probability of ${name}`);
    const words = element("span", { className: "n", textContent: `${(100 * probability).toFixed(1)}%` });
    return element("li", {}, element("span", { className: "name", textContent: name }), meter, words);
  }

  function card(layer, channel) {
    const picture = element("img", { alt: `unit ${channel}`, width: 96, height: 96 });
    const words = element("span", { className: "note" });
    const button = element("button", { type: "button", className: "card" }, picture, words);
    const item = element("li", {}, button);
    let latest = null;
    button.addEventListener("click", () => pin(layer, latest));
    function show(unit) {
      item.classList.toggle("away", !unit);
      words.textContent = `unit ${channel} · ${unit ? `α ${number(unit.response)}${unit.contrast === null ? "" : `, contrast ${number(unit.contrast, 2)}`}` : "below the top units"}`;
      if (unit) {
        latest = unit;
        picture.src = unit.map;
      }
    }
    return { item, show };
  }

  // Keep the order of the maps while the pointer or the keyboard focus is on one.
  const points = window.matchMedia("(hover: hover)"); // on a touch screen, :hover stays set after a tap
  const held = () => (points.matches && cards.matches(":hover")) || cards.querySelector(":focus-visible") !== null;

  function show(layer) {
    if (cards.dataset.layer !== layer.layer) {
      cards.dataset.layer = layer.layer;
      made.clear();
      order = [];
    }
    if (!order.length || !held()) {
      order = layer.units.slice(0, SHOWN).map((one) => one.unit);
      order.filter((unit) => !made.has(unit)).forEach((unit) => made.set(unit, card(layer, unit)));
      cards.replaceChildren(...order.map((unit) => made.get(unit).item));
    }
    order.forEach((number) => made.get(number).show(layer.units.find((one) => one.unit === number)));
  }

  function update(values) {
    if (values.message) {
      rate.textContent = rate.dataset.message = values.message;
      return;
    }
    list.replaceChildren(...values.predictions.map(prediction));
    show(values.layers[0]);
    for (const layer of values.layers) {
      for (const unit of layer.units) {
        pins.get(`${layer.layer}:${unit.unit}`)?.(unit);
      }
    }
    times.push(performance.now());
    times.splice(0, times.length - 20);
    const each = (times.at(-1) - times[0]) / (times.length - 1);
    rate.textContent = times.length > 1 ? `${(1000 / each).toFixed(1)} frames per second` : "";
    rate.dataset.frames = String(Number(rate.dataset.frames || 0) + 1);
  }

  async function pin(layer, unit) {
    const name = `${layer.layer}:${unit.unit}`;
    if (pins.has(name)) {
      return;
    }
    const address = layer.link.replace("{}", unit.unit);
    const now = element("img", { className: "now", src: unit.map, alt: `map of ${name} now`, width: 96, height: 96 });
    const tiles = element("span", { className: "tiles" });
    const words = element("span", { className: "note" });
    const link = element("a", { className: "card", href: address, target: "_blank" }, now, tiles, element("span", { className: "name", textContent: name }), words);
    const away = element("button", { type: "button", textContent: "Unpin" });
    away.setAttribute("aria-label", `unpin ${name}`);
    const item = element("li", {}, link, away);
    item.dataset.unit = name;
    pinned.append(item);
    pins.set(name, (latest) => {
      now.src = latest.map;
      words.textContent = ` α ${number(latest.response)}`;
      item.dataset.frames = String(Number(item.dataset.frames || 0) + 1);
    });
    away.addEventListener("click", () => {
      pins.delete(name);
      item.remove();
      reconnect();
    });
    reconnect();
    const values = await (await fetch(`${address}.json`)).json();
    tiles.append(...values.exemplars.slice(0, 6).map((one) => element("img", { src: form.dataset.thumbnail.replace("{}", one.row), alt: one.image, width: 96, height: 96 })));
  }

  // A socket that is still connecting closes itself on open; closing it earlier logs an error in the browser.
  function leave() {
    if (socket?.readyState === WebSocket.OPEN) {
      socket.close();
    }
    socket = null;
  }

  function connect() {
    leave();
    const address = new URL(form.dataset.socket, location);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("layer", form.elements.layer.value);
    if (form.elements.rank) {
      address.searchParams.set("rank", form.elements.rank.value);
    }
    [...pins.keys()].forEach((name) => address.searchParams.append("pin", name));
    document.getElementById("layer-name").textContent = `of ${form.elements.layer.value}`;
    times.length = 0;
    const mine = new WebSocket(address);
    socket = mine;
    mine.addEventListener("open", () => (mine === socket ? send(mine) : mine.close()));
    mine.addEventListener("message", (event) => {
      if (mine === socket) {
        update(JSON.parse(event.data));
        requestAnimationFrame(() => send(mine));
      }
    });
    mine.addEventListener("close", () => {
      if (mine === socket) {
        const message = rate.dataset.message || "The server closed the connection. Start again.";
        stop();
        rate.textContent = message;
      }
    });
    rate.textContent = "Running the network…";
    delete rate.dataset.message;
    document.getElementById("stop").disabled = false;
  }

  const reconnect = () => socket && connect();

  function stop() {
    leave();
    if (video.srcObject) {
      video.srcObject.getTracks().forEach((track) => track.stop());
      video.srcObject = null;
    }
    video.pause();
    rate.textContent = "";
    document.getElementById("stop").disabled = true;
  }

  document.getElementById("camera").addEventListener("click", async () => {
    stop();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
      await video.play();
      connect();
    } catch (problem) {
      const why = !window.isSecureContext ? "browsers allow it only over https or on 127.0.0.1"
        : problem.name === "NotAllowedError" ? "permission denied" : problem.name;
      rate.textContent = `No camera is available (${why}). Choose a video file instead.`;
    }
  });
  document.getElementById("file").addEventListener("click", ({ target }) => (target.value = "")); // so that the same file can be chosen again
  document.getElementById("file").addEventListener("change", async (event) => {
    stop();
    const [file] = event.target.files;
    if (!file) {
      return;
    }
    URL.revokeObjectURL(video.src);
    const address = URL.createObjectURL(file);
    video.src = address;
    // A file with sound only plays too, but has no width.
    const playable = await video.play().then(() => video.videoWidth > 0, () => false);
    if (video.src !== address) {
      return; // another file was chosen meanwhile
    }
    if (playable) {
      connect();
    } else {
      stop();
      rate.textContent = `This browser can't play “${file.name}” as a video.`;
    }
  });
  form.elements.layer.addEventListener("change", reconnect);
  form.elements.rank?.addEventListener("change", reconnect);
  document.getElementById("stop").addEventListener("click", stop);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
