'use strict';
// The attention viewer: which example, layer, head and token are chosen, and what is drawn for them.
(() => {
  const { byId, words, fill, element, visible, shorten, spelled, inflate, drawing } = page;
  const viewer = byId('attention-viewer');
  if (!viewer) return;
  const chosen = { example: 0, view: 'head', layer: 0, head: 0, row: 0, column: 0, mode: 'pictures' };
  let examples = [];
  let now = null;  // the unpacked example
  let overview = null;  // its drawing, kept while only the selection moves
  let grids = {};

  async function unpack(row) {
    const { tokens, layers, heads, causal, weights, rollout, entropy, sink } = row.detail;
    // An encoder-decoder's answer looks at the prompt: rows are tokens, columns sources. Elsewhere both are the tokens.
    const across = Array.isArray(row.detail.sources);
    const sources = across ? row.detail.sources : tokens;
    const size = tokens.length;
    const width = sources.length;
    const block = causal ? (size * (size + 1)) / 2 : size * width;
    const [all, rolled] = await Promise.all([inflate(weights, 'deflate-raw'), rollout ? inflate(rollout, 'deflate-raw') : new Uint8Array(block)]);
    if (all.length !== layers * heads * block || rolled.length !== block) throw new Error('size');
    const at = (numbers, start, r, c) => {
      if (!causal) return numbers[start + r * width + c];
      return c > r ? 0 : numbers[start + (r * (r + 1)) / 2 + c];
    };
    return {
      row, tokens: tokens.map(String), sources: sources.map(String), across, layers, heads, causal, size, width, entropy, sink, hasRollout: Boolean(rollout),
      weight: (layer, head) => (r, c) => at(all, (layer * heads + head) * block, r, c),
      rolled: (r, c) => at(rolled, 0, r, c),
    };
  }

  const weight = () => (chosen.view === 'rollout' ? now.rolled : now.weight(chosen.layer, chosen.head));
  const first = () => (byId('at-skip').checked && now.width > 1 ? 1 : 0);
  const share = (w) => (w / 255).toFixed(2);
  const clamp = (value, last) => Math.min(Math.max(value, 0), last);
  const room = (canvas) => canvas.parentElement.clientWidth;

  // The largest weight that is drawn in the chosen view: it gets the full colour.
  function strongest() {
    const value = weight();
    let top = 1;
    for (let r = 0; r < now.size; r += 1) {
      for (let c = first(); c < now.width; c += 1) top = Math.max(top, value(r, c));
    }
    return first() ? top : 255;
  }

  // The head that points hardest at the most different tokens. What most heads do (look at the first token, the token
  // itself, the one before it, or always at the same one) says little about a text.
  function telling() {
    let best = { layer: 0, head: 0, sum: -1 };
    for (let layer = 0; layer < now.layers; layer += 1) {
      for (let head = 0; head < now.heads; head += 1) {
        const value = now.weight(layer, head);
        let sum = 0;
        for (let column = 1; column < now.width; column += 1) {
          let top = 0;
          for (let row = now.across ? 0 : column + 2; row < now.size; row += 1) top = Math.max(top, value(row, column));
          sum += top;
        }
        if (sum > best.sum) best = { layer, head, sum };
      }
    }
    return best;
  }

  function say() {
    const values = {
      layer: chosen.layer, head: chosen.head, row: chosen.row, column: chosen.column,
      from: shorten(spelled(now.tokens[chosen.row]), 40), to: shorten(spelled(now.sources[chosen.column]), 40),
      weight: share(weight()(chosen.row, chosen.column)),
    };
    let text = fill(chosen.view === 'rollout' ? 'rolled' : 'cell', values);
    if (chosen.view === 'head' && now.entropy && now.sink) {
      const figure = (table) => Number(table[chosen.layer][chosen.head]).toFixed(2);
      text += ` ${fill('overview', { ...values, entropy: figure(now.entropy), sink: figure(now.sink) })}`;
    }
    byId('at-status').textContent = text;
  }

  function drawOverview(fresh) {
    const canvas = byId('at-overview');
    if (fresh || !overview) {
      const colours = drawing.palette();
      const table = now[chosen.mode];
      const cell = (pen, layer, head, x, y, side) => {
        if (chosen.mode === 'pictures' || !table) {
          pen.drawImage(drawing.picture(now.size, now.width, now.weight(layer, head), colours, first(), 255), x, y, side, side);
        } else {
          pen.fillStyle = drawing.css(colours, clamp(Number(table[layer][head]), 1));
          pen.fillRect(x, y, side, side);
        }
        pen.strokeStyle = colours.line;
        pen.strokeRect(x, y, side, side);
      };
      grids.overview = drawing.overview(canvas, now.layers, now.heads, room(canvas), cell);
      overview = document.createElement('canvas');
      overview.width = canvas.width;
      overview.height = canvas.height;
      overview.getContext('2d').drawImage(canvas, 0, 0);
    }
    const pen = canvas.getContext('2d');
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(overview, 0, 0);
    pen.restore();
    if (chosen.view === 'rollout') return;
    const { side, left, top } = grids.overview;
    pen.strokeStyle = drawing.palette().mark;
    pen.lineWidth = 3;
    pen.strokeRect(left + chosen.head * side + 1, top + chosen.layer * side + 1, side - 2, side - 2);
  }

  function drawTop() {
    const pairs = [];
    const value = weight();
    // In a causal model the first token can only look at itself: that weight of 1 says nothing.
    for (let r = now.causal ? 1 : 0; r < now.size; r += 1) {
      for (let c = first(); c < (now.causal ? r + 1 : now.width); c += 1) {
        if (now.across || r !== c) pairs.push([value(r, c), r, c]);
      }
    }
    pairs.sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
    const name = (names, i) => `${i} ${shorten(spelled(names[i]), 24)}`;
    byId('at-top').replaceChildren(...pairs.slice(0, 10).map(([w, r, c]) => element('tr', {},
      element('td', {}, name(now.tokens, r)), element('td', {}, name(now.sources, c)), element('td', { class: 'num' }, share(w)))));
  }

  function draw(fresh) {
    if (!now) return;
    byId('at-layer').value = chosen.layer;
    byId('at-head').value = chosen.head;
    byId('at-layer').disabled = chosen.view === 'rollout';
    byId('at-head').disabled = chosen.view === 'rollout';
    drawOverview(fresh);
    const full = strongest();
    grids.matrix = drawing.matrix(byId('at-matrix'), now.tokens, now.sources, weight(), room(byId('at-matrix')), chosen, first(), full);
    drawing.lines(byId('at-lines'), now.tokens, now.sources, weight(), chosen.row, (row) => pick({ row }), first(), full);
    byId('at-scale').textContent = fill('scaled', { weight: share(full) });
    drawTop();
    say();
  }

  function pick(changes) {
    Object.assign(chosen, changes);
    chosen.layer = clamp(chosen.layer, now.layers - 1);
    chosen.head = clamp(chosen.head, now.heads - 1);
    chosen.row = clamp(chosen.row, now.size - 1);
    chosen.column = clamp(chosen.column, now.causal ? chosen.row : now.width - 1);
    draw('mode' in changes);
  }

  async function open(index) {
    chosen.example = index;
    try {
      now = await unpack(examples[index]);
    } catch {
      now = null;
      byId('at-status').textContent = words.broken;
      return;
    }
    const numbered = (count) => Array.from({ length: count }, (_, i) => element('option', { value: i }, String(i)));
    byId('at-layer').replaceChildren(...numbered(now.layers));
    byId('at-head').replaceChildren(...numbered(now.heads));
    byId('at-view').options[1].disabled = !now.hasRollout;
    if (!now.hasRollout) { chosen.view = 'head'; byId('at-view').value = 'head'; }
    const link = element('a', { href: `#${encodeURIComponent(now.row.anchor)}` }, words.link);
    byId('at-note').replaceChildren(now.row.note ? `${shorten(visible(now.row.note), 400)} ` : '', link);
    const { layer, head } = telling();
    Object.assign(chosen, { layer, head });
    const row = now.size - 1;
    const seen = Array.from({ length: Math.max(now.across ? now.width : row - 1, 1) }, (_, c) => (c ? weight()(row, c) : 0));
    pick({ mode: chosen.mode, row, column: seen.indexOf(Math.max(...seen)) });
  }

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  function grid(canvas, key, choose, move) {
    canvas.addEventListener('click', (event) => {
      const { side, left, top } = grids[key];
      const box = canvas.getBoundingClientRect();
      const down = Math.floor((event.clientY - box.top - top) / side);
      const across = Math.floor((event.clientX - box.left - left) / side);
      if (down >= 0 && across >= 0) choose(down, across);
    });
    canvas.addEventListener('keydown', (event) => {
      const step = ARROWS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey || !now) return;
      event.preventDefault();
      move(...step);
    });
  }

  function listen() {
    const on = (id, name, act) => byId(id).addEventListener(name, act);
    on('at-example', 'change', (event) => open(Number(event.target.value)));
    on('at-view', 'change', (event) => pick({ view: event.target.value }));
    on('at-layer', 'change', (event) => pick({ layer: Number(event.target.value) }));
    on('at-head', 'change', (event) => pick({ head: Number(event.target.value) }));
    on('at-mode', 'change', (event) => pick({ mode: event.target.value }));
    on('at-skip', 'change', () => draw(true));
    const oneHead = (changes) => { byId('at-view').value = 'head'; pick({ view: 'head', ...changes }); };
    grid(byId('at-overview'), 'overview', (layer, head) => oneHead({ layer, head }),
      (down, across) => oneHead({ layer: chosen.layer + down, head: chosen.head + across }));
    grid(byId('at-matrix'), 'matrix', (row, column) => pick({ row, column }),
      (down, across) => pick({ row: chosen.row + down, column: chosen.column + across }));
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw(true));
    let timer = 0;
    window.addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(() => draw(true), 150); });
  }

  page.records.then((rows) => {
    examples = rows.filter((row) => row.detail && row.detail.kind === 'attention');
    viewer.hidden = false;
    examples.forEach((row, i) => byId('at-example').append(element('option', { value: i }, `${i + 1}: ${visible(shorten(row.input.slice(0, 200), 60))}`)));
    listen();
    return open(0);
  }).then(() => page.follow?.())  // the viewer has pushed the records down: back to the one that the address names
    .catch(() => {});  // records.js says that the records cannot be read
})();
