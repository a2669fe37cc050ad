/* Models other than RR-ViT, run by ONNX Runtime Web in this page. A classic script that defines
LiveOnnx; tools/live_onnx.py writes the runtime and the models.

A page opened from disk can load scripts and nothing else. Therefore each file is gzipped, written
in base64 and divided into scripts that put their part into LIVE_PARTS. */
"use strict";

var LiveOnnx = (() => {
  let started;

  /* Join the parts of a file and decompress it. */
  async function unpack(name) {
    if (!window.DecompressionStream) throw new Error("This browser is too old: it lacks DecompressionStream");
    const pieces = LIVE_PARTS[name].map((text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    const stream = new Blob(pieces).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Start the runtime once for all models. It imports its module from an address, which for a page
     opened from disk can only be a blob URL. */
  function start() {
    started ??= (async () => {
      const module = new Blob([await unpack("module")], { type: "text/javascript" });
      ort.env.wasm.wasmBinary = await unpack("wasm");
      ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(module) };
      ort.env.wasm.numThreads = 1; // more need headers that only a server can send
    })();
    started.catch(() => (started = undefined)); // so that the next attempt starts anew
    return started;
  }

  class OnnxModel {
    constructor(session, image_size) {
      Object.assign(this, { session, image_size });
    }

    /* Predict one image, as RRViT.forward does. Returns logits, inputs (the image with its hidden
       patches), and outputs: data and shape by name, without the batch. */
    async forward(image, hidden = []) {
      const inputs = LiveImages.cover(image, hidden);
      const shape = [1, this.image_size, this.image_size, 1];
      const found = await this.session.run({ images: new ort.Tensor("float32", inputs, shape) });
      const outputs = {};
      for (const [name, { data, dims }] of Object.entries(found)) {
        outputs[name] = { data, shape: dims.slice(1) };
      }
      return { logits: outputs.logits.data, inputs, outputs };
    }
  }

  async function load(name, image_size) {
    await start();
    const session = await ort.InferenceSession.create(await unpack(name));
    delete LIVE_PARTS[name]; // frees its memory
    return new OnnxModel(session, image_size);
  }

  return { load };
})();
