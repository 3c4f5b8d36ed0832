'use strict';
// The attention viewer: which example, layer, head and token are chosen, and what is drawn for them.
pages.forEach((page) => {
  const { byId, words, fill, element, visible, shorten, spelled, inflate, drawing } = page;
  const viewer = byId('attention-viewer');
  if (!viewer) return;
  const plain = byId('plain-attention');
  const linked = Boolean(byId('records'));
  const MAPS = ['rollout', 'gradient', 'norms'];  // each over all layers
  const MOST_HEADS = 12;  // of one role that are named
  const chosen = { example: 0, view: 'head', layer: 0, head: 0, row: 0, column: 0, mode: 'pictures' };
  let examples = [];
  let tested = [];  // records on the roles of heads
  let now = null;  // the unpacked example
  let overview = null;  // its drawing, kept while only the selection moves
  let grids = {};

  // What a picture can do without is null where it is missing or malformed.
  const whole = (value, end) => Number.isInteger(value) && value >= 0 && value < end;
  const table = (value, rows, columns) => (Array.isArray(value) && value.length === rows
    && value.every((row) => Array.isArray(row) && row.length === columns && row.every(Number.isFinite)) ? value : null);

  // Roles are the example's own, or were tested over the whole audit on these very layers and heads. They name layers
  // by number, the viewer counts them.
  function roles(given, names, heads, across) {
    const found = {};
    for (const { detail } of across ? [] : tested) {
      if (table(detail.scores, names.length, heads) && JSON.stringify(detail.layer_numbers) === JSON.stringify(names)) found[detail.role] = detail.heads;
    }
    Object.assign(found, given && typeof given === 'object' ? given : {});
    return Object.entries(found).map(([name, list]) => ({
      name: shorten(visible(name), 60),
      heads: (Array.isArray(list) ? list : []).filter((place) => Array.isArray(place) && names.includes(place[0]) && whole(place[1], heads))
        .map(([layer, head]) => [names.indexOf(layer), head]),
    })).filter((role) => role.heads.length).slice(0, 26).map((role, i) => ({ ...role, letter: String.fromCharCode(65 + i) }));
  }

  async function unpack(row) {
    const { tokens, layers, heads, causal, weights, rollout, flow, marks } = row.detail;
    // An encoder-decoder's answer looks at the prompt: rows are tokens, columns sources. Elsewhere both are the tokens.
    const across = Array.isArray(row.detail.sources);
    const sources = across ? row.detail.sources : tokens;
    const size = tokens.length;
    const width = sources.length;
    const block = causal ? (size * (size + 1)) / 2 : size * width;
    const all = await inflate(weights, 'deflate-raw');
    if (all.length !== layers * heads * block) throw new Error('size');
    const at = (numbers, start, r, c) => {
      if (!causal) return numbers[start + r * width + c];
      return c > r ? 0 : numbers[start + (r * (r + 1)) / 2 + c];
    };
    const maps = {};
    const packed = { ...row.detail.maps, rollout };
    for (const name of MAPS) {
      const map = typeof packed[name] === 'string' ? await inflate(packed[name], 'deflate-raw').catch(() => null) : null;
      if (map && map.length === block) maps[name] = (r, c) => at(map, 0, r, c);
    }
    if (Array.isArray(flow) && flow.length === width && flow.every((share) => Number.isFinite(share) && share >= 0 && share <= 1)) {
      maps.flow = (r, c) => 255 * flow[c];
    }
    const numbers = row.detail.layer_numbers;
    const names = Array.isArray(numbers) && numbers.length === layers && numbers.every(Number.isInteger) ? numbers : Array.from({ length: layers }, (_, i) => i);
    const marked = (list, end) => (Array.isArray(list) ? list.filter((place) => whole(place, end)) : []);
    return {
      row, tokens: tokens.map(String), sources: sources.map(String), across, layers, heads, causal, size, width, maps,
      entropy: table(row.detail.entropy, layers, heads), sink: table(row.detail.sink, layers, heads), distance: table(row.detail.distance, layers, heads),
      names, roles: roles(row.detail.roles, names, heads, across), from: marked(marks?.from, size), to: marked(marks?.to, width),
      opens: whole(marks?.layer, layers) && whole(marks?.head, heads) ? { layer: marks.layer, head: marks.head } : null,
      weight: (layer, head) => (r, c) => at(all, (layer * heads + head) * block, r, c),
    };
  }

  // The matrix that is drawn. The flow has one row alone: it was followed from the place that decides.
  function seen() {
    if (chosen.view === 'flow') return { rows: [words.deciding], size: 1, row: 0, causal: false, apart: true };
    return { rows: now.tokens, size: now.size, row: chosen.row, causal: now.causal, apart: now.across };
  }

  const weight = () => now.maps[chosen.view] ?? now.weight(chosen.layer, chosen.head);
  const first = () => (byId('at-skip').checked && now.width > 1 ? 1 : 0);
  const share = (w) => (w / 255).toFixed(2);
  const clamp = (value, last) => Math.min(Math.max(value, 0), last);
  const room = (canvas) => canvas.parentElement.clientWidth;

  // The largest weight that is drawn in the chosen view: it gets the full colour.
  function strongest() {
    const value = weight();
    let top = 1;
    for (let r = 0; r < seen().size; r += 1) {
      for (let c = first(); c < now.width; c += 1) top = Math.max(top, value(r, c));
    }
    return first() ? top : 255;
  }

  // The head that joins what the example marks, else the one that points hardest at the most different tokens. What most
  // heads do (look at the first token, the token itself, the one before it, or always at the same one) says little.
  function telling() {
    let best = { layer: 0, head: 0, sum: -1 };
    for (let layer = 0; layer < now.layers; layer += 1) {
      for (let head = 0; head < now.heads; head += 1) {
        const value = now.weight(layer, head);
        let sum = 0;
        for (const row of now.from) for (const column of now.to) sum += value(row, column);
        for (let column = now.from.length && now.to.length ? now.width : 1; column < now.width; column += 1) {
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
    const { rows, row } = seen();
    const values = {
      layer: now.names[chosen.layer], head: chosen.head, row, column: chosen.column,
      from: shorten(spelled(rows[row]), 40), to: shorten(spelled(now.sources[chosen.column]), 40),
      weight: share(weight()(row, chosen.column)),
    };
    const told = [fill(chosen.view === 'head' ? 'cell' : chosen.view, values)];
    if (chosen.view === 'head') {
      const figure = (numbers) => numbers[chosen.layer][chosen.head].toFixed(2);
      if (now.entropy && now.sink) told.push(fill('overview', { entropy: figure(now.entropy), sink: figure(now.sink) }));
      if (now.distance) {
        const layer = now.distance[chosen.layer];
        told.push(fill('reach', { distance: figure(now.distance), least: Math.min(...layer).toFixed(2), most: Math.max(...layer).toFixed(2) }));
      }
      const own = now.roles.filter((role) => role.heads.some(([layer, head]) => layer === chosen.layer && head === chosen.head));
      if (own.length) told.push(fill('role', { roles: own.map((role) => role.name).join(', ') }));
    }
    byId('at-status').textContent = told.join(' ');
    byId('at-limits').textContent = words[`limits_${chosen.view}`];
  }

  // The roles as a list, each head a button that opens it.
  function listRoles() {
    byId('at-roles').replaceChildren(...now.roles.map((role) => {
      const item = element('li', {}, element('span', { class: 'role-letter' }, role.letter), ` ${role.name}: `);
      for (const [layer, head] of role.heads.slice(0, MOST_HEADS)) {
        const button = element('button', { type: 'button' }, fill('place', { layer: now.names[layer], head }));
        button.addEventListener('click', () => oneHead({ layer, head }));
        item.append(button);
      }
      if (role.heads.length > MOST_HEADS) item.append(' ', fill('more', { n: role.heads.length - MOST_HEADS }));
      return item;
    }));
    byId('at-roles-box').hidden = now.roles.length === 0;
  }

  function drawOverview(fresh) {
    const canvas = byId('at-overview');
    if (fresh || !overview) {
      const colours = drawing.palette();
      const numbers = now[chosen.mode];
      const most = chosen.mode === 'distance' && numbers ? Math.max(1, ...numbers.flat()) : 1;
      const cell = (pen, layer, head, x, y, side) => {
        if (chosen.mode === 'pictures' || !numbers) {
          pen.drawImage(drawing.picture(now.size, now.width, now.weight(layer, head), colours, first(), 255), x, y, side, side);
        } else {
          pen.fillStyle = drawing.css(colours, clamp(numbers[layer][head] / most, 1));
          pen.fillRect(x, y, side, side);
        }
        pen.strokeStyle = colours.line;
        pen.strokeRect(x, y, side, side);
        const own = now.roles.filter((role) => role.heads.some((place) => place[0] === layer && place[1] === head));
        if (own.length) drawing.letters(pen, own.map((role) => role.letter).join(''), x, y, side, colours);
      };
      grids.overview = drawing.overview(canvas, now.names, now.heads, room(canvas), cell);
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
    if (chosen.view !== 'head') return;
    const { side, left, top } = grids.overview;
    pen.strokeStyle = drawing.palette().mark;
    pen.lineWidth = 3;
    pen.strokeRect(left + chosen.head * side + 1, top + chosen.layer * side + 1, side - 2, side - 2);
  }

  function drawTop() {
    const pairs = [];
    const value = weight();
    const { rows, size, causal, apart } = seen();
    // In a causal model the first token can only look at itself: that weight of 1 says nothing.
    for (let r = causal ? 1 : 0; r < size; r += 1) {
      for (let c = first(); c < (causal ? r + 1 : now.width); c += 1) {
        if (apart || r !== c) pairs.push([value(r, c), r, c]);
      }
    }
    pairs.sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
    const name = (names, i) => `${i} ${shorten(spelled(names[i]), 24)}`;
    byId('at-top').replaceChildren(...pairs.slice(0, 10).map(([w, r, c]) => element('tr', {},
      element('td', {}, name(rows, r)), element('td', {}, name(now.sources, c)), element('td', { class: 'num' }, share(w)))));
  }

  function draw(fresh) {
    if (!now) return;
    byId('at-layer').value = chosen.layer;
    byId('at-head').value = chosen.head;
    byId('at-layer').disabled = chosen.view !== 'head';
    byId('at-head').disabled = chosen.view !== 'head';
    drawOverview(fresh);
    const full = strongest();
    const { rows, row } = seen();
    const marked = chosen.view === 'flow' ? { from: [], to: now.to } : now;
    grids.matrix = drawing.matrix(byId('at-matrix'), rows, now.sources, weight(), room(byId('at-matrix')), { row, column: chosen.column }, first(), full, marked);
    drawing.lines(byId('at-lines'), rows, now.sources, weight(), row, (at) => pick({ row: at }), first(), full);
    byId('at-scale').textContent = fill('scaled', { weight: share(full) });
    keepInView(byId('at-matrix'), grids.matrix, row, chosen.column);
    drawTop();
    say();
  }

  // On a narrow screen the drawing is wider than its box: the chosen cell stays inside.
  function keepInView(canvas, { side, left, top }, row, column) {
    const box = canvas.parentElement;
    const x = left + column * side;
    const y = top + row * side;
    if (x < box.scrollLeft || x + 2 * side > box.scrollLeft + box.clientWidth) box.scrollLeft = x - box.clientWidth / 2;
    if (y < box.scrollTop || y + 2 * side > box.scrollTop + box.clientHeight) box.scrollTop = y - box.clientHeight / 2;
  }

  function pick(changes) {
    Object.assign(chosen, changes);
    chosen.layer = clamp(chosen.layer, now.layers - 1);
    chosen.head = clamp(chosen.head, now.heads - 1);
    if (chosen.view !== 'flow') chosen.row = clamp(chosen.row, now.size - 1);
    chosen.column = clamp(chosen.column, seen().causal ? chosen.row : now.width - 1);
    draw('mode' in changes);
  }

  function oneHead(changes) {
    byId('at-view').value = 'head';
    pick({ view: 'head', ...changes });
  }

  async function open(index) {
    chosen.example = index;
    try {
      now = await unpack(examples[index]);
    } catch {
      now = null;
      byId('at-panels').hidden = true;
      byId('at-status').textContent = words.broken;
      return;
    }
    byId('at-panels').hidden = false;
    const options = (names) => names.map((name, i) => element('option', { value: i }, String(name)));
    byId('at-layer').replaceChildren(...options(now.names));
    byId('at-head').replaceChildren(...options(Array.from({ length: now.heads }, (_, i) => i)));
    for (const option of byId('at-view').options) option.disabled = option.hidden = option.value !== 'head' && !now.maps[option.value];
    for (const option of byId('at-mode').options) option.disabled = option.hidden = option.value !== 'pictures' && !now[option.value];
    if (!now.maps[chosen.view]) { chosen.view = 'head'; byId('at-view').value = 'head'; }
    if (!now[chosen.mode]) { chosen.mode = 'pictures'; byId('at-mode').value = 'pictures'; }
    describe();
    const { layer, head } = now.opens ?? telling();
    Object.assign(chosen, { layer, head });
    const row = now.from.length && now.to.length ? now.from[0] : now.size - 1;
    const last = Array.from({ length: Math.max(now.across ? now.width : row - 1, 1) }, (_, c) => (c ? now.weight(layer, head)(row, c) : 0));
    pick({ mode: chosen.mode, row, column: now.from.length && now.to.length ? now.to[0] : last.indexOf(Math.max(...last)) });
    const box = byId('at-lines').parentElement;
    box.scrollTop = (box.scrollHeight * row) / now.size - box.clientHeight / 2;  // the selected token of a long text
  }

  // What is said of the whole example.
  function describe() {
    const { note, anchor, detail } = now.row;
    const told = (value, limit) => (typeof value === 'string' ? shorten(visible(value), limit) : '');
    byId('at-caption').textContent = told(detail.caption, 400);
    byId('at-note').replaceChildren(note ? `${told(note, 400)} ` : '', ...(linked ? [element('a', { href: `#${encodeURIComponent(anchor)}` }, words.link)] : []));
    const missing = (Array.isArray(detail.missing) ? detail.missing : []).filter((reason) => typeof reason === 'string');
    byId('at-missing').replaceChildren(...missing.slice(0, 100).map((reason) => element('li', {}, told(reason, 200))));
    byId('at-missing-box').hidden = missing.length === 0;
    byId('at-marked').hidden = !(now.from.length || now.to.length);
    listRoles();
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
    grid(byId('at-overview'), 'overview', (layer, head) => oneHead({ layer, head }),
      (down, across) => oneHead({ layer: chosen.layer + down, head: chosen.head + across }));
    grid(byId('at-matrix'), 'matrix', (row, column) => pick({ row, column }),
      (down, across) => pick({ row: chosen.row + down, column: chosen.column + across }));
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw(true));
    let timer = 0;
    window.addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(() => draw(true), 150); });
  }

  page.records.then((rows) => {
    // The page lists in plain text what can be drawn; the viewer takes its place.
    const drawable = new Set([...plain.querySelectorAll('[data-record]')].map((place) => place.dataset.record));
    examples = rows.filter((row) => row.detail && row.detail.kind === 'attention' && drawable.has(row.anchor));
    tested = rows.filter((row) => row.detail && row.detail.kind === 'head_roles');
    plain.remove();
    viewer.hidden = false;
    examples.forEach((row, i) => byId('at-example').append(element('option', { value: i }, `${i + 1}: ${visible(shorten(row.input.slice(0, 200), 60))}`)));
    listen();
    return open(0);
  }).then(() => page.follow?.())  // the viewer has pushed the records down: back to the one that the address names
    .catch(() => {});  // records.js says that the records cannot be read
});
