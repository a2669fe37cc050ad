/* The live model: images in, predictions of a real model out, without a server and without a request
after the page and its own scripts. A classic script, so that it works from a file on disk.

The page already shows the result of one image, computed when the book was built. Scripts and
weights of a model are loaded at the first use. */
"use strict";

(() => {
  const FOLDER = document.currentScript.src.replace(/[^/]*$/, "");
  const PLAIN = 0.45; // opacity of a map over an image, as xraylab.plotting.OPACITY
  const MAX_BYTES = 256 << 20; // the limits of xraylab.data.image_io
  const MAX_PIXELS = 64 << 20;

  /* Models by name. scripts are loaded in order; create() returns an object with image_size, side,
     and forward(image, hidden, off), which returns logits, inputs, and where the model has them
     reconstruction, and attention by block. */
  const MODELS = {
    rr_vit: {
      scripts: ["rr_vit.js", "rr_vit_weights.js"],
      create: () => RRViT.load(RR_VIT_WEIGHTS),
    },
  };
  const loading = {};

  /* Load a model once, and share it among the components of a page. */
  function load(name) {
    loading[name] ??= MODELS[name].scripts
      .reduce((before, file) => before.then(() => add_script(FOLDER + file)), Promise.resolve())
      .then(MODELS[name].create);
    loading[name].catch(() => delete loading[name]);
    return loading[name];
  }

  function add_script(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} cannot be loaded`));
      document.head.append(script);
    });
  }

  // ---- Images: as xraylab.data.image_io reads them --------------------------------------------

  /* Read an image file: {grey, width, height, colour}. colour is the mean difference of the largest
     and the smallest of red, green and blue, 0 to 255. */
  async function read(file) {
    if (file.size > MAX_BYTES) throw new Error("The file is larger than 256 MB.");
    const start = new Uint8Array(await file.slice(0, 26).arrayBuffer());
    if (start[1] === 0x50 && start[2] === 0x4e && start[24] === 16) {
      throw new Error("A PNG file of 16 bits, which browsers cut to 8. Save it with 8 bits.");
    }
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      throw new Error("Not an image that this browser reads. Expected: PNG, JPEG or WebP.");
    }
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) throw new Error(`${width}×${height} pixels are too many.`);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    canvas.width = canvas.height = 0; // frees its memory
    const grey = new Uint8Array(width * height);
    let colour = 0;
    for (let i = 0; i < grey.length; i++) {
      const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
      grey[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16; // luma of ITU-R BT.601
      colour += Math.max(r, g, b) - Math.min(r, g, b);
    }
    return { grey, width, height, colour: colour / grey.length };
  }

  /* Turn an image by quarter turns counterclockwise and, if inverted, exchange black and white. */
  function turn({ grey, width, height, colour }, turns, inverted) {
    let image = { grey: inverted ? grey.map((level) => 255 - level) : grey, width, height, colour };
    for (let i = 0; i < turns; i++) {
      const turned = new Uint8Array(grey.length);
      const { width: columns, height: rows, grey: old } = image;
      for (let r = 0; r < columns; r++) {
        for (let c = 0; c < rows; c++) turned[r * rows + c] = old[(c + 1) * columns - 1 - r];
      }
      image = { grey: turned, width: rows, height: columns, colour };
    }
    return image;
  }

  /* A square image of the given side: "pad" adds black borders, "crop" cuts to the centre. */
  function square({ grey, width, height }, side, how) {
    if (how === "crop") {
      const length = Math.min(width, height);
      const [left, top] = [(width - length) / 2, (height - length) / 2];
      return resize(grey, width, height, side, side, [left, top, left + length, top + length]);
    }
    const columns = width < height ? Math.max(1, half_even((width / height) * side)) : side;
    const rows = height < width ? Math.max(1, half_even((height / width) * side)) : side;
    const small = resize(grey, width, height, columns, rows, [0, 0, width, height]);
    const result = new Uint8Array(side * side);
    const [left, top] = [half_even((side - columns) / 2), half_even((side - rows) / 2)];
    for (let row = 0; row < rows; row++) {
      result.set(small.subarray(row * columns, (row + 1) * columns), (top + row) * side + left);
    }
    return result;
  }

  /* Round halves to even, as Python does. */
  function half_even(x) {
    return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
  }

  /* Antialiased bicubic resizing of a part of an image, bit by bit as Pillow does: rows, then
     columns, weights as integers of 22 bits. */
  function resize(grey, width, height, columns, rows, [left, top, right, bottom]) {
    const across = resize_rows(grey, width, height, columns, left, right);
    const turned = resize_rows(transpose(across, columns, height), height, columns, rows, top, bottom);
    return transpose(turned, rows, columns);
  }

  function transpose(pixels, width, height) {
    const result = new Uint8Array(pixels.length);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) result[x * height + y] = pixels[y * width + x];
    }
    return result;
  }

  function resize_rows(pixels, width, height, columns, start, stop) {
    if (columns === width && start === 0 && stop === width) return pixels;
    const result = new Uint8ClampedArray(columns * height);
    const scale = (stop - start) / columns;
    const stretch = Math.max(scale, 1);
    for (let column = 0; column < columns; column++) {
      const centre = start + (column + 0.5) * scale;
      const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
      const last = Math.min(width, Math.trunc(centre + 2 * stretch + 0.5));
      let weights = [];
      for (let i = first; i < last; i++) weights.push(bicubic((i - centre + 0.5) / stretch));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      weights = weights.map((weight) => Math.trunc((weight / sum) * 2 ** 22 + Math.sign(weight) / 2));
      for (let row = 0; row < height; row++) {
        let level = 2 ** 21;
        for (let i = 0; i < weights.length; i++) level += weights[i] * pixels[row * width + first + i];
        result[row * columns + column] = Math.floor(level / 2 ** 22);
      }
    }
    return new Uint8Array(result.buffer);
  }

  function bicubic(x) {
    x = Math.abs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }

  // ---- Refusal: is this a frontal chest X-ray? tools/measure_refusal.py fits the numbers ------

  /* The features of tools/measure_refusal.py. pixels: (side * side) uint8; error: mean squared error
     of the model's reconstruction. */
  function features(pixels, side, error) {
    const CELLS = 8;
    const cell = side / CELLS;
    const small = new Float64Array(CELLS * CELLS);
    const squares = new Float64Array(CELLS * CELLS);
    let [mean, square_mean, rough, ends] = [0, 0, 0, 0];
    for (let at = 0; at < pixels.length; at++) {
      const [row, column] = [Math.floor(at / side), at % side];
      const level = pixels[at] / 255;
      const index = Math.floor(row / cell) * CELLS + Math.floor(column / cell);
      small[index] += level / cell ** 2;
      squares[index] += level ** 2 / cell ** 2;
      mean += level / pixels.length;
      square_mean += level ** 2 / pixels.length;
      const steps = 2 * side * (side - 1);
      if (row) rough += Math.abs(level - pixels[at - side] / 255) / steps;
      if (column) rough += Math.abs(level - pixels[at - 1] / 255) / steps;
      if (pixels[at] < 8 || pixels[at] > 247) ends += 1 / pixels.length;
    }
    const spread = Math.sqrt(Math.max(0, square_mean - mean ** 2));
    let local = 0; // mean standard deviation within a cell
    small.forEach((level, i) => {
      local += Math.sqrt(Math.max(0, squares[i] - level ** 2)) / small.length;
    });
    const centred = small.map((level) => level - mean);
    const norm = Math.max(1e-6, Math.hypot(...centred));
    const shape = centred.map((level) => level / norm);
    let symmetry = 0;
    shape.forEach((level, i) => {
      symmetry += level * shape[i + CELLS - 1 - 2 * (i % CELLS)];
    });
    const log = (x) => Math.log(x + 1e-4);
    return [
      ...shape, log(error), symmetry, log(rough), log(spread), log(rough / (spread + 1e-3)),
      log(local / (spread + 1e-3)), log(error / (spread ** 2 + 1e-4)), ends, mean,
    ];
  }

  /* Score of an upright frontal chest X-ray: positive is more likely one. */
  function score({ coefficients, intercept }, values) {
    return values.reduce((sum, x, i) => sum + x * coefficients[i], intercept);
  }

  /* Classify an image: {kind: "chest"}, {kind: "turned", turns, inverted}, or {kind: "other"}.
     One that scores better after turning it is turned if it then passes. */
  function classify(classifier, model, source, how) {
    if (source.colour > classifier.max_colour) return { kind: "colour" };
    const { image_size } = model;
    const found = [];
    for (const inverted of [false, true]) {
      for (let turns = 0; turns < 4; turns++) {
        const pixels = square(turn(source, turns, inverted), image_size, how);
        const image = Float32Array.from(pixels, (level) => level / 255);
        const { reconstruction } = model.forward(image);
        const error = reconstruction.reduce((sum, x, i) => sum + (x - image[i]) ** 2, 0);
        const values = features(pixels, image_size, error / image.length);
        found.push({ turns, inverted, score: score(classifier, values) });
      }
    }
    const best = found.reduce((a, b) => (b.score > a.score ? b : a));
    const upright = found[0].score;
    if (best !== found[0] && best.score > Math.max(classifier.threshold, upright + classifier.margin)) {
      return { kind: "turned", ...best };
    }
    return { kind: upright < classifier.threshold ? "other" : "chest" };
  }

  // ---- The component ------------------------------------------------------------------------

  function start(root) {
    const $ = (selector) => root.querySelector(selector);
    const $$ = (selector) => [...root.querySelectorAll(selector)];
    const config = JSON.parse($(".config").textContent);
    const status = $(".status");
    const samples = $$(".sample");
    const state = {
      model: "rr_vit",
      source: null, // the image as it was read, at its own size
      image: null, // (image_size * image_size) in [0, 1], what the model gets
      name: "", // what the image is, for texts
      hidden: [],
      off: new Set(),
      unchanged: config.logits, // logits of the image without hidden patches and with all heads
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
      const model = await prepare();
      const found = force ? { kind: "chest" } : classify(config.refusal, model, source, how());
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
      button.addEventListener("click", action);
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

    // Load the model if that has not been done yet.
    async function prepare() {
      if (!state.ready) say("Loading the model …");
      state.ready = await load(state.model);
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
      state.unchanged = model.forward(state.image).logits;
      mark_patches();
      await update();
    }

    // Predict with the hidden patches and heads of the moment, and draw everything.
    async function update() {
      const model = await prepare();
      if (!state.image) return choose(config.default, true);
      state.result = model.forward(state.image, state.hidden, state.off);
      draw_pictures();
      draw_probabilities();
      const count = state.hidden.filter(Boolean).length;
      const parts = [state.name];
      if (count) parts.push(`${count} ${count === 1 ? "patch" : "patches"} hidden`);
      if (state.off.size) parts.push(`${state.off.size} ${state.off.size === 1 ? "head" : "heads"} off`);
      say(parts.join(" · "));
    }

    function draw_pictures() {
      const { inputs, reconstruction, attention } = state.result;
      set_picture("input", grey_picture(inputs), `Input image. ${state.name}`);
      const map = attention_map(attention);
      const largest = Math.max(...map);
      const peak = map.indexOf(largest);
      const head = $(".head").value === "mean" ? "mean of the heads" : `head ${+$(".head").value + 1}`;
      const view = `, block ${+$(".block").value + 1}, ${head}`;
      set_picture("attention", overlay(inputs, map, largest), `Attention of [CLS]${view}: at most ${largest.toFixed(3)}, in row ${Math.floor(peak / SIDE) + 1}, column ${(peak % SIDE) + 1} of ${SIDE}`);
      $(".attention .what").textContent = view;
      $(".attention output").textContent = largest.toFixed(3);
      set_picture("reconstruction", grey_picture(reconstruction), "Reconstruction of the input by the model");
      const error = reconstruction.map((level, i) => Math.abs(level - state.image[i]));
      const mean = error.reduce((sum, x) => sum + x, 0) / error.length;
      set_picture("error", colour_picture(error, config.error_limit), `Absolute difference of reconstruction and image, mean ${mean.toFixed(3)}`);
    }

    // Attention of [CLS] to the patches in the chosen block and head: (num_patches).
    function attention_map(attention) {
      const { tokens, num_heads } = state.ready;
      const maps = attention[`block_${$(".block").value}`]; // (num_heads, tokens, tokens)
      const of = (head) => maps.subarray(head * tokens * tokens + 1, head * tokens * tokens + tokens);
      if ($(".head").value !== "mean") return of(+$(".head").value);
      const mean = new Float32Array(tokens - 1);
      for (let head = 0; head < num_heads; head++) of(head).forEach((x, i) => (mean[i] += x / num_heads));
      return mean;
    }

    function set_picture(name, address, text) {
      const picture = $(`.${name} img`);
      picture.src = address;
      picture.alt = text;
    }

    function draw_probabilities() {
      const probabilities = probability(state.result.logits);
      const before = probability(state.unchanged);
      const points = config.points[$(".rule").value];
      const known = points.filter((point) => point !== null);
      const axis = Math.max(0.5, Math.ceil(10 * Math.max(...probabilities, ...known)) / 10);
      const changed = state.hidden.some(Boolean) || state.off.size > 0;
      const percent = (x) => `${(100 * x).toFixed(1)} %`;
      $$(".probabilities tbody tr").forEach((row, k) => {
        const positive = probabilities[k] > points[k];
        row.classList.toggle("positive", positive);
        row.querySelector("th").setAttribute("aria-label", config.findings[k] + (positive ? ", above its operating point" : ""));
        row.querySelector(".bars i").style.width = percent(probabilities[k] / axis);
        row.querySelector(".bars b").style.left = percent(points[k] / axis);
        row.querySelector(".value").textContent = percent(probabilities[k]);
        row.querySelector(".point").textContent = percent(points[k]);
        const change = 100 * (probabilities[k] - before[k]);
        row.querySelector(".change").textContent = changed ? `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)}` : "";
      });
      $(".axis").textContent = `${Math.round(100 * axis)} %`;
    }

    // Platt scaling, then the sigmoid.
    function probability(logits) {
      return Array.from(logits, (z, k) => 1 / (1 + Math.exp(-(config.slope[k] * z + config.offset[k]))));
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

    // Of several changes before the next frame, draw the last.
    let waiting = false;
    function later(action) {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        run(action);
      });
    }

    // Run an action of the reader; state an error where the reader looks.
    function run(action) {
      Promise.resolve(action()).catch((error) => say(`${error.message}.`));
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
    for (const name of [".block", ".head", ".rule"]) {
      $(name).addEventListener("change", () => run(update));
    }
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

    // A map of patches over an image, as xraylab.plotting.overlay_heatmap draws it.
    function overlay(image, map, limit) {
      return picture(image.length, (i) =>
        colour(limit ? map[state.ready.patch_of(i)] / limit : 0).map((level) => (1 - PLAIN) * 255 * image[i] + PLAIN * level),
      );
    }

    function colour(fraction) {
      const { colours } = config;
      const text = colours[Math.round(Math.min(1, Math.max(0, fraction)) * (colours.length - 1))];
      return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
    }
  }

  document.querySelectorAll(".live").forEach(start);
  window.xraylab_live = { load, read, turn, square, features, score, classify }; // for the tests
})();
