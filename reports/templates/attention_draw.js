'use strict';
// Drawing of attention: numbers in, pixels out. Nothing here keeps state.
pages.forEach((page) => {
  const { spelled, shorten } = page;
  const SVG = 'http://www.w3.org/2000/svg';

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(name).trim();
    const rgb = (name) => get(name).split(/\s+/).map(Number);
    return { from: rgb('--heat-0'), to: rgb('--heat-1'), ink: get('--ink'), muted: get('--muted'), line: get('--line'), mark: get('--plus'), paper: get('--surface') };
  }

  const mix = (colours, share) => colours.from.map((c, i) => Math.round(c + (colours.to[i] - c) * share));
  const css = (colours, share) => `rgb(${mix(colours, share).join(' ')})`;

  function sized(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  // `first` is the first column that is drawn, `full` the weight that gets the full colour.
  function picture(size, width, weight, colours, first, full) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = size;
    const pen = canvas.getContext('2d');
    const image = pen.createImageData(width, size);
    const table = Array.from({ length: 256 }, (_, v) => mix(colours, Math.sqrt(Math.min(v / full, 1))));
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column < width; column += 1) {
        image.data.set([...table[column < first ? 0 : Math.round(weight(row, column))], 255], 4 * (row * width + column));
      }
    }
    pen.putImageData(image, 0, 0);
    return canvas;
  }

  // layers x heads, the layers by name; `fillCell(pen, layer, head, x, y, side)` paints one.
  function overview(canvas, names, heads, room, fillCell) {
    const layers = names.length;
    // Deep models get smaller cells, so that all layers can be seen together.
    const fits = Math.floor(Math.min((room - 24) / heads, 990 / layers));
    const side = Math.max(24, Math.min(56, fits));
    const pen = sized(canvas, 24 + heads * side, 18 + layers * side);
    const colours = palette();
    pen.fillStyle = colours.muted;
    pen.font = '11px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    pen.textAlign = 'center';
    for (let head = 0; head < heads; head += 1) pen.fillText(head, 24 + (head + 0.5) * side, 8);
    pen.textAlign = 'right';
    for (let layer = 0; layer < layers; layer += 1) {
      pen.fillStyle = colours.muted;  // painting a cell changes it
      pen.fillText(names[layer], 19, 18 + (layer + 0.5) * side);
      for (let head = 0; head < heads; head += 1) fillCell(pen, layer, head, 25 + head * side, 19 + layer * side, side - 2);
    }
    return { side, left: 24, top: 18 };
  }

  // The letters of a head's roles in the corner of its cell, on paper so that they can be read on any picture.
  function letters(pen, text, x, y, side, colours) {
    const shown = text.length > 2 ? `${text.slice(0, 1)}+` : text;
    const wide = 5 + 8 * shown.length;
    pen.save();
    pen.font = '700 11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillStyle = colours.paper;
    pen.fillRect(x + side - wide, y + side - 13, wide, 13);
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1;
    pen.strokeRect(x + side - wide + 0.5, y + side - 12.5, wide - 1, 12);
    pen.fillStyle = colours.ink;
    pen.fillText(shown, x + side - wide / 2, y + side - 6);
    pen.restore();
  }

  // Rows are `tokens`, columns the `sources` that they look at; `marked` are positions that the example is about.
  function matrix(canvas, tokens, sources, weight, room, chosen, first, full, marked) {
    const size = tokens.length;
    const width = sources.length;
    const left = 92;
    const top = 84;
    const side = Math.max(11, Math.min(26, Math.floor((room - left) / width)));
    const pen = sized(canvas, left + width * side, top + size * side);
    const colours = palette();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture(size, width, weight, colours, first, full), left, top, width * side, size * side);
    pen.font = '11px ui-monospace, monospace';
    pen.textBaseline = 'middle';
    const label = (token, is) => (is ? '▸' : '') + shorten(spelled(token.slice(0, 40)), is ? 11 : 12);
    pen.textAlign = 'right';
    tokens.forEach((token, i) => {
      pen.fillStyle = i === chosen.row ? colours.mark : colours.ink;
      pen.fillText(label(token, marked.from.includes(i)), left - 6, top + (i + 0.5) * side);
    });
    pen.textAlign = 'left';
    sources.forEach((token, i) => {
      pen.fillStyle = i === chosen.column ? colours.mark : i < first ? colours.muted : colours.ink;
      pen.save();
      pen.translate(left + (i + 0.5) * side, top - 6);
      pen.rotate(-Math.PI / 2);
      pen.fillText(label(token, marked.to.includes(i)), 0, 0);
      pen.restore();
    });
    pen.strokeStyle = colours.line;
    pen.strokeRect(left - 0.5, top - 0.5, width * side + 1, size * side + 1);
    pen.strokeStyle = colours.mark;
    pen.lineWidth = 2;
    pen.strokeRect(left + chosen.column * side, top + chosen.row * side, side, side);
    return { side, left, top };
  }

  function svg(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function lines(drawing, tokens, sources, weight, row, select, first, full) {
    const step = 24;
    drawing.setAttribute('height', Math.max(tokens.length, sources.length) * step);
    const parts = [];
    const strength = (column) => (column < first ? 0 : Math.min(weight(row, column) / full, 1));
    for (let column = 0; column < sources.length; column += 1) {
      const w = strength(column);
      if (w >= 0.02) {
        parts.push(svg('line', { class: 'ray', x1: 124, x2: 216, y1: (row + 0.5) * step, y2: (column + 0.5) * step, 'stroke-width': 0.6 + 6 * w, 'stroke-opacity': 0.15 + 0.85 * Math.sqrt(w) }));
      }
    }
    const label = (token) => shorten(spelled(token.slice(0, 40)), 14);
    tokens.forEach((token, i) => {
      const from = svg('text', { class: i === row ? 'ray-from chosen' : 'ray-from', x: 118, y: i * step + 16, 'text-anchor': 'end' }, label(token));
      const area = svg('rect', { class: 'ray-area', x: 0, y: i * step, width: 124, height: step });
      area.addEventListener('click', () => select(i));
      parts.push(from, area);
    });
    sources.forEach((token, i) => {
      parts.push(svg('text', { class: 'ray-to', x: 222, y: i * step + 16, 'fill-opacity': 0.7 + 0.3 * Math.sqrt(strength(i)) }, label(token)));
    });
    drawing.replaceChildren(...parts);
  }

  page.drawing = { palette, css, picture, overview, letters, matrix, lines };
});
