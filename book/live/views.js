/* What the live model shows of the inside of each architecture. A classic script that defines
LIVE_VIEWS: by model, an object with

   title: of the picture;
   controls(model, findings): rows [name, label, options, index of the first choice] of its
     drop-down lists;
   picture(result, chosen, model, findings): from the outputs and the indices of the chosen options,
     values (rows * columns), limit (the value of the last colour), region and mark (left, top,
     right and bottom as fractions of the image: what the values cover, and what is outlined; both
     may be missing), view (the choice in words), text (what is seen, for readers who do not see
     it) and, where the picture does not show all, note;
   click(x, y): options chosen by a click on the picture, at fractions of its sides, if any. */
"use strict";

var LIVE_VIEWS = (() => {
  const numbers = (count, first = 0) => Array.from({ length: count }, (_, i) => String(first + i + 1));

  // Index 0 is the mean of the heads, the others are heads.
  const heads = (count) => ["head", "Head", ["mean", ...numbers(count)], 0];

  const head_name = (head) => (head ? `head ${head}` : "mean of the heads");

  /* A row of an attention map (heads, queries, keys), of one head or the mean of all. */
  function attention_row({ data, shape: [count, queries, keys] }, query, head) {
    const row = (i) => data.subarray((i * queries + query) * keys, (i * queries + query + 1) * keys);
    if (head) return row(head - 1);
    const mean = new Float32Array(keys);
    for (let i = 0; i < count; i++) row(i).forEach((x, k) => (mean[k] += x / count));
    return mean;
  }

  /* A square map with colours up to its largest value. */
  function heat(view, values) {
    const side = Math.sqrt(values.length);
    const limit = Math.max(...values);
    const peak = values.indexOf(limit);
    const text = `at most ${limit.toFixed(3)}, in row ${Math.floor(peak / side) + 1}, column ${(peak % side) + 1} of ${side}`;
    return { view, values, rows: side, columns: side, limit, text };
  }

  const rr_vit = {
    title: "Attention of [CLS]",
    controls: ({ depth, num_heads }) => [["block", "Block", numbers(depth), depth - 1], heads(num_heads)],
    picture({ attention }, { block, head }, { num_heads, tokens }) {
      const data = attention[`block_${block}`]; // (num_heads, tokens, tokens), [CLS] first
      const maps = { data, shape: [num_heads, tokens, tokens] };
      return heat(`block ${block + 1}, ${head_name(head)}`, attention_row(maps, 0, head).subarray(1));
    },
  };

  // The queries are the 8 × 8 patches of the transformer, the keys the 16 × 16 cells of the CNN.
  const dbct = {
    title: "Cross-attention of the outlined patch",
    controls: () => [["row", "Row", numbers(8), 4], ["column", "Column", numbers(8), 2], heads(8)],
    picture({ outputs }, { row, column, head }) {
      const map = attention_row(outputs["cross_attention/cross_attention"], 8 * row + column, head);
      const mark = [column, row, column + 1, row + 1].map((at) => at / 8);
      return { ...heat(`row ${row + 1}, column ${column + 1}, ${head_name(head)}`, map), mark };
    },
    click: (x, y) => ({ row: Math.min(7, Math.floor(8 * y)), column: Math.min(7, Math.floor(8 * x)) }),
  };

  const BLOCKS = [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2]]; // stage and block
  const efficientvit_m0_mxa = {
    title: "Box and spatial gate of MXA",
    controls: () => [["block", "Block", BLOCKS.map(([stage, i]) => `stage ${stage + 1}, block ${i + 1}`), 0]],
    picture({ outputs }, { block }) {
      const name = `stage_${BLOCKS[block][0]}_block_${BLOCKS[block][1]}`;
      const region = Array.from(outputs[`boxes/${name}`].data);
      const { data: values, shape: [rows, columns] } = outputs[`spatial_gates/${name}`];
      const channels = outputs[`channel_gates/${name}`].data;
      const mean = channels.reduce((sum, gate) => sum + gate / channels.length, 0);
      const [left, top, right, bottom] = region.map((at) => Math.round(100 * at));
      const gates = [...values].map((gate) => gate.toFixed(2)).sort();
      const text = `box from ${left} % to ${right} % of the width and ${top} % to ${bottom} % of the height, spatial gates from ${gates[0]} to ${gates.at(-1)}`;
      const note = `${rows} × ${columns} spatial gates from ${gates[0]} to ${gates.at(-1)}; mean of the channel gates ${mean.toFixed(2)}`;
      const view = `stage ${BLOCKS[block][0] + 1}, block ${BLOCKS[block][1] + 1}`;
      return { view, values, rows, columns, limit: 1, region, mark: region, text, note };
    },
  };

  // The keys of a label token are the 8 × 8 image tokens, then the label tokens.
  const lt_vit_tiny = {
    title: "Attention of a label token",
    controls: (_, findings) => [
      ["finding", "Finding", findings, 2], ["block", "Label block", numbers(4, 8), 3], heads(3)],
    picture({ outputs }, { finding, block, head }, _, findings) {
      const row = attention_row(outputs[`label_attention/block_${8 + block}`], finding, head);
      const map = row.subarray(0, 64);
      const share = (100 * map.reduce((sum, x) => sum + x, 0)).toFixed(0);
      const note = `${share} % of the attention is on the image, the rest on label tokens`;
      return { ...heat(`${findings[finding]}, block ${9 + block}, ${head_name(head)}`, map), note };
    },
  };

  return { rr_vit, dbct, efficientvit_m0_mxa, lt_vit_tiny };
})();
