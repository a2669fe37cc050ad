/* The live model: images in, predictions of a real model out, without a server and without a request
after the page and its own scripts. A classic script, so that it works from a file on disk.

The page already shows the result of one image, computed when the book was built. Scripts and
weights of a model are loaded at the first use. */
"use strict";

(() => {
  const FOLDER = document.currentScript.src.replace(/[^/]*$/, "");
  const OPACITY = 0.45; // of a map over an image, as xraylab.plotting.OPACITY
  const MARK = [255, 176, 0]; // outline of a region
  const { read, turn, square, classify } = LiveImages;
  const CONFIG = JSON.parse(document.querySelector(".live .config").textContent);
  window.LIVE_PARTS = {}; // see onnx.js

  /* Functions that create a model once its scripts are loaded: an object with image_size and
     forward(image, hidden, off), which returns, at once or as a promise, logits, inputs, and what
     LIVE_VIEWS and the component show of it. */
  const CREATE = { rr_vit: () => RRViT.load(RR_VIT_WEIGHTS) };
  const loading = {};
  const scripts = {};

  /* Load a model once, and share it among the components of a page. progress is called with the
     fraction that has been loaded. */
  function load(name, progress = () => {}) {
    const files = Object.keys(CONFIG.models[name].scripts);
    const next = (before, file, i) => before.then(() => add_script(file)).then(() => progress((i + 1) / files.length));
    const create = CREATE[name] ?? (() => LiveOnnx.load(name, CONFIG.image_size));
    loading[name] ??= files.reduce(next, Promise.resolve()).then(create);
    loading[name].catch(() => delete loading[name]);
    return loading[name];
  }

  function add_script(file) {
    scripts[file] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = FOLDER + file;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${script.src} cannot be loaded`));
      document.head.append(script);
    });
    scripts[file].catch(() => delete scripts[file]);
    return scripts[file];
  }

  // ---- The component ------------------------------------------------------------------------

  function start(root) {
    const $ = (selector) => root.querySelector(selector);
    const $$ = (selector) => [...root.querySelectorAll(selector)];
    const status = $(".status");
    const samples = $$(".sample");
    const state = {
      model: "rr_vit",
      source: null, // the image as it was read, at its own size
      image: null, // (image_size * image_size) in [0, 1], what the model gets
      name: "", // what the image is, for texts
      hidden: [],
      off: new Set(),
      unchanged: CONFIG.logits, // logits of the image without hidden patches and with all heads
      result: null,
    };
    const SIDE = 8; // patches along a side

    root.classList.add("ready");
    $$(".controls").forEach((element) => (element.hidden = false));
    const patches = add_patches();

    // Read the pixels of a simulated image from its button.
    async function choose(number, keep = false) {
      samples.forEach((sample, i) => sample.setAttribute("aria-pressed", String(i === number)));
      const picture = samples[number].querySelector("img");
      const canvas = document.createElement("canvas");
      canvas.width = picture.naturalWidth;
      canvas.height = picture.naturalHeight;
      const context = canvas.getContext("2d");
      context.drawImage(picture, 0, 0);
      const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
      const grey = new Uint8Array(width * height).map((_, i) => data[4 * i]);
      $(".square").hidden = true;
      await show({ grey, width, height, colour: 0 }, `SIMULATED image: ${samples[number].textContent.trim()}`, keep);
    }

    // Read a file of the reader.
    async function open(file) {
      samples.forEach((sample) => sample.setAttribute("aria-pressed", "false"));
      say("Reading the image …");
      try {
        const source = await read(file);
        $(".square").hidden = source.width === source.height;
        await examine(source);
      } catch (error) {
        refuse(`${error.message}`);
      }
    }

    // Show an image of the reader if it is a frontal chest X-ray.
    async function examine(source, force = false) {
      state.source = source;
      // RR-ViT examines the image for all models.
      const found = force ? { kind: "chest" } : classify(CONFIG.refusal, await load("rr_vit"), source, how());
      if (found.kind === "chest") {
        const warning = force ? " It was not recognised as a frontal chest X-ray; the predictions mean nothing." : "";
        await show(source, `Your image, ${source.width} × ${source.height} pixels.${warning}`);
        return;
      }
      if (found.kind === "turned") {
        const { turns, inverted } = found;
        const parts = [
          ...(inverted ? ["a negative (bones are dark)"] : []),
          ...(turns ? [turns === 2 ? "upside down" : "on its side"] : []),
        ];
        refuse(`This looks like a chest X-ray, but ${parts.join(" and ")}. The model was trained on upright positives.`);
        offer(`${inverted ? "Invert" : ""}${inverted && turns ? " and turn" : turns ? "Turn" : ""} it`, () =>
          examine(turn(source, turns, inverted)));
      } else if (found.kind === "colour") {
        refuse("Not predicted: this is a picture in colour, and X-rays are grey.");
      } else {
        refuse("Not predicted: this does not look like a frontal chest X-ray. Its shape, texture or reconstruction error differ from those the model was trained on.");
      }
      offer("Predict it all the same", () => examine(source, true));
    }

    function how() {
      return $(".square select").value;
    }

    function offer(text, action) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => run(action));
      $(".correct").append(button);
      $(".correct").hidden = false;
    }

    function refuse(text) {
      root.classList.add("refused");
      $(".correct").replaceChildren();
      $(".correct").hidden = true;
      say(text);
      status.classList.add("refused");
    }

    function say(text) {
      status.textContent = text;
    }

    // Load the chosen model if that has not been done yet.
    async function prepare(name = state.model) {
      const { title, scripts: files } = CONFIG.models[name];
      const bytes = Object.keys(files).reduce((sum, file) => sum + (scripts[file] ? 0 : files[file]), 0);
      const [bar, text] = [$(".loading"), status.textContent];
      const late = setTimeout(() => {
        say(`Loading ${title}, ${(bytes / 1e6).toFixed(1)} MB …`);
        bar.hidden = false;
      }, 50);
      try {
        state.ready = await load(name, (fraction) => (bar.value = fraction));
      } finally {
        clearTimeout(late);
        bar.hidden = true;
        say(text);
      }
      state.model = name;
      return state.ready;
    }

    // A new image, with all patches visible unless the hidden ones are kept.
    async function show(source, name, keep = false) {
      const model = await prepare();
      root.classList.remove("refused");
      status.classList.remove("refused");
      $(".correct").replaceChildren();
      $(".correct").hidden = true;
      Object.assign(state, { source, name, hidden: keep ? state.hidden : [] });
      state.image = Float32Array.from(square(source, model.image_size, how()), (level) => level / 255);
      state.unchanged = (await model.forward(state.image)).logits;
      mark_patches();
      await update();
    }

    // Predict with the current hidden patches and heads, and draw everything.
    async function update() {
      if (root.classList.contains("refused")) return; // nothing is shown of a refused picture
      const model = await prepare();
      if (!state.image) return choose(CONFIG.default, true);
      state.result = await model.forward(state.image, state.hidden, state.off);
      draw_pictures();
      draw_probabilities();
      const count = state.hidden.filter(Boolean).length;
      const parts = [state.name];
      if (count) parts.push(`${count} ${count === 1 ? "patch" : "patches"} hidden`);
      if (state.off.size) parts.push(`${state.off.size} ${state.off.size === 1 ? "head" : "heads"} off`);
      say(parts.join(" · "));
    }

    function draw_pictures() {
      const { inputs, reconstruction } = state.result;
      set_picture("input", grey_picture(inputs), `Input image. ${state.name}`);
      draw_view();
      $$(".reconstruction, .error").forEach((figure) => (figure.hidden = !reconstruction));
      if (!reconstruction) return;
      set_picture("reconstruction", grey_picture(reconstruction), "Reconstruction of the input by the model");
      const error = reconstruction.map((level, i) => Math.abs(level - state.image[i]));
      const mean = error.reduce((sum, x) => sum + x, 0) / error.length;
      set_picture("error", colour_picture(error, CONFIG.error_limit), `Absolute difference of reconstruction and image, mean ${mean.toFixed(3)}`);
    }

    // The inside of the model, as LIVE_VIEWS describes it.
    function draw_view() {
      const view = LIVE_VIEWS[state.model];
      const chosen = Object.fromEntries($$(".view select").map(({ name, selectedIndex }) => [name, selectedIndex]));
      const found = view.picture(state.result, chosen, state.ready, CONFIG.findings);
      set_picture("attention", overlay(state.result.inputs, found), `${view.title}, ${found.view}: ${found.text}`);
      $(".attention .what").textContent = `, ${found.view}`;
      $(".attention .note").textContent = found.note ?? "";
      $(".attention output").textContent = found.limit.toFixed(3);
    }

    // The drop-down lists of the model's view.
    function add_controls() {
      const { controls, title, click } = LIVE_VIEWS[state.model];
      $(".attention .title").textContent = title;
      $(".attention").classList.toggle("clickable", Boolean(click));
      $(".view").replaceChildren(
        ...controls(state.ready, CONFIG.findings).map(([name, text, options, first]) => {
          const label = document.createElement("label");
          const select = document.createElement("select");
          select.name = name;
          select.append(...options.map((option) => new Option(option)));
          select.selectedIndex = first;
          label.append(`${text} `, select);
          return label;
        }),
      );
    }

    // Another model, for the current image.
    async function change_model(name) {
      try {
        await prepare(name);
      } finally {
        $(".model").value = state.model; // the one before if the new one cannot be loaded
      }
      add_controls();
      $(".notice .title").textContent = CONFIG.models[name].title;
      $(".notice .claim").textContent = CONFIG.models[name].claim;
      $(".heads").hidden = name !== "rr_vit";
      state.off.clear();
      $$(".heads [data-name]").forEach((button) => button.setAttribute("aria-pressed", "true"));
      if (root.classList.contains("refused")) return;
      if (!state.image) return choose(CONFIG.default);
      state.unchanged = (await state.ready.forward(state.image)).logits;
      await update();
    }

    function set_picture(name, address, text) {
      const picture = $(`.${name} img`);
      picture.src = address;
      picture.alt = text;
    }

    function draw_probabilities() {
      const probabilities = probability(state.result.logits);
      const before = probability(state.unchanged);
      const points = CONFIG.models[state.model].points[$(".rule").value];
      const known = points.filter((point) => point !== null);
      const axis = Math.max(0.5, Math.ceil(10 * Math.max(...probabilities, ...known)) / 10);
      const changed = state.hidden.some(Boolean) || state.off.size > 0;
      const percent = (x) => `${(100 * x).toFixed(1)} %`;
      $$(".probabilities tbody tr").forEach((row, k) => {
        const positive = probabilities[k] > points[k];
        row.classList.toggle("positive", positive);
        row.querySelector("th").setAttribute("aria-label", CONFIG.findings[k] + (positive ? ", above its operating point" : ""));
        row.querySelector(".bars i").style.width = `${(100 * probabilities[k]) / axis}%`;
        row.querySelector(".bars b").style.left = `${(100 * points[k]) / axis}%`;
        row.querySelector(".value").textContent = percent(probabilities[k]);
        row.querySelector(".point").textContent = percent(points[k]);
        const change = 100 * (probabilities[k] - before[k]);
        row.querySelector(".change").textContent = changed ? `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)}` : "";
      });
      $(".axis").textContent = `${Math.round(100 * axis)} %`;
    }

    // Platt scaling, then the sigmoid.
    function probability(logits) {
      const { slope, offset } = CONFIG.models[state.model];
      return Array.from(logits, (z, k) => 1 / (1 + Math.exp(-(slope[k] * z + offset[k]))));
    }

    // One button per patch over the input; arrow keys move between them.
    function add_patches() {
      const grid = document.createElement("div");
      grid.className = "patches";
      grid.style.gridTemplateColumns = `repeat(${SIDE}, 1fr)`;
      grid.setAttribute("role", "group");
      grid.setAttribute("aria-label", `${SIDE} by ${SIDE} patches; arrow keys move, space hides or shows`);
      const buttons = Array.from({ length: SIDE * SIDE }, (_, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.tabIndex = i ? -1 : 0;
        button.setAttribute("aria-label", `Row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}`);
        grid.append(button);
        return button;
      });
      $(".input .frame").append(grid);
      let painting = null; // whether the stroke hides or shows patches
      const paint = (i, hide) => {
        if (Boolean(state.hidden[i]) === hide) return;
        state.hidden = buttons.map((_, at) => (at === i ? hide : Boolean(state.hidden[at])));
        mark_patches();
        later(update);
      };
      grid.addEventListener("pointerdown", (event) => {
        const i = buttons.indexOf(event.target);
        if (i < 0 || event.button) return;
        grid.setPointerCapture(event.pointerId);
        painting = !state.hidden[i];
        paint(i, painting);
      });
      grid.addEventListener("pointermove", (event) => {
        if (painting === null) return;
        const box = grid.getBoundingClientRect();
        const column = Math.floor(((event.clientX - box.left) / box.width) * SIDE);
        const row = Math.floor(((event.clientY - box.top) / box.height) * SIDE);
        if (Math.min(row, column) >= 0 && Math.max(row, column) < SIDE) paint(row * SIDE + column, painting);
      });
      for (const end of ["pointerup", "pointercancel"]) {
        grid.addEventListener(end, () => (painting = null));
      }
      grid.addEventListener("click", (event) => {
        // Of the keyboard or a screen reader; those of a pointer have been painted.
        const i = buttons.indexOf(event.target);
        if (i >= 0 && event.detail === 0) paint(i, !state.hidden[i]);
      });
      grid.addEventListener("keydown", (event) => {
        const i = buttons.indexOf(event.target);
        const [row, column] = [Math.floor(i / SIDE), i % SIDE];
        const to = {
          ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column],
          ArrowDown: [row + 1, column], Home: [row, 0], End: [row, SIDE - 1],
        }[event.key];
        if (!to) return;
        event.preventDefault();
        const [y, x] = to.map((at) => Math.min(SIDE - 1, Math.max(0, at)));
        buttons[i].tabIndex = -1;
        buttons[y * SIDE + x].tabIndex = 0;
        buttons[y * SIDE + x].focus();
      });
      return buttons;
    }

    function mark_patches() {
      patches.forEach((button, i) => button.setAttribute("aria-pressed", String(Boolean(state.hidden[i]))));
    }

    // Of several changes before the next frame or during a prediction, draw the last.
    let waiting = false;
    function later(action) {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() =>
        run(() => {
          waiting = false;
          return action();
        }),
      );
    }

    // Run the actions of the reader one after another; state an error where the reader looks.
    let queue = Promise.resolve();
    function run(action) {
      queue = queue.then(action).catch((error) => say(`${error.message}.`));
    }

    // ---- Events
    samples.forEach((sample, i) => sample.addEventListener("click", () => run(() => choose(i))));
    $(".open").addEventListener("click", () => $(".file").click());
    $(".file").addEventListener("change", () => {
      const [file] = $(".file").files;
      if (file) run(() => open(file));
      $(".file").value = ""; // so that the same file can be chosen again
    });
    root.addEventListener("dragover", (event) => {
      event.preventDefault();
      root.classList.add("over");
    });
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) run(() => open(file));
    });
    document.addEventListener("paste", (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (file && root === document.querySelector(".live")) run(() => open(file));
    });
    $(".square select").addEventListener("change", () => run(() => examine(state.source)));
    $(".show").addEventListener("click", () => {
      state.hidden = [];
      mark_patches();
      run(update);
    });
    for (const name of [".view", ".rule"]) {
      $(name).addEventListener("change", () => run(update));
    }
    $(".model")?.addEventListener("change", ({ target }) => run(() => change_model(target.value)));
    $(".attention .frame").addEventListener("click", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      run(() => {
        const { click } = LIVE_VIEWS[state.model];
        if (!click || !state.result) return;
        Object.entries(click(x, y)).forEach(([name, index]) => ($(`.view [name=${name}]`).selectedIndex = index));
        return update();
      });
    });
    $$(".probabilities tbody tr").forEach((row, k) =>
      row.addEventListener("click", () => {
        const list = $(".view [name=finding]");
        if (!list) return;
        list.selectedIndex = k;
        run(update);
      }),
    );
    $$(".heads [data-name]").forEach((button) =>
      button.addEventListener("click", () => {
        const { name } = button.dataset;
        if (!state.off.delete(name)) state.off.add(name);
        button.setAttribute("aria-pressed", String(!state.off.has(name)));
        run(update);
      }),
    );
    $(".all").addEventListener("click", () => {
      state.off.clear();
      $$(".heads [data-name]").forEach((button) => button.setAttribute("aria-pressed", "true"));
      run(update);
    });

    // ---- Pictures: data addresses of images of one pixel per grey level
    const canvas = document.createElement("canvas");

    function picture(length, rgb) {
      canvas.width = canvas.height = Math.sqrt(length);
      const context = canvas.getContext("2d");
      const data = context.createImageData(canvas.width, canvas.height);
      for (let i = 0; i < length; i++) data.data.set([...rgb(i), 255], 4 * i); // rounded and clipped
      context.putImageData(data, 0, 0);
      return canvas.toDataURL();
    }

    function grey_picture(image) {
      return picture(image.length, (i) => Array(3).fill(255 * image[i]));
    }

    function colour_picture(values, limit) {
      return picture(values.length, (i) => colour(values[i] / limit));
    }

    // A map over an image, as xraylab.plotting.overlay_heatmap draws it.
    function overlay(image, { values, rows, columns, limit, region = [0, 0, 1, 1], mark }) {
      const size = Math.sqrt(image.length);
      const inside = ([left, top, right, bottom], x, y) => x >= left && x < right && y >= top && y < bottom;
      const edge = mark && [mark[0] + 1 / size, mark[1] + 1 / size, mark[2] - 1 / size, mark[3] - 1 / size];
      return picture(image.length, (i) => {
        const [x, y] = [((i % size) + 0.5) / size, (Math.floor(i / size) + 0.5) / size];
        if (mark && inside(mark, x, y) && !inside(edge, x, y)) return MARK;
        const grey = 255 * image[i];
        if (!inside(region, x, y)) return [grey, grey, grey];
        const column = Math.floor((columns * (x - region[0])) / (region[2] - region[0]));
        const row = Math.floor((rows * (y - region[1])) / (region[3] - region[1]));
        const value = limit ? values[row * columns + column] / limit : 0;
        return colour(value).map((level) => (1 - OPACITY) * grey + OPACITY * level);
      });
    }

    function colour(fraction) {
      const { colours } = CONFIG;
      const text = colours[Math.round(Math.min(1, Math.max(0, fraction)) * (colours.length - 1))];
      return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
    }
  }

  document.querySelectorAll(".live").forEach(start);
  window.xraylab_live = { load, ...LiveImages }; // for the tests
})();
