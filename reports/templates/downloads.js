'use strict';
// Files made in the browser from what the page holds.
pages.forEach((page) => {
  const { byId } = page;
  const RECORD = ['probe', 'id', 'item', 'source', 'cluster', 'template', 'axis', 'group', 'status', 'outcome', 'concern', 'seed', 'input', 'output', 'expected', 'note', 'scores', 'tags'];
  const MEASUREMENT = ['metric', 'probe', 'slice', 'label', 'value', 'low', 'high', 'confidence', 'n', 'clusters', 'successes', 'unit', 'direction', 'chance', 'interval', 'p_value', 'p_adjusted', 'adjustment', 'reason'];

  function save(name, type, content) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function cell(value) {
    if (value === null || value === undefined) return '';
    if (typeof value === 'number') return String(value);
    let text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;  // a spreadsheet must not run what a model wrote
    return `"${text.replaceAll('"', '""')}"`;
  }

  const csv = (columns, rows) => [columns, ...rows.map((row) => columns.map((name) => row[name]))]
    .map((row) => row.map(cell).join(',')).join('\r\n');
  const result = () => JSON.parse(byId('results').textContent);

  byId('save-json').addEventListener('click', () => save('records.json', 'application/json', JSON.stringify(page.selected(), null, 1)));
  byId('save-csv').addEventListener('click', () => save('records.csv', 'text/csv', csv(RECORD, page.selected())));
  byId('save-measurements').addEventListener('click', () => save('measurements.csv', 'text/csv', csv(MEASUREMENT, result().measurements)));
  byId('save-result').addEventListener('click', () => save('result.json', 'application/json', JSON.stringify(result(), null, 1)));
});
