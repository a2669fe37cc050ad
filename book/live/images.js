/* Images of the live model: reading, turning and resizing them as the package does, and telling
chest X-rays from other pictures. A classic script that defines LiveImages. */
"use strict";

var LiveImages = (() => {
  const MAX_BYTES = 256 << 20; // the limits of xraylab.data.image_io
  const MAX_PIXELS = 64 << 20;

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

  // ---- Hidden patches --------------------------------------------------------------------------

  /* Give hidden patches the mean grey level of the image, as xraylab.explain.reconstruct does.
     image: (size * size); hidden: one boolean per patch of a grid of patches. */
  function cover(image, hidden) {
    if (!hidden.some(Boolean)) return image;
    const [size, side] = [Math.sqrt(image.length), Math.sqrt(hidden.length)];
    const mean = image.reduce((sum, level) => sum + level, 0) / image.length;
    const cell = (at) => Math.floor((at * side) / size);
    return image.map((level, i) =>
      hidden[cell(Math.floor(i / size)) * side + cell(i % size)] ? mean : level);
  }

  return { read, turn, square, features, score, classify, cover };
})();
