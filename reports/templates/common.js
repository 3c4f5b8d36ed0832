'use strict';
// What the other scripts share. Text only ever enters the page as textContent or as an attribute set by name.
const page = (() => {
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;
  const visible = (text) => String(text).replaceAll('\r\n', '\n')
    .replace(hidden, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
  const shorten = (text, limit) => (text.length <= limit ? text : `${text.slice(0, limit - 2)} …`);
  const spelled = (token) => visible(token.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥')) || '∅';
  const byId = (id) => document.getElementById(id);
  const words = JSON.parse(byId('words').textContent);
  const fill = (key, values) => words[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);  // strings become text nodes
    return made;
  }

  function number(value) {
    if (value === null || value === undefined) return '–';
    if (Number.isInteger(value)) return String(value);
    const size = Math.abs(value);
    return size >= 100 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : size >= 0.01 ? value.toFixed(3) : value.toPrecision(2);
  }

  async function inflate(base64, format) {
    const letters = atob(base64);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Decoded once, when the browser has drawn the page.
  const records = (async () => {
    const block = byId('evidence');
    const rows = JSON.parse(new TextDecoder().decode(await inflate(block.textContent.trim(), 'deflate')));
    block.remove();
    return rows;
  })();

  return { visible, shorten, spelled, byId, words, fill, element, number, inflate, records };
})();
