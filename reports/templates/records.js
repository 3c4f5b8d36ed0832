'use strict';
// The list of records: filters, pages, permalinks. Rows are made for one page at a time, bodies when opened.
pages.forEach((page) => {
  const { visible, shorten, byId, words, fill, element, number } = page;
  const PAGE = 25;
  const LONGEST = 20000;
  const filters = { probe: byId('f-probe'), verdict: byId('f-verdict'), group: byId('f-group'), outcome: byId('f-outcome') };
  const WORST_FIRST = ['problem_found', 'unclear', 'no_problem_found', 'not_tested'];
  let all = [];
  let shown = [];
  let current = 0;

  const text = (row) => {
    if (row.text === undefined) {
      const parts = [row.id, row.input, row.output, row.expected, row.note, row.group, row.outcome, ...Object.values(row.tags || {})];
      // Not enumerable, so that the index never reaches a download.
      Object.defineProperty(row, 'text', { value: parts.filter((p) => p !== undefined && p !== null).join('\n').toLowerCase() });
    }
    return row.text;
  };

  function pair(list, name, value, block) {
    if (value === undefined || value === null) return;
    const content = visible(value === '' ? words.empty : shorten(String(value), LONGEST));
    list.append(element('dt', {}, name), element('dd', {}, block ? element('pre', { dir: 'auto', tabindex: 0 }, content) : content));
  }

  // The answer with what is in doubt underlined. Places count code points, as the records do, not UTF-16 units.
  const DOUBTED = ['contradicted', 'not in the text', 'inconsistent'];
  function marked(row) {
    const points = Array.from(row.output);
    const parts = [];
    let place = 0;
    for (const claim of [...row.claims].sort((a, b) => a.start - b.start || a.end - b.end)) {
      if (claim.start < place || claim.end > points.length) continue;
      parts.push(visible(points.slice(place, claim.start).join('')));
      const words = visible(points.slice(claim.start, claim.end).join(''));
      parts.push(DOUBTED.includes(claim.verdict) ? element('mark', { class: 'claim' }, words) : words);
      place = claim.end;
    }
    return [...parts, visible(points.slice(place).join(''))];
  }

  function claims(list, row) {
    if (!row.claims || !row.claims.length || !row.output || row.output.length > LONGEST) return false;
    const points = Array.from(row.output);
    const items = row.claims.map((claim) => {
      const said = visible(points.slice(claim.start, claim.end).join(''));
      const item = element('li', {}, element('q', {}, said), ': ', element('strong', {}, words[claim.verdict] || claim.verdict));
      if (claim.evidence) item.append('. ', visible(fill('compared', { evidence: shorten(claim.evidence, 400) })));
      return item;
    });
    list.append(
      element('dt', {}, words.output), element('dd', {}, element('pre', { dir: 'auto', tabindex: 0 }, ...marked(row))),
      element('dt', {}, words.claims), element('dd', {}, element('ul', { class: 'plain claims' }, ...items)));
    return true;
  }

  const joined = (values, show) => {
    const entries = Object.entries(values || {});
    return entries.length ? entries.map(([key, value]) => `${key}: ${show(value)}`).join('; ') : undefined;
  };

  function detail(value) {
    if (!value || !Object.keys(value).length) return undefined;
    // Packed weights are for the viewer; as text they say nothing.
    const readable = Object.fromEntries(Object.entries(value).filter(([key]) => !['weights', 'rollout', 'maps'].includes(key)));
    return JSON.stringify(readable, null, 1);
  }

  function body(row) {
    const list = element('dl');
    pair(list, words.input, row.input, true);
    if (!claims(list, row)) pair(list, words.output, row.output, true);
    pair(list, words.expected, row.expected, true);
    pair(list, words.outcome, row.outcome);
    pair(list, words.scores, joined(row.scores, number));
    pair(list, words.tags, joined(row.tags, String));
    pair(list, words.note, row.note);
    pair(list, words.group, [row.axis, row.group].filter(Boolean).join(': ') || undefined);
    pair(list, words.template, row.template);
    pair(list, words.cluster, row.cluster);
    pair(list, words.item, `${row.item}; ${row.source}`);
    pair(list, words.status_field, row.status || 'scored');
    pair(list, words.seed, row.seed);
    pair(list, words.detail, detail(row.detail), true);
    const link = element('a', { href: `#${encodeURIComponent(row.anchor)}` }, words.link);
    return [list, element('p', {}, link)];
  }

  function rowOf(row) {
    const summary = element('summary');
    for (const label of [row.outcome, row.group]) {
      if (label) summary.append(element('span', { class: 'tag' }, visible(shorten(label, 40))), ' ');
    }
    summary.append(visible(shorten(row.input.slice(0, 400), 140)), ' ');
    summary.append(element('span', { class: 'small' }, `${visible(row.probe)} · ${fill('concern', { value: number(row.concern || 0) })}`));
    const made = element('details', { class: 'record', id: page.id(row.anchor) }, summary);
    made.addEventListener('toggle', () => { if (made.open && made.children.length === 1) made.append(...body(row)); });
    return made;
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    current = Math.min(Math.max(current, 0), pages - 1);
    byId('record-list').replaceChildren(...shown.slice(current * PAGE, (current + 1) * PAGE).map(rowOf));
    byId('record-status').textContent = shown.length
      ? fill('status', { shown: shown.length.toLocaleString('en'), all: all.length.toLocaleString('en') }) : words.none;
    byId('page-now').textContent = fill('page', { page: current + 1, pages });
    byId('pager').hidden = pages === 1;
    for (const name of ['page-first', 'page-back']) byId(name).disabled = current === 0;
    for (const name of ['page-next', 'page-last']) byId(name).disabled = current === pages - 1;
  }

  // Options carry a position, not the text itself, so that an empty name and a missing one stay apart.
  function options(select, name) {
    const said = (value) => (name === 'verdict' ? words[value] : visible(shorten(value, 60)));
    const values = [...new Set(all.map((row) => row[name] ?? null))].sort((a, b) => String(a).localeCompare(String(b), 'en'));
    select.replaceChildren(element('option', { value: '' }, words.all));
    values.forEach((value, i) => select.append(element('option', { value: i }, value === null ? words.without : said(value))));
    select.choices = values;
  }

  function apply() {
    const needle = byId('f-text').value.trim().toLowerCase();
    const wanted = Object.entries(filters).filter(([, select]) => select.value !== '')
      .map(([name, select]) => [name, select.choices[Number(select.value)]]);
    shown = all.filter((row) => wanted.every(([name, value]) => (row[name] ?? null) === value) && (!needle || text(row).includes(needle)));
    current = 0;
    draw();
  }

  function follow() {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { return; }
    if (!name.startsWith('ex-')) return;
    let place = shown.findIndex((row) => row.anchor === name);
    if (place < 0) {
      byId('filters').reset();
      shown = all;
      place = shown.findIndex((row) => row.anchor === name);
    }
    if (place < 0) return;
    current = Math.floor(place / PAGE);
    draw();
    const row = byId(name);
    row.open = true;
    row.scrollIntoView({ block: 'start', behavior: 'instant' });
    row.firstElementChild.focus({ preventScroll: true });
  }

  function listen() {
    let timer = 0;
    byId('f-text').addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(apply, 150); });
    for (const select of Object.values(filters)) select.addEventListener('change', apply);
    byId('filters').addEventListener('submit', (event) => event.preventDefault());
    byId('filters').addEventListener('reset', () => setTimeout(apply, 0));
    const turn = (to) => () => { current = to(); draw(); byId('records').scrollIntoView({ block: 'start' }); };
    byId('page-first').addEventListener('click', turn(() => 0));
    byId('page-back').addEventListener('click', turn(() => current - 1));
    byId('page-next').addEventListener('click', turn(() => current + 1));
    byId('page-last').addEventListener('click', turn(() => Infinity));
    window.addEventListener('hashchange', follow);
  }

  // What was found about a probe is the worst of its findings. Not enumerable, so that it never reaches a download.
  function judge(rows) {
    const found = {};
    for (const { probe, outlook } of JSON.parse(document.getElementById('results').textContent).findings) {
      const place = WORST_FIRST.indexOf(outlook);
      found[probe] = Math.min(found[probe] ?? WORST_FIRST.length - 1, place);
    }
    for (const row of rows) {
      if (!('verdict' in row)) Object.defineProperty(row, 'verdict', { value: WORST_FIRST[found[row.probe]] ?? 'not_tested' });
    }
  }

  page.selected = () => shown;
  page.records.then((rows) => {
    all = rows;
    judge(rows);
    shown = all;
    for (const [name, select] of Object.entries(filters)) options(select, name);
    byId('plain-records').remove();
    byId('filters').hidden = false;
    byId('record-tools').hidden = false;
    listen();
    draw();
    follow();
    page.follow = follow;
  }).catch(() => { byId('record-list').append(element('p', { class: 'warning' }, words.unreadable)); });
});
