// Upload an image that was dropped, pasted or chosen, and open the page that the server returns.
"use strict";
(() => {
  const form = document.getElementById("upload");
  const output = form && form.querySelector("output");
  if (!form) {
    return;
  }
  async function send(picture) {
    output.textContent = "Uploading…";
    const body = new FormData();
    body.append("picture", picture);
    let answer, text;
    try {
      answer = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
      text = await answer.text();
    } catch {
      output.textContent = "The server did not respond. Is it still running?";
      return;
    }
    if (answer.ok) {
      location.assign(JSON.parse(text).page);
    } else {
      output.textContent = text.startsWith("{") ? JSON.parse(text).message : text;
    }
  }
  const first = (files) => [...files].find((file) => file.type.startsWith("image/"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form.elements.picture.files[0]);
  });
  form.elements.picture.addEventListener("change", () => form.requestSubmit());
  document.addEventListener("paste", (event) => {
    const picture = first(event.clipboardData.files);
    if (picture) {
      send(picture);
    }
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", () => form.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    const picture = first(event.dataTransfer.files);
    if (picture) {
      send(picture);
    } else {
      output.textContent = "This is not an image.";
    }
  });
})();
