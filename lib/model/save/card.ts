/** What the model card says about the model itself. */
export interface ModelFacts {
  id: string;
  /** The id's last part. */
  name: string;
  revision: string | undefined;
  architecture: string;
  modules: string[];
  dimension: number;
  maxInputLength: number;
  prompts: Record<string, string>;
}

/** Models whose weights were merged, and the share of each. */
export interface MergeFacts {
  method: 'linear' | 'spherical';
  models: readonly { id: string; share: number }[];
}

/** A text, and how similar the model finds others to it. */
export interface CardExample {
  text: string;
  others: readonly { text: string; similarity: number }[];
}

/** What a model card says about a model's training. Every field that is not there is left out of the card. */
export interface CardFacts {
  /** Where the model is opened from, where it is not the folder beside the card. */
  place?: string;
  /** By the hub's name. */
  license?: string;
  /** Codes of the texts' languages. */
  languages?: readonly string[];
  /** Shown with their similarities; the hub's page compares them. */
  examples?: readonly CardExample[];
  /** How the data was understood, in a line. */
  data?: string;
  /** What the rows are, in words, where they are not pairs with scores: 'texts with a class'. */
  rowsAre?: string;
  /** Rows that were trained on, and rows held out for validation. */
  trainPairs?: number;
  validationPairs?: number;
  /** What was trained on the pairs, in words. */
  loss?: string;
  /** Epochs run, and the one whose weights these are; 0 is the untrained model. */
  epochs?: number;
  bestEpoch?: number;
  /** How much of that epoch's weights these are, the rest being those from before, where it is not all. */
  share?: number;
  /** Options of the run as they were in force. */
  options?: Record<string, string | number | boolean | null>;
  /** Runs before this one that changed the weights too. */
  earlierRuns?: number;
  /** Of a small set: rows that were measured, in so many parts, each under a model that had not seen it. */
  crossCheck?: { folds: number; rows: number };
  /** What was gained, and whether that is more than chance makes: one clause. */
  gain?: string;
  /** On the validation pairs, or those of the cross-check, before and after. */
  metrics?: { name: string; before: number; after: number }[];
  /** Cosine similarity from which two texts count as the same, by the measure that it is best for. */
  thresholds?: { name: string; from: number }[];
  /** What stood before the texts in training: before a row's first, and before its others; '' is nothing. */
  prompts?: readonly [first: string, other: string];
  /** Whether rows are what is searched with, and what is found. */
  searches?: boolean;
  /** Where the weights, before any training that is told, were merged. */
  merged?: MergeFacts;
  /** Versions of what computed it, e.g. { vectune, libtorch }. */
  versions?: Record<string, string>;
}

