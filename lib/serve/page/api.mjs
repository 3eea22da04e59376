// The page at /docs: openapi.json of the server, for people to read.

const element = (id) => document.getElementById(id);

/** An element with attributes and children; text is always text. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

const WORDS = { string: 'text', integer: 'integer', number: 'number', object: 'object' };

/** A schema in a few words: `text`, `list of numbers`, `"a", "b"`. */
function typeOf(schema = {}) {
  const some = schema.oneOf ?? schema.anyOf;
  if (some !== undefined) {
    const types = [...new Set(some.filter(({ type }) => type !== 'null').map(typeOf))];
    return types.join(' or ');
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(', ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items).replace(/^(\w+)/, '$1s')}`;
  if (schema.type === 'boolean') return 'true, false';
  if (Array.isArray(schema.type))
    return schema.type
      .filter((type) => type !== 'null')
      .map((type) => typeOf({ type }))
      .join(' or ');
  return WORDS[schema.type] ?? 'anything';
}

/** The schema that has the fields, through what may be null. */
function inner(schema = {}) {
  return (schema.anyOf ?? schema.oneOf)?.find(({ type }) => type === 'object') ?? schema;
}

/** A row for each field, fields of fields below them. */
function rowsOf(schema, path = '') {
  const { properties = {}, required = [] } = inner(schema);
  return Object.entries(properties).flatMap(([name, field]) => {
    const here = `${path}${name}`;
    const items = field.type === 'array' ? inner(field.items) : inner(field);
    const below = items.properties === undefined ? [] : rowsOf(items, `${here}${field.type === 'array' ? '[]' : ''}.`);
    const must = required.includes(name) ? make('span', { class: 'must' }, ' required') : '';
    const row = make(
      'tr',
      {},
      make('th', { scope: 'row' }, make('code', {}, here), must),
      make('td', {}, typeOf(field)),
      make('td', {}, field.description ?? ''),
    );
    return [row, ...below];
  });
}

function tableOf(title, schema) {
  const rows = rowsOf(schema);
  if (rows.length === 0) return [];
  const head = ['Field', 'Type', ''].map((name) => make('th', { scope: 'col' }, name));
  const table = make(
    'table',
    { class: 'fields' },
    make('thead', {}, make('tr', {}, ...head)),
    make('tbody', {}, ...rows),
  );
  return [
    make('h3', {}, title),
    make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, table),
  ];
}

/** For a shell: nothing in it ends the quotes. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curlOf(base, path, method, example, asksForKey) {
  const lines = [`curl ${base}${path}`];
  if (asksForKey) lines.push('-H "authorization: Bearer $KEY"');
  if (method === 'post')
    lines.push("-H 'content-type: application/json'", `-d ${quoted(JSON.stringify(example ?? {}))}`);
  return lines.join(' \\\n  ');
}

function endpointOf(base, path, method, operation, general) {
  const body = operation.requestBody?.content['application/json'];
  const answer = operation.responses[200].content?.['application/json']?.schema;
  const open = (operation.security ?? general).length === 0;
  const id = path.replace(/^\//, '').replaceAll('/', '-');
  const verb = make('span', { class: `verb ${method}` }, method.toUpperCase());
  const answers = tableOf('Answer', answer?.type === 'array' ? answer.items : answer);
  const answered =
    answer === undefined || answer.type === 'object' || answers.length > 0
      ? []
      : [make('p', { class: 'soft' }, `The answer is a ${typeOf(answer)}.`)];
  return make(
    'section',
    { class: 'card', id, 'aria-labelledby': `${id}-title` },
    make('h2', { id: `${id}-title` }, verb, ' ', make('code', {}, path)),
    make('p', {}, operation.summary),
    make('pre', { tabindex: 0 }, make('code', {}, curlOf(base, path, method, body?.example, !open))),
    ...tableOf('Body', body?.schema),
    ...answers,
    ...answered,
  );
}

async function show() {
  const response = await fetch('openapi.json').catch(() => undefined);
  if (!response?.ok) throw new Error('The server does not answer.');
  const { paths, security, info } = await response.json();
  const base = new URL('.', location.href).href.replace(/\/$/, '');
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => endpointOf(base, path, method, operation, security)),
  );
  element('endpoints').replaceChildren(...sections);
  element('contents').replaceChildren(
    ...sections.map(({ id }, i) => make('a', { href: `#${id}` }, Object.keys(paths)[i])),
  );
  element('status').textContent = `vectune ${info.version}.${security.length > 0 ? ' Requests must bring a key.' : ''}`;
}

show().catch((error) => {
  element('status').textContent = error.message;
  element('status').classList.add('bad');
});
