// The page at / of a server: asks it for the vectors of texts by two of its models, and shows what is near to what.
import { aligned, plane, similarities } from './projection.mjs';

/** Most texts that are shown, and most whose pairs are shown in a table. */
const MOST_TEXTS = 200;
const MOST_IN_TABLE = 24;
/** Similarities from which on a cell is so strong that its number must stand out. */
const DEEP = 0.6;

const EXAMPLES = [
  'How do I reset my password?',
  'I forgot my login details',
  'I want to change my e-mail address',
  'Where is my order?',
  'The parcel has not arrived yet',
  'Can I pay with a credit card?',
  'Which payment methods do you accept?',
  'The weather is lovely today',
];

const element = (id) => document.getElementById(id);
const [form, texts, status, compare] = ['ask', 'texts', 'status', 'compare'].map(element);
const [key, keyField, anchor, results] = ['key', 'key-field', 'anchor', 'results'].map(element);
const sides = [0, 1].map((i) => ({ model: element(`model-${i}`), prompt: element(`prompt-${i}`) }));

/** What the server says of itself; undefined until it has been asked. */
let info;
/** That question, while it is asked, and the key that it is asked with. */
let learning;
/** What is shown. */
let shown;

/** An element with attributes, listeners and children; text is always text. */
function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}
function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}
function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'click') made.addEventListener('click', value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A failure of the server's, in its words. */
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(path, body) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key.value !== '' && { authorization: `Bearer ${key.value.trim()}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refused(0, 'The server does not answer.');
  });
  const answer = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer;
  const said = answer?.error?.message ?? answer?.error ?? `The server answered with ${response.status}.`;
  throw new Refused(response.status, said);
}

function tell(message, bad = false) {
  status.textContent = message;
  status.classList.toggle('bad', bad);
}

/** Asks what models there are, once for a key; false where one is missing or wrong. */
function learn() {
  if (info !== undefined) return Promise.resolve(true);
  if (learning?.key !== key.value) learning = { key: key.value, known: ask('info').then(offerModels, askForKey) };
  const { known } = learning;
  const over = () => {
    if (learning?.known === known) learning = undefined;
  };
  known.then(over, over);
  return known;
}

function askForKey(error) {
  if (error.code !== 401) throw error;
  keyField.hidden = false;
  tell(key.value === '' ? 'Give the key of this server.' : error.message, key.value !== '');
  key.focus();
  return false;
}

function offerModels(found) {
  info = found;
  sides.forEach(({ model }, side) => {
    const none = side === 1 ? [make('option', { value: '' }, 'no other')] : [];
    model.replaceChildren(...info.models.map((one, i) => make('option', { value: i }, one.served_model_name)), ...none);
    model.selectedIndex = Math.min(side, model.options.length - 1);
    offerPrompts(side);
  });
  return true;
}

/** The prompts of a side's model. */
function offerPrompts(side) {
  const { model, prompt } = sides[side];
  const { prompts = [], default_prompt: byDefault = '' } = info.models[model.value] ?? {};
  const first = byDefault === '' ? 'none' : `its default, ${JSON.stringify(byDefault)}`;
  prompt.replaceChildren(
    make('option', { value: '' }, first),
    ...prompts.map((name) => make('option', { value: name }, name)),
  );
  prompt.disabled = model.value === '' || prompts.length === 0;
}

function given() {
  return texts.value
    .split('\n')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

async function run() {
  const all = given();
  if (all.length < 2) {
    tell('Give two texts or more.', true);
    texts.focus();
    return;
  }
  compare.disabled = true;
  try {
    if (!(await learn())) return;
    const some = all.slice(0, Math.min(MOST_TEXTS, info.max_client_batch_size));
    tell('Computing …');
    const models = [];
    for (const [side, { model, prompt }] of sides.entries()) {
      if (model.value === '') continue;
      const name = info.models[model.value].served_model_name;
      const start = performance.now();
      const vectors = await ask('embed', {
        inputs: some,
        model: name,
        truncate: true,
        ...(prompt.value !== '' && { prompt_name: prompt.value }),
      });
      const time = performance.now() - start;
      const title = prompt.value === '' ? name : `${name}, prompt ${prompt.value}`;
      models.push({ side, title, width: vectors[0].length, time, near: similarities(vectors), map: plane(vectors) });
    }
    if (models.length === 2) models[1].map.points = aligned(models[1].map.points, models[0].map.points);
    shown = { texts: some, models, chosen: 0, order: 0 };
    show();
    const left = all.length - some.length;
    const told = models.map(({ title, width, time }) => `${title}: ${width} numbers a text, ${time.toFixed(0)} ms`);
    tell(`${some.length} texts. ${told.join('. ')}.${left > 0 ? ` ${left} more were left out.` : ''}`);
  } catch (error) {
    if (error.code === 401) {
      info = undefined;
      await learn().catch(() => undefined);
    }
    tell(error.message, true);
  } finally {
    compare.disabled = false;
  }
}

function show() {
  anchor.replaceChildren(...shown.texts.map((text, i) => make('option', { value: i }, `${i + 1}  ${text}`)));
  element('maps').replaceChildren(...shown.models.map(mapOf));
  const many = shown.texts.length > MOST_IN_TABLE;
  element('all-none').hidden = !many;
  element('all-none').textContent = `Up to ${MOST_IN_TABLE} texts are shown here.`;
  element('all').replaceChildren(...(many ? [] : shown.models.map(tableOf)));
  choose(shown.chosen);
  results.hidden = false;
}

const sideOf = ({ side }) => (side === 0 ? 'first' : 'second');
const share = (similarity) => Math.round(100 * Math.min(1, Math.max(0, similarity)));

function choose(text) {
  shown.chosen = text;
  anchor.value = text;
  showNear();
  for (const point of document.querySelectorAll('#maps g'))
    point.classList.toggle('chosen', point.dataset.text === String(text));
}

/** The other texts, the most similar to the chosen one first. */
function showNear() {
  const { models, chosen, order } = shown;
  const sorts = models.map((model, i) =>
    make(
      'th',
      { scope: 'col', class: 'score', 'aria-sort': i === order ? 'descending' : undefined },
      make('button', { type: 'button', title: `Sort by ${model.title}`, click: () => sortBy(i) }, model.title),
    ),
  );
  element('near').tHead.replaceChildren(make('tr', {}, make('th', { scope: 'col' }), ...sorts));
  const others = shown.texts.map((_, i) => i).filter((i) => i !== chosen);
  others.sort((a, b) => models[order].near[chosen][b] - models[order].near[chosen][a] || a - b);
  const rows = others.map((i) =>
    make(
      'tr',
      {},
      make('td', {}, make('button', { type: 'button', class: 'text', click: () => pick(i) }, shown.texts[i])),
      ...models.map((model) => {
        const similarity = model.near[chosen][i];
        const inner = make('i');
        inner.style.setProperty('--share', share(similarity));
        const bar = make('span', { class: 'bar' }, inner);
        return make('td', { class: `score ${sideOf(model)}` }, similarity.toFixed(3), bar);
      }),
    ),
  );
  element('near').tBodies[0].replaceChildren(...rows);
}

function sortBy(order) {
  shown.order = order;
  showNear();
  element('near').tHead.querySelectorAll('button')[order].focus();
}

/** By a click or the keyboard on a text; its button is gone then, so the focus goes where the text stands now. */
function pick(text) {
  choose(text);
  anchor.focus();
}

/** Of a map, in units that are about a point of the screen. */
const NARROW = matchMedia('(max-width: 620px)');
const [HEIGHT, EDGE] = [340, 26];
/** Of a label: about the width of a letter, the height of a line, and most letters. */
const [LETTER, LINE, LONGEST] = [6.8, 14, 26];

function shorten(text) {
  const letters = [...text];
  return letters.length <= LONGEST ? text : `${letters.slice(0, LONGEST - 1).join('')}…`;
}

function mapOf(model) {
  const { points, shares } = model.map;
  const WIDTH = NARROW.matches ? 330 : 480;
  // One scale for both directions: distances are what they are.
  const reach = Math.max(
    1e-12,
    ...points.map(([x, y]) => Math.max(Math.abs(x) / (WIDTH / 2 - EDGE), Math.abs(y) / (HEIGHT / 2 - EDGE))),
  );
  const places = points.map(([x, y]) => [WIDTH / 2 + x / reach, HEIGHT / 2 - y / reach]);
  const taken = places.map(([x, y]) => [x - 6, y - 6, x + 6, y + 6]);
  const marks = places.map(([x, y], i) => {
    const label = labelAt([x, y], shorten(shown.texts[i]), WIDTH, taken);
    return draw(
      'g',
      { 'data-text': i, click: () => choose(i) },
      draw('title', {}, shown.texts[i]),
      draw('circle', { class: 'point', cx: x.toFixed(1), cy: y.toFixed(1), r: 6 }),
      ...(label === undefined ? [] : [label]),
    );
  });
  const part = shares.reduce((sum, one) => sum + one, 0);
  const said = `${Math.round(100 * part)} % of what the texts differ in is in this plane.`;
  return make(
    'figure',
    { class: sideOf(model) },
    make('h3', {}, model.title),
    draw(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `Map of the texts by ${model.title}. ${said}` },
      ...marks,
    ),
    make('figcaption', { class: 'soft' }, said),
  );
}

/** Where a point's label meets no other and no point: beside, above or below it, or nowhere. */
function labelAt([x, y], text, within, taken) {
  const width = LETTER * text.length;
  for (const [left, base, anchored, at] of [
    [x + 10, y + 4, 'start', x + 10],
    [x - 10 - width, y + 4, 'end', x - 10],
    [x - width / 2, y - 11, 'middle', x],
    [x - width / 2, y + 20, 'middle', x],
  ]) {
    const box = [left, base - LINE + 3, left + width, base + 3];
    if (box[0] < 2 || box[2] > within - 2 || box[1] < 2 || box[3] > HEIGHT - 2) continue;
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]))
      continue;
    taken.push(box);
    return draw('text', { x: at.toFixed(1), y: base.toFixed(1), 'text-anchor': anchored }, text);
  }
  return undefined;
}

/** Every text with every other. */
function tableOf(model) {
  const head = make(
    'tr',
    {},
    make('th'),
    ...shown.texts.map((text, i) => make('th', { scope: 'col', title: text }, `${i + 1}`)),
  );
  const rows = shown.texts.map((text, i) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row', title: text }, `${i + 1} ${text}`),
      ...model.near[i].map((similarity, j) => {
        const cell = make('td', { title: `${text} / ${shown.texts[j]}` }, i === j ? '' : similarity.toFixed(2));
        if (i === j) return cell;
        cell.style.setProperty('--share', share(similarity));
        cell.classList.toggle('deep', similarity >= DEEP);
        return cell;
      }),
    ),
  );
  const table = make('table', { class: 'all' }, make('thead', {}, head), make('tbody', {}, ...rows));
  return make(
    'div',
    { class: sideOf(model) },
    make('h3', {}, model.title),
    // Focusable, so that the keyboard can scroll it.
    make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `All pairs by ${model.title}` }, table),
  );
}

texts.value = EXAMPLES.join('\n');
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});
texts.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
anchor.addEventListener('change', () => choose(Number(anchor.value)));
sides.forEach(({ model }, side) => model.addEventListener('change', () => offerPrompts(side)));
// A wrong key was told by what it opens: nothing.
key.addEventListener('change', () => {
  info = undefined;
  learn().then(
    (known) => known && tell(''),
    (error) => tell(error.message, true),
  );
});
learn().catch((error) => tell(error.message, true));