function number(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

/** Text that stands in a Markdown table's cell. */
function cell(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').replaceAll('|', '\\|');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A list of YAML, each on a line of its own. */
function yamlList(key: string, values: readonly string[], indent = ''): string[] {
  return [`${indent}${key}:`, ...values.map((value) => `${indent}- ${JSON.stringify(value)}`)];
}

/** Fields of a card that only its owner knows, as lines by their names: licence, languages, and what the hub's page compares. */
export function ownFields({
  license,
  languages,
  examples,
}: {
  license?: string | undefined;
  languages?: readonly string[] | undefined;
  examples?: readonly { text: string; others: readonly string[] }[] | undefined;
}): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  if (license !== undefined) fields.set('license', [`license: ${JSON.stringify(license)}`]);
  if (languages !== undefined) fields.set('language', yamlList('language', languages));
  if (examples !== undefined) {
    const widget = examples.flatMap(({ text, others }) => [
      `- source_sentence: ${JSON.stringify(text)}`,
      ...yamlList('sentences', others, '  '),
    ]);
    fields.set('widget', ['widget:', ...widget]);
  }
  return fields;
}

/** The README.md of a saved model; `use` says how it is used, by default as a folder of sentence-transformers'. */
export function modelCard(model: ModelFacts, facts: CardFacts, use = usage(model, facts)): string {
  const onHub = model.id.includes('/');
  const trained = facts.trainPairs !== undefined;
  const { license, languages } = facts;
  const examples = facts.examples?.map(({ text, others }) => ({ text, others: others.map((other) => other.text) }));
  const own = ownFields({ license, languages, examples });
  const parts = [
    [
      '---',
      'library_name: sentence-transformers',
      'pipeline_tag: sentence-similarity',
      ...(onHub ? [`base_model: ${JSON.stringify(model.id)}`] : []),
      ...(own.get('license') ?? []),
      ...(own.get('language') ?? []),
      'tags:',
      '- sentence-transformers',
      '- sentence-similarity',
      '- feature-extraction',
      '- vectune',
      ...(own.get('widget') ?? []),
      '---',
    ].join('\n'),
    `# ${trained ? `${model.name}, fine-tuned` : facts.merged === undefined ? model.name : `${model.name}, merged`}`,
    `A sentence-embedding model: a text becomes ${model.dimension} numbers, and texts of like meaning have vectors of high ` +
      `cosine similarity. ${trained ? 'It was fine-tuned with vectune from' : facts.merged === undefined ? 'It was saved by vectune, unchanged, from' : 'It was merged by vectune, into the shape of'} ` +
      `${onHub ? `[${model.id}](https://huggingface.co/${model.id})` : `a local model named "${cell(model.id)}"`}` +
      `${model.revision === undefined ? '' : ` (revision ${model.revision})`}.`,
    table(
      ['', ''],
      [
        ['Architecture', model.architecture],
        ['Modules', model.modules.join(', ')],
        ['Dimension', String(model.dimension)],
        ['Longest input', `${model.maxInputLength} tokens`],
      ],
    ),
  ];
  if (facts.merged !== undefined) {
    const { method, models } = facts.merged;
    parts.push(
      '## Merged from',
      `The weights ${trained ? 'that training began with ' : ''}are the ${method === 'linear' ? 'weighted mean' : 'spherical mean, parameter by parameter,'} of:`,
      table(
        ['model', 'share'],
        models.map(({ id, share }) => [id, number(share)]),
      ),
    );
  }
  if (trained) parts.push('## Training', training(facts));
  if (facts.metrics !== undefined && facts.metrics.length > 0) {
    parts.push(
      '## Before and after',
      `On ${measuredRows(facts)} (they also chose the epoch, so a fresh test set is the better judge):`,
      table(
        ['', 'before', 'after'],
        facts.metrics.map((row) => [row.name, number(row.before), number(row.after)]),
      ),
    );
    if (facts.gain !== undefined) parts.push(`${cell(facts.gain)}.`);
  }
  if (facts.thresholds !== undefined && facts.thresholds.length > 0) {
    parts.push(
      '## Threshold',
      `Two texts count as the same from this cosine similarity on, by ${facts.crossCheck === undefined ? 'the pairs that were held out' : 'the same pairs'}:`,
      table(
        ['best for', 'from'],
        facts.thresholds.map(({ name, from }) => [name, from.toFixed(3)]),
      ),
    );
  }
  if (facts.examples !== undefined) {
    parts.push(
      '## Examples',
      table(
        ['text', 'other text', 'cosine similarity'],
        facts.examples.flatMap(({ text, others }) =>
          others.map((other) => [text, other.text, other.similarity.toFixed(3)]),
        ),
      ),
    );
  }
  parts.push('## Use', use);
  return `${parts.join('\n\n')}\n`;
}

/** What the measures are of. */
function measuredRows({ crossCheck, validationPairs, rowsAre }: CardFacts): string {
  const unit = rowsAre === undefined ? 'pairs' : 'rows';
  if (crossCheck === undefined) return `${validationPairs ?? 'the'} ${unit} that were held out of training`;
  return (
    `all ${crossCheck.rows} ${unit} in ${crossCheck.folds} parts, each under a model that was trained without it; this model ` +
    'was trained with all parts but one'
  );
}

function training(facts: CardFacts): string {
  const rows: [string, string][] = [];
  if (facts.data !== undefined) rows.push(['Data', facts.data]);
  if (facts.loss !== undefined) rows.push(['Loss', facts.loss]);
  const units = facts.rowsAre === undefined ? 'Text pairs' : `Rows (${facts.rowsAre})`;
  if (facts.trainPairs !== undefined) rows.push([`${units} trained on`, String(facts.trainPairs)]);
  if (facts.validationPairs !== undefined) rows.push([`${units} held out`, String(facts.validationPairs)]);
  if (facts.epochs !== undefined) rows.push(['Epochs run', String(facts.epochs)]);
  if (facts.earlierRuns) rows.push(['Fine-tuned before, in runs', String(facts.earlierRuns)]);
  if (facts.bestEpoch !== undefined) {
    rows.push([
      'Weights of',
      facts.bestEpoch === 0
        ? 'before training (no epoch was better)'
        : facts.share === undefined
          ? `epoch ${facts.bestEpoch}`
          : `epoch ${facts.bestEpoch}, ${facts.share} of them, and ${number(1 - facts.share)} of those from before`,
    ]);
  }
  for (const [name, value] of Object.entries(facts.options ?? {})) {
    rows.push([`\`${name}\``, typeof value === 'number' ? number(value) : String(value)]);
  }
  for (const [name, value] of Object.entries(facts.versions ?? {})) rows.push([`Version of ${name}`, value]);
  return table(['', ''], rows);
}

function usage(
  model: ModelFacts,
  { place = 'path/to/this-folder', prompts = ['', ''], searches = false, thresholds }: CardFacts,
): string {
  const [first, second] = ['How old are you?', 'What is your age?'];
  // As it was trained: with the same text before the texts, and the threshold that told the held-out pairs apart best.
  const before = (i: 0 | 1, option: string): string =>
    prompts[i] === '' ? '' : `, ${option.replace('…', JSON.stringify(prompts[i]))}`;
  const apart = prompts[0] !== prompts[1];
  const from = searches ? undefined : thresholds?.[0]?.from;
  return [
    'With vectune (TypeScript):',
    '',
    '```ts',
    "import { TextVectorisation, cosineSimilarity } from 'vectune';",
    '',
    `const model = new TextVectorisation('${place}');`,
    ...(apart
      ? [
          `const [a] = await model.embed(['${first}']${before(0, '{ prompt: … }')});`,
          `const [b] = await model.embed(['${second}']${before(1, '{ prompt: … }')});`,
        ]
      : [`const [a, b] = await model.embed(['${first}', '${second}']${before(0, '{ prompt: … }')});`]),
    from === undefined
      ? 'console.log(cosineSimilarity(a, b));'
      : `console.log(cosineSimilarity(a, b) >= ${from.toFixed(3)} ? 'the same' : 'not the same');`,
    '```',
    '',
    'With sentence-transformers (Python):',
    '',
    '```python',
    'from sentence_transformers import SentenceTransformer, util',
    '',
    `model = SentenceTransformer('${place}')`,
    ...(apart
      ? [
          `a = model.encode('${first}'${before(0, 'prompt=…')})`,
          `b = model.encode('${second}'${before(1, 'prompt=…')})`,
        ]
      : [`a, b = model.encode(['${first}', '${second}']${before(0, 'prompt=…')})`]),
    `print(util.cos_sim(a, b)${from === undefined ? '' : ` >= ${from.toFixed(3)}`})`,
    '```',
    ...promptLines(model),
  ].join('\n');
}

/** The model's prompts, where it has any, behind an empty line. */
export function promptLines({ prompts }: ModelFacts): string[] {
  if (Object.values(prompts).every((prompt) => prompt === '')) return [];
  const list = Object.entries(prompts).map(([name, prompt]) => `\`${name}\` = ${JSON.stringify(prompt)}`);
  return ['', `Prompts: ${list.join(', ')}.`];
}
