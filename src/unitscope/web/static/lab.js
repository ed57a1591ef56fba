// The lab: remove units or add noise for some images; each is shown before and after by `makeTrial`.
"use strict";
(() => {
  const form = document.getElementById("lab");
  if (!form) {
    return;
  }
  const choose = document.getElementById("choose");
  const { image, sigma, shown_sigma, layers, rank, add } = choose.elements;
  const { unit, undo, reset } = form.elements;
  const container = document.getElementById("structure");
  const chips = document.getElementById("removed");
  const problem = document.getElementById("problem");
  const page = choose.getAttribute("action");
  const unique = (values) => [...new Set(values.map((one) => one.trim()).filter(Boolean))];
  const all = document.getElementById("all");
  const isAll = () => shown?.layers.includes("*");
  const step = () => history.state?.step || 0;
  let trials = new Map(); // by the address of the structure before the change
  let shown = null; // the state on the page
  let wanted = read(); // the state requested last
  let next = null; // the request to send after the one that runs
  let running = false;
  let recorded = ""; // the address of the history's current entry

  // The URL holds the state, so that it can be reloaded, bookmarked and shared, and the browser's Back undoes a change.
  function read() {
    const given = new URLSearchParams(location.search);
    const images = unique(given.getAll("image"));
    const chosen = images.length ? images : [form.dataset.default];
    return { images: chosen, removed: unique(given.getAll("remove")), layers: unique(given.getAll("layer")), sigma: Number(given.get("sigma")) || 0, rank: given.get("rank") === "response" ? "response" : "" };
  }

  function addressOf(state) {
    const given = { image: state.images, remove: state.removed, layer: state.layers, sigma: state.sigma ? [state.sigma] : [], rank: state.rank ? [state.rank] : [] };
    return `${page}?${new URLSearchParams(Object.entries(given).flatMap(([name, values]) => values.map((value) => [name, value])))}`;
  }

  async function answerFor(name, state) {
    const address = `${form.dataset.structure}?${new URLSearchParams([["image", name], ["rank", state.rank], ...state.layers.map((one) => ["layer", one])])}`;
    let trial = trials.get(address);
    if (!trial) {
      const before = await window.loadStructure(address);
      const drop = () => ask({ images: wanted.images.filter((one) => one !== name) });
      trial = window.makeTrial({ image: name, page: form.dataset.image, before, remove, toggle, drop });
      trials.set(address, trial);
    }
    const body = { image: name, removed: state.removed, layers: state.layers, sigma: state.sigma, rank: state.rank };
    const after = state.removed.length || state.sigma ? await window.loadStructure(`${page}.json`, body) : null;
    return { address, trial, after };
  }

  async function answersFor(state) {
    const found = [];
    for (const name of state.images) {
      found.push(await answerFor(name, state)); // one at a time, since all visitors share the network
    }
    return found;
  }

  function show(state, found) {
    const removed = found[0].after ? found[0].after.removed : state.removed;
    if (wanted === state) {
      wanted = { ...state, removed };
    }
    shown = { ...state, removed };
    const hadFocus = document.activeElement !== document.body;
    trials = new Map(found.map((one) => [one.address, one.trial]));
    const elements = found.map((one) => one.trial.element);
    if (elements.some((one, position) => one !== container.children[position]) || elements.length !== container.childElementCount) {
      container.replaceChildren(...elements);
    }
    found.forEach((one) => one.trial.update(one.after, shown));
    container.classList.toggle("several", found.length > 1);
    document.getElementById("shown").textContent = window.describeLayers(found[0].trial.before);
    document.getElementById("ranked").textContent = found[0].trial.before.ranked_by;
    document.getElementById("state").textContent = inWords(found);
    chips.replaceChildren(...removed.map(chip));
    if (hadFocus && document.activeElement === document.body) {
      chips.focus({ preventScroll: true }); // what had the focus is gone
    }
    container.dataset.ready = String(Number(container.dataset.ready || 0) + 1);
  }

  function inWords(found) {
    const changed = found.filter(({ after, trial }) => after && after.predictions[0]?.class !== trial.before.predictions[0]?.class);
    if (!found[0].after || !found[0].after.predictions.length) {
      return "";
    }
    if (found.length > 1) {
      return `${changed.length} of ${found.length} predictions changed.`;
    }
    const [was, now] = [found[0].trial.before, found[0].after].map((values) => values.predictions[0].name);
    return changed.length ? `The prediction changed from ${was} to ${now}.` : `The prediction is still ${now}.`;
  }

  function chip(name) {
    const button = element("button", { type: "button", textContent: "✕", title: "Restore", ariaLabel: `restore ${name}` });
    button.addEventListener("click", () => toggle(name));
    return element("li", { className: "chip" }, element("span", { textContent: name }), " ", button);
  }

  function remove(names, how = {}) {
    ask({ removed: unique([...wanted.removed, ...names]) }, how);
  }

  // Remove a unit, or restore it; of a layer removed as a whole, all units are restored.
  function toggle(name) {
    const [layer] = name.split(/:\d+$/);
    const kept = wanted.removed.filter((one) => one !== name && one !== layer);
    if (kept.length < wanted.removed.length) {
      ask({ removed: kept });
    } else {
      remove([name]);
    }
  }

  function writeFields() {
    sigma.value = shown.sigma;
    shown_sigma.textContent = sigma.value;
    layers.value = shown.layers.join(" ");
    if (rank) {
      rank.value = shown.rank || "contrast";
    }
    all?.setAttribute("aria-pressed", isAll());
    add.disabled = shown.images.length >= Number(form.dataset.most);
    undo.disabled = step() === 0;
  }

  // Write the state into the URL: as a new entry of the history, in place of the current one, or not yet.
  function record(how) {
    const address = addressOf(shown);
    if (how === "replace" || (how === "push" && address !== recorded)) {
      const entry = { step: step() + (how === "push" ? 1 : 0) };
      history[`${how}State`](entry, "", address);
      recorded = address;
    }
  }

  // Say why a state can't be shown, and keep the page as it is.
  function refuse(state, message, field) {
    problem.textContent = message;
    field?.setAttribute("aria-invalid", "true");
    if (shown) {
      wanted = shown;
      record("replace");
    } else if (state.removed.length || state.layers.length) {
      wanted = { ...state, removed: [], layers: [] }; // a link may name what this atlas does not have
      next = { state: wanted, how: "replace" };
    } else {
      problem.textContent = "";
      container.replaceChildren(element("p", { className: "reason", textContent: message }));
    }
  }

  async function run({ state, how, field }) {
    try {
      if (JSON.stringify(state) !== JSON.stringify(shown)) {
        show(state, await answersFor(state));
      }
    } catch (error) {
      refuse(state, error.message, field);
      return;
    }
    record(how);
    if (field) {
      field.value = "";
    }
  }

  // Show the page with a change; while a request runs, only the latest one waits.
  async function ask(change, { how = "push", field = null } = {}) {
    wanted = { ...wanted, ...change };
    next = { state: wanted, how, field };
    if (running) {
      return;
    }
    running = true;
    problem.textContent = "";
    [unit, image, layers].forEach((one) => one.removeAttribute("aria-invalid"));
    container.setAttribute("aria-busy", "true");
    while (next) {
      const request = next;
      next = null;
      await run(request);
    }
    container.removeAttribute("aria-busy");
    running = false;
    if (shown) {
      writeFields();
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    remove([unit.value], { field: unit });
  });
  choose.addEventListener("submit", (event) => {
    event.preventDefault();
    const images = unique([...(event.submitter === add ? wanted.images : []), image.value]);
    ask({ images: images.length ? images : wanted.images }, { field: image });
  });
  layers.addEventListener("change", () => ask({ layers: unique(layers.value.split(/[\s,]+/)) }, { field: layers }));
  rank?.addEventListener("change", () => ask({ rank: rank.value === "response" ? "response" : "" }));
  all?.addEventListener("click", () => ask({ layers: isAll() ? [] : ["*"] }));
  sigma.addEventListener("input", () => {
    shown_sigma.textContent = sigma.value;
    ask({ sigma: Number(sigma.value) }, { how: "keep" });
  });
  sigma.addEventListener("change", () => ask({ sigma: Number(sigma.value) }));
  reset.addEventListener("click", () => ask({ removed: [], sigma: 0 }));
  undo.addEventListener("click", () => history.back());
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=range]), dialog");
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !isTyping && step()) {
      event.preventDefault();
      history.back();
    }
  });
  window.addEventListener("popstate", () => ask(read(), { how: "replace" }));
  ask({}, { how: "replace" });
})();
