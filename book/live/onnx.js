/* Models other than RR-ViT, run by ONNX Runtime Web in this page. A classic script that defines
LiveOnnx; tools/live_onnx.py writes the runtime and the models.

A page opened from disk can load scripts and nothing else. Therefore each file is gzipped, written
in base64 and divided into scripts that put their part into LIVE_PARTS. */
"use strict";

var LiveOnnx = (() => {
  let started;

  /* Join the parts of a file, which are then forgotten, and decompress it. */
  async function unpack(name) {
    const pieces = LIVE_PARTS[name].map((text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)));
    delete LIVE_PARTS[name];
    const stream = new Blob(pieces).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Start the runtime once for all models. It imports its module from an address, which from disk
     can only be one that the page made. */
  function start() {
    started ??= (async () => {
      const module = new Blob([await unpack("module")], { type: "text/javascript" });
      ort.env.wasm.wasmBinary = await unpack("wasm");
      ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(module) };
      ort.env.wasm.numThreads = 1; // more need headers that only a server can send
    })();
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
    return new OnnxModel(await ort.InferenceSession.create(await unpack(name)), image_size);
  }

  return { load };
})();
