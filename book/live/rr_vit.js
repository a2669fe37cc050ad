/* RR-ViT in plain JavaScript: the forward pass of xraylab/models/rr_vit.py without a library.

A classic script, so that it works from a file on disk. It defines one class, RRViT. Names with
underscores are those of the Python code, of its layers and of its weights. All arrays are
Float32Array in row order; a comment such as (tokens, embed_dim) states the shape of one. There is
no batch: one image at a time. */
"use strict";

class RRViT {
  /* config: image_size, patch_size, embed_dim, depth, num_heads, num_labels.
     weights: arrays by the name of their Keras variable, such as "block_0/attention/query/kernel". */
  constructor(config, weights) {
    Object.assign(this, config);
    this.weights = weights;
    this.side = this.image_size / this.patch_size;
    this.num_patches = this.side ** 2;
    this.tokens = 1 + this.num_patches;
  }

  /* Compute what the Keras model returns with return_intermediates=True.

     image: (image_size * image_size), grey levels in [0, 1].
     hidden: one boolean per patch; hidden patches get the mean grey level of the image, as in
       xraylab.explain.reconstruct.
     off: names of heads whose attention is set to 0, such as "block_2/head_0".
     returns: logits (num_labels); reconstruction and inputs (image_size * image_size);
       attention, by block, (num_heads, tokens, tokens), each row with sum 1, or 0 for a head that
       is off. */
  forward(image, hidden = [], off = new Set()) {
    const inputs = LiveImages.cover(image, hidden);
    const patches = this.patchify(inputs); // (num_patches, patch_size²)
    let x = this.embed(patches); // (tokens, embed_dim)
    const attention = {};
    for (let i = 0; i < this.depth; i++) {
      [x, attention[`block_${i}`]] = this.transformer_block(`block_${i}`, x, off);
    }
    const cls = x.subarray(0, this.embed_dim); // the first token is [CLS]
    const logits = this.dense("head", cls, 1);
    const decoded = this.dense("decoder", x.subarray(this.embed_dim), this.num_patches);
    return { logits, reconstruction: this.unpatchify(decoded), attention, inputs };
  }

  /* [CLS] and the projected patches, plus their positions: (tokens, embed_dim). */
  embed(patches) {
    const x = new Float32Array(this.tokens * this.embed_dim);
    x.set(this.weights["class_token/tokens"]);
    x.set(this.dense("patch_embedding", patches, this.num_patches), this.embed_dim);
    return add(x, this.weights["positions/table"]);
  }

  /* x + Attention(LayerNorm(x)). A block of RR-ViT has no MLP. */
  transformer_block(name, x, off) {
    const normed = this.layer_norm(`${name}/attention_norm`, x);
    const [output, attention] = this.multi_head_attention(name, normed, off);
    return [add(x, output), attention];
  }

  /* Attention of all heads, each on its own columns of query, key and value. */
  multi_head_attention(name, x, off) {
    const { tokens, num_heads, embed_dim } = this;
    const query = this.dense(`${name}/attention/query`, x, tokens); // (tokens, embed_dim)
    const key = this.dense(`${name}/attention/key`, x, tokens);
    const value = this.dense(`${name}/attention/value`, x, tokens);
    const attention = new Float32Array(num_heads * tokens * tokens);
    const joined = new Float32Array(tokens * embed_dim);
    for (let head = 0; head < num_heads; head++) {
      if (off.has(`${name}/head_${head}`)) continue; // its attention and its output stay 0
      const start = head * tokens * tokens;
      const map = attention.subarray(start, start + tokens * tokens);
      this.scaled_dot_product_attention(query, key, value, head, map, joined);
    }
    return [this.dense(`${name}/attention/projection`, joined, tokens), attention];
  }

  // [excerpt: scaled_dot_product_attention]
  /* softmax(Q·Kᵀ/√d)·V of one head: writes its map (tokens, tokens) and its columns of output. */
  scaled_dot_product_attention(query, key, value, head, map, output) {
    const { tokens, embed_dim } = this;
    const head_dim = embed_dim / this.num_heads;
    const first = head * head_dim; // its first column
    for (let i = 0; i < tokens; i++) {
      const q = i * embed_dim + first;
      const row = map.subarray(i * tokens, (i + 1) * tokens);
      for (let j = 0; j < tokens; j++) {
        const k = j * embed_dim + first;
        let score = 0;
        for (let c = 0; c < head_dim; c++) score += query[q + c] * key[k + c];
        row[j] = score / Math.sqrt(head_dim);
      }
      softmax(row);
      for (let j = 0; j < tokens; j++) {
        const v = j * embed_dim + first;
        for (let c = 0; c < head_dim; c++) output[q + c] += row[j] * value[v + c];
      }
    }
  }
  // [end of excerpt]

