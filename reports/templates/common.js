'use strict';
// What the other scripts share. Text only ever enters the page as textContent or as an attribute set by name.
// A page in several languages holds its body once for each; `pages` has one entry a body.
const pages = (() => {
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;
  const visible = (text) => String(text).replaceAll('\r\n', '\n')
    .replace(hidden, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
  const shorten = (text, limit) => (text.length <= limit ? text : `${text.slice(0, limit - 2)} …`);
  const spelled = (token) => visible(token.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥')) || '∅';

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
    const block = document.getElementById('evidence');
    const rows = JSON.parse(new TextDecoder().decode(await inflate(block.textContent.trim(), 'deflate')));
    block.remove();
    return rows;
  })();

  // The ids of a further language's body end in its suffix; `id` gives the one that is meant.
  function body(root) {
    const suffix = root.dataset?.suffix ?? '';
    const id = (name) => name + suffix;
    const byId = (name) => document.getElementById(id(name));
    const words = JSON.parse(byId('words').textContent);
    const fill = (key, values) => words[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
    return { visible, shorten, spelled, root, id, byId, words, fill, element, number, inflate, records };
  }

  // What was drawn while its language was hidden has no size yet.
  for (const choice of document.querySelectorAll('input[name=language]')) {
    choice.addEventListener('change', () => {
      document.documentElement.lang = choice.id.replace('language-', '');
      window.dispatchEvent(new Event('resize'));
    });
  }

  const roots = [...document.querySelectorAll('.in-language')];
  return (roots.length ? roots : [document]).map(body);
})();
