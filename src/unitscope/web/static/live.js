// Live view: send one frame of the camera or a video file at a time; send the next when the response arrives.
"use strict";
(() => {
  const form = document.getElementById("live");
  if (!form) {
    return;
  }
  const SECONDS = 4; // over which frames are counted
  const video = document.getElementById("video");
  const source = document.getElementById("source");
  const state = document.getElementById("state");
  const rate = document.getElementById("rate");
  const list = document.getElementById("predictions");
  const stopButton = document.getElementById("stop");
  const canvas = document.createElement("canvas");
  const reconnect = () => !stopButton.disabled && connect();
  const cards = window.makeCards(Number(form.dataset.top), reconnect);
  let started = 0; // when the connection was made
  let played = []; // when the video showed a new frame
  let answered = []; // when the server answered one
  let isNew = false; // whether the video shows a frame that was not sent
  let isPlayable = false;
  let refusal = ""; // the server's last message instead of an answer
  let socket = null;
  let waiting = null; // the connection that waits for a new frame

  // False for timers and frames of an old connection.
  const open = (mine) => mine === socket && mine.readyState === WebSocket.OPEN;

  // Each frame is sent once at most, so that a paused video is not analysed again and again.
  function watch() {
    video.requestVideoFrameCallback(() => {
      played.push(performance.now());
      isNew = true;
      if (waiting) {
        send(waiting);
      }
      watch();
    });
  }

  function send(mine) {
    waiting = null;
    if (!open(mine)) {
      return;
    }
    isNew = false;
    const scale = Math.min(1, 320 / Math.min(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((frame) => open(mine) && mine.send(frame), "image/jpeg", 0.85);
  }

  function sendWhen(isReady, mine) {
    if (isReady) {
      send(mine);
    } else {
      waiting = mine;
    }
  }

  function prediction({ name, probability }) {
    const meter = element("meter", { min: 0, max: 1, value: probability, ariaLabel: `probability of ${name}` });
    const words = element("span", { className: "n", textContent: `${(100 * probability).toFixed(1)}%` });
    return element("li", {}, element("span", { className: "name", textContent: name }), meter, words);
  }

  function update(values) {
    state.textContent = refusal = values.message || "";
    if (refusal) {
      return;
    }
    list.replaceChildren(...values.predictions.map(prediction));
    cards.show(values.layers);
    answered.push(performance.now());
    rate.dataset.frames = String(Number(rate.dataset.frames || 0) + 1);
  }

  // Count the frames that were answered and those of the video, whether any came lately or not.
  function showRate() {
    const now = performance.now();
    const recent = (times) => times.filter((time) => time > Math.max(started, now - 1000 * SECONDS));
    [played, answered] = [recent(played), recent(answered)];
    const seconds = Math.min(SECONDS, (now - started) / 1000);
    if (video.paused || !socket) {
      rate.textContent = isPlayable && video.paused ? "Paused" : "";
    } else if (seconds > 1) {
      const [done, all] = [answered, played].map((times) => (times.length / seconds).toFixed(1));
      rate.textContent = `${done} of the video's ${all} frames per second`;
    }
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
    cards.pins().forEach((name) => address.searchParams.append("pin", name));
    document.getElementById("layer-name").textContent = `of ${form.elements.layer.value}`;
    started = performance.now();
    const mine = new WebSocket(address);
    socket = mine;
    mine.addEventListener("open", () => (mine === socket ? sendWhen(video.readyState >= 2, mine) : mine.close()));
    mine.addEventListener("message", (event) => {
      if (mine === socket) {
        update(JSON.parse(event.data));
        sendWhen(isNew, mine);
      }
    });
    mine.addEventListener("close", () => {
      if (mine === socket) {
        lost();
      }
    });
    state.textContent = "Running the network…";
    refusal = "";
    isPlayable = true;
    stopButton.disabled = false;
  }

  // The server closes a connection without frames, as those of a paused video or a hidden page; `resume` opens another.
  function lost() {
    socket = null;
    if (video.paused || document.hidden) {
      state.textContent = "";
      return;
    }
    const message = refusal || "The server closed the connection. Start again.";
    stop();
    state.textContent = message;
  }

  function resume() {
    if (isPlayable && !socket && !document.hidden) {
      connect();
    }
  }

  function stop() {
    leave();
    if (video.srcObject) {
      video.srcObject.getTracks().forEach((track) => track.stop());
      video.srcObject = null;
      isPlayable = false;
      show("");
    }
    video.pause();
    state.textContent = "";
    stopButton.disabled = true;
    showRate();
  }

  function show(name, { controls = false } = {}) {
    source.textContent = name;
    video.controls = controls;
    video.setAttribute("aria-label", name || "Video");
  }

  document.getElementById("camera").addEventListener("click", async () => {
    stop();
    isPlayable = false;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
      show(video.srcObject.getVideoTracks()[0].label || "Camera");
      await video.play();
      connect();
    } catch (problem) {
      const why = !window.isSecureContext ? "browsers allow it only over https or on 127.0.0.1"
        : problem.name === "NotAllowedError" ? "permission denied" : problem.name;
      state.textContent = `No camera is available (${why}). Choose a video file instead.`;
    }
  });
  document.getElementById("file").addEventListener("click", ({ target }) => (target.value = "")); // so that the same file can be chosen again
  document.getElementById("file").addEventListener("change", async (event) => {
    stop();
    const [file] = event.target.files;
    if (!file) {
      return;
    }
    isPlayable = false;
    URL.revokeObjectURL(video.src);
    const address = URL.createObjectURL(file);
    video.src = address;
    // A file with sound only plays too, but has no width.
    const isVideo = await video.play().then(() => video.videoWidth > 0, () => false);
    if (video.src !== address) {
      return; // another file was chosen meanwhile
    }
    if (isVideo) {
      show(file.name, { controls: true });
      connect();
    } else {
      stop();
      show("");
      state.textContent = `This browser can't play “${file.name}” as a video.`;
    }
  });
  form.elements.layer.addEventListener("change", reconnect);
  form.elements.rank?.addEventListener("change", reconnect);
  stopButton.addEventListener("click", stop);
  form.addEventListener("submit", (event) => event.preventDefault());
  ["play", "seeked"].forEach((name) => video.addEventListener(name, resume));
  document.addEventListener("visibilitychange", resume);
  setInterval(showRate, 500);
  watch();
})();
