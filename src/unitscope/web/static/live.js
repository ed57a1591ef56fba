// The camera, or a video file: one frame to the network at a time, the next when its answer is there.
"use strict";
(() => {
  const form = document.getElementById("live");
  if (!form) {
    return;
  }
  const video = document.getElementById("video");
  const rate = document.getElementById("rate");
  const list = document.getElementById("predictions");
  const cards = document.getElementById("maps");
  const pinned = document.getElementById("pinned");
  const canvas = document.createElement("canvas");
  const times = [];
  let socket = null;

  function element(name, attributes, ...children) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  }

  function send() {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return;
    }
    if (video.readyState < 2) {
      setTimeout(send, 50);
      return;
    }
    const scale = Math.min(1, 320 / Math.min(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((frame) => socket && socket.readyState === WebSocket.OPEN && socket.send(frame), "image/jpeg", 0.85);
  }

  function tell(told) {
    if (told.message) {
      rate.textContent = told.message;
      return;
    }
    list.replaceChildren(
      ...told.predictions.map((one) => {
        const meter = element("meter", { min: 0, max: 1, value: one.probability });
        const words = element("span", { className: "n", textContent: `${(100 * one.probability).toFixed(1)}%` });
        return element("li", {}, element("span", { className: "name", textContent: one.name }), meter, words);
      }),
    );
    const layer = told.layers[0];
    cards.replaceChildren(
      ...layer.units.map((unit) => {
        const picture = element("img", { src: unit.map, alt: `unit ${unit.unit}`, width: 96, height: 96 });
        const words = `unit ${unit.unit} · α ${unit.response.toPrecision(3)}`;
        const button = element("button", { type: "button", className: "card" }, picture, element("span", { className: "note", textContent: words }));
        button.addEventListener("click", () => pin(layer, unit.unit));
        return element("li", {}, button);
      }),
    );
    for (const unit of layer.units) {
      const place = pinned.querySelector(`[data-unit="${CSS.escape(`${layer.layer}:${unit.unit}`)}"] img.now`);
      if (place) {
        place.src = unit.map;
      }
    }
    times.push(performance.now());
    times.splice(0, times.length - 20);
    const each = (times.at(-1) - times[0]) / (times.length - 1);
    rate.textContent = times.length > 1 ? `${(1000 / each).toFixed(1)} frames a second` : "";
    rate.dataset.frames = String(Number(rate.dataset.frames || 0) + 1);
  }

  async function pin(layer, unit) {
    const name = `${layer.layer}:${unit}`;
    if (pinned.querySelector(`[data-unit="${CSS.escape(name)}"]`)) {
      return;
    }
    const address = layer.link.replace("{}", unit);
    const told = await (await fetch(`${address}.json`)).json();
    const tiles = told.exemplars.slice(0, 6).map((one) => element("img", { src: `/thumbnail/${one.row}.webp`, alt: one.image, width: 96, height: 96 }));
    const now = element("img", { className: "now", alt: `map of ${name} now`, width: 96, height: 96 });
    const card = element("a", { className: "card", href: address, target: "_blank" }, now, element("span", { className: "tiles" }, ...tiles), element("span", { className: "name", textContent: name }));
    const item = element("li", {}, card);
    item.dataset.unit = name;
    pinned.append(item);
  }

  function connect() {
    if (socket) {
      socket.close();
    }
    const address = new URL("/live.ws", location);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("layer", form.elements.layer.value);
    document.getElementById("layer-name").textContent = `of ${form.elements.layer.value}`;
    times.length = 0;
    const opened = new WebSocket(address);
    socket = opened;
    opened.addEventListener("open", send);
    opened.addEventListener("message", (event) => {
      if (opened === socket) {
        tell(JSON.parse(event.data));
        requestAnimationFrame(send);
      }
    });
    document.getElementById("stop").disabled = false;
  }

  function stop() {
    if (socket) {
      socket.close();
      socket = null;
    }
    if (video.srcObject) {
      video.srcObject.getTracks().forEach((track) => track.stop());
      video.srcObject = null;
    }
    video.pause();
    rate.textContent = "";
    document.getElementById("stop").disabled = true;
  }

  document.getElementById("camera").addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
      await video.play();
      connect();
    } catch (problem) {
      rate.textContent = `There is no camera to be had (${problem.name}); a video file does as well.`;
    }
  });
  document.getElementById("file").addEventListener("change", async (event) => {
    stop();
    video.src = URL.createObjectURL(event.target.files[0]);
    await video.play();
    connect();
  });
  form.elements.layer.addEventListener("change", () => socket && connect());
  document.getElementById("stop").addEventListener("click", stop);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
