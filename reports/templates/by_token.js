'use strict';
// Which input words weighed for one token of the answer: the reader picks the token.
pages.forEach((page) => {
  const { words, fill, element, visible, shorten, spelled, number } = page;
  const LEVELS = 5;
  const signed = (score) => `${score > 0 ? '+' : ''}${number(score)}`;

  // Radio buttons: the browser moves between them with the arrow keys and tells a screen reader where it is.
  function build(place, detail) {
    const names = detail.tokens.map((name) => shorten(visible(spelled(name)), 60));
    const top = Math.max(...detail.by_token.flat().map(Math.abs)) || 1;
    const picture = element('p', { class: 'tokens', dir: 'auto' });
    const status = element('p', { class: 'small', role: 'status' });
    const show = (chosen) => {
      const row = detail.by_token[chosen];
      picture.replaceChildren(...row.slice(0, 600).map((score, i) => {
        const level = Math.round((LEVELS * Math.abs(score)) / top);
        const sign = score > 0 ? 'plus' : 'minus';
        const made = element('span', { class: level ? `token ${sign}-${level}` : 'token', title: signed(score) }, names[i]);
        if (level) made.append(element('sup', {}, score > 0 ? '+' : '−'));
        return made;
      }));
      const best = row.map((score, i) => [score, i]).filter(([score]) => Math.round((LEVELS * Math.abs(score)) / top))
        .sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]) || a[1] - b[1]).slice(0, 3);
      const told = best.map(([score, i]) => `${names[i]} ${signed(score)}`).join(', ') || words.none_stands_out;
      status.textContent = fill('pushed', { token: shorten(visible(spelled(detail.answer_tokens[chosen])), 60), words: told });
    };
    const set = element('fieldset', { class: 'choices' }, element('legend', {}, words.by_token));
    detail.answer_tokens.slice(0, 200).forEach((name, i) => {
      const input = element('input', { type: 'radio', name: page.id(place.dataset.name), value: i });
      input.checked = i === 0;
      input.addEventListener('change', () => show(i));
      set.append(element('label', {}, input, element('bdi', {}, shorten(visible(spelled(name)), 40))));
    });
    place.replaceChildren(set, picture, status);
    place.hidden = false;
    show(0);
  }

  page.records.then((rows) => {
    const places = [...page.root.querySelectorAll('.by-token[data-record]')];
    const known = new Map(rows.map((row) => [row.anchor, row]));
    for (const place of places) {
      const row = known.get(place.dataset.record);
      try { if (row) build(place, row.detail); } catch { place.hidden = true; }
    }
  }).catch(() => {});  // the table below holds the strongest words
});