  /* Normalise each token to mean 0 and variance 1, then scale and shift its channels. */
  layer_norm(name, x) {
    const gamma = this.weights[`${name}/gamma`];
    const beta = this.weights[`${name}/beta`];
    const { embed_dim } = this;
    const y = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += embed_dim) {
      let mean = 0;
      let variance = 0;
      for (let c = 0; c < embed_dim; c++) mean += x[start + c] / embed_dim;
      for (let c = 0; c < embed_dim; c++) variance += (x[start + c] - mean) ** 2 / embed_dim;
      const scale = 1 / Math.sqrt(variance + 1e-6);
      for (let c = 0; c < embed_dim; c++) {
        y[start + c] = (x[start + c] - mean) * scale * gamma[c] + beta[c];
      }
    }
    return y;
  }

  /* x·kernel + bias. x: (rows, inputs); kernel: (inputs, outputs); returns (rows, outputs).
     The inner loop runs along rows of the kernel and of the result, which lie in memory one number
     after the other; the textbook order would jump through the kernel and take several times as
     long. Four rows at a time, since each sum then is read and written a quarter as often; inputs
     must be a multiple of 4. */
  dense(name, x, rows) {
    const kernel = this.weights[`${name}/kernel`];
    const bias = this.weights[`${name}/bias`];
    const outputs = bias.length;
    const inputs = kernel.length / outputs;
    const y = new Float32Array(rows * outputs);
    const sum = new Float64Array(outputs);
    for (let i = 0; i < rows; i++) {
      sum.set(bias);
      for (let k = 0; k < inputs; k += 4) {
        const at = i * inputs + k;
        const [a, b, c, d] = [x[at], x[at + 1], x[at + 2], x[at + 3]];
        const first = k * outputs;
        const [second, third, fourth] = [first + outputs, first + 2 * outputs, first + 3 * outputs];
        for (let j = 0; j < outputs; j++) {
          sum[j] += a * kernel[first + j] + b * kernel[second + j]
            + c * kernel[third + j] + d * kernel[fourth + j];
        }
      }
      y.set(sum, i * outputs);
    }
    return y;
  }

  /* Index of the patch in which a pixel lies. */
  patch_of(at) {
    const row = Math.floor(at / this.image_size);
    const column = at % this.image_size;
    return Math.floor(row / this.patch_size) * this.side + Math.floor(column / this.patch_size);
  }

  /* Position of a pixel of the image among the pixels of all patches. */
  position(at) {
    const { image_size, patch_size } = this;
    const row = Math.floor(at / image_size) % patch_size;
    return (this.patch_of(at) * patch_size + row) * patch_size + ((at % image_size) % patch_size);
  }

  /* (image_size * image_size) to (num_patches, patch_size²), both in row order. */
  patchify(image) {
    const patches = new Float32Array(image.length);
    for (let at = 0; at < image.length; at++) patches[this.position(at)] = image[at];
    return patches;
  }

  /* The inverse of patchify. */
  unpatchify(patches) {
    return patches.map((_, at) => patches[this.position(at)]);
  }

  /* Read shipped weights: {config, shapes: {name: shape}, float16: base64 of all arrays in order}. */
  static load({ config, shapes, float16 }) {
    const text = atob(float16);
    const weights = {};
    let at = 0;
    for (const [name, shape] of Object.entries(shapes)) {
      const array = new Float32Array(shape.reduce((product, side) => product * side, 1));
      for (let i = 0; i < array.length; i++, at += 2) {
        array[i] = from_float16(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8));
      }
      weights[name] = array;
    }
    return new RRViT(config, weights);
  }
}

/* x + y, element by element, in x. */
function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
  return x;
}

/* Softmax of a row, in place; the largest score is subtracted first, so that nothing overflows. */
function softmax(row) {
  const largest = Math.max(...row);
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += row[j] = Math.exp(row[j] - largest);
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/* The number with these 16 bits: 1 sign, 5 exponent, 10 fraction (IEEE 754 binary16). */
function from_float16(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
