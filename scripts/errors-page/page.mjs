// The page of every message: mistakes that are really made, every option with a wrong value, and every message of the code.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messagesOf } from './from-source.mjs';
import { raised } from './raised.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const PAGE = join(ROOT, 'docs', 'errors.md');
const require = createRequire(import.meta.url);

/** Every message: under which heading, what is printed in a program and on the command line. */
export async function messages() {
  const { api } = require('../../dist/system/wording.js');
  const { cli } = require('../../dist/cli/surface.js');
  return [
    ...(await mistakes(cli)),
    ...(await typedWrongly()),
    ...wrongValues(cli),
    ...messagesOf(ROOT, { api, cli }).flatMap(({ file, code, className, texts }) =>
      texts.map((text) => ({ part: 'code', file, code, className, ...text })),
    ),
  ];
}

async function mistakes(cli) {
  const { messageFor } = require('../../dist/system/errors.js');
  const here = process.cwd();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vectune-errors-')));
  const { HF_TOKEN, HF_HUB_OFFLINE } = process.env;
  Object.assign(process.env, { HF_HOME: join(folder, 'hf'), VECTUNE_CACHE: join(folder, 'cache') });
  delete process.env.HF_TOKEN;
  delete process.env.HF_HUB_OFFLINE;
  process.chdir(folder);
  try {
    const plain = (text) =>
      text
        .replaceAll(folder, '/home/you')
        .replaceAll(homedir(), '~')
        // The reason is the engine's of JavaScript, and another in each of its versions.
        .replaceAll(/(this is not JSON: ).*/g, '$1‹reason›')
        .replaceAll(/(not valid JSON \()[^)]*\)/g, '$1‹reason›)')
        .replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, 'https://hub.example');
    return (await raised()).map(({ title, error, program }) => ({
      part: 'made',
      title,
      code: error.code,
      className: error.name,
      api: plain(error.message),
      // The command line has no names that are not its own.
      cli: program || error.code === 'ERR_UNKNOWN_OPTION' ? null : plain(messageFor(error, cli)),
    }));
  } finally {
    process.chdir(here);
    rmSync(folder, { recursive: true });
    if (HF_TOKEN !== undefined) process.env.HF_TOKEN = HF_TOKEN;
    if (HF_HUB_OFFLINE !== undefined) process.env.HF_HUB_OFFLINE = HF_HUB_OFFLINE;
  }
}

/** What is typed wrongly, by the command itself. */
async function typedWrongly() {
  const finetune = ['finetune', 'faq.csv', '--model', 'm', '--out', 'o'];
  const embed = ['embed', '--model', 'm'];
  const typed = [
    [...finetune, '--lr', '1e-4'],
    [...finetune, '--epoch', '3'],
    [...finetune, '--fp16'],
    [...finetune, '--epochs', 'three'],
    [...finetune, '--epochs', '0'],
    [...finetune, '--memory-limit', 'much'],
    [...finetune, '--score-range', '5'],
    [...finetune, '--no-early-stopping', '--patience', '3'],
    [...finetune, '--checkpoint-steps', '100'],
    [...finetune, '--log-every', '0'],
    ['finetune', 'faq.csv', '--model', 'm'],
    ['finetun', 'faq.csv'],
    [...embed, 'nowhere.txt'],
    [...embed, 'texts.txt', 'a text'],
    [...embed, '--jsonl', 'a text'],
    [...embed, '--out', '/', 'a text'],
    ['libtorch', 'install', '--cuda', '--cpu'],
  ];
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vectune-errors-')));
  const main = join(ROOT, 'dist/cli/main.js');
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    const list = [];
    for (const args of typed) {
      const ran = await new Promise((resolve) => {
        execFile(process.execPath, [main, ...args], { cwd: folder, env }, (error, _out, stderr) =>
          resolve({ code: error?.code ?? 0, stderr }),
        );
      });
      const shown = args.map((one) => (/\s/.test(one) ? `"${one}"` : one)).join(' ');
      list.push({ part: 'typed', title: `npx vectune ${shown}`, code: ran.code, api: null, cli: ran.stderr.trimEnd() });
    }
    return list;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Each option of each table with a value that it does not take. */
function wrongValues(cli) {
  const { messageFor } = require('../../dist/system/errors.js');
  const { flattened } = require('../../dist/system/option-table.js');
  const { finetuneTable } = require('../../dist/finetune/options.js');
  const { embedTable, textVectorisationTable } = require('../../dist/text-vectorisation-options.js');
  const { evaluateTable } = require('../../dist/evaluate/options.js');
  const tables = [
    ['finetune', finetuneTable],
    ['TextVectorisation', textVectorisationTable],
    ['embed', embedTable],
    ['evaluate', evaluateTable],
  ];
  return tables.flatMap(([owner, table]) =>
    flattened(table).flatMap(({ path, entry }) => {
      // A switch has no value that could be wrong.
      const typed = entry.flag !== undefined && !entry.typed.endsWith('switch');
      try {
        entry.check(path, entry.members === undefined ? 'mistake' : 7);
        entry.check(path, 7);
      } catch (error) {
        return [
          {
            part: 'options',
            title: owner,
            code: error.code,
            className: error.name,
            api: error.message,
            cli: typed ? messageFor(error, cli) : null,
          },
        ];
      }
      return [];
    }),
  );
}

const codeOrder = () =>
  [...readFileSync(join(ROOT, 'lib/system/errors.ts'), 'utf8').matchAll(/\| '(ERR_[A-Z_]+)'|= '(ERR_[A-Z_]+)'/g)].map(
    (match) => match[1] ?? match[2],
  );

/** The whole page. */
export function pageOf(all) {
  const lines = [
    '# Errors',
    '',
    'Every message that vectune prints, made by `npm run errors` from the errors themselves; a test refuses a page that is out',
    'of date. An error has a `code`, which is stable between versions; a `message`, which is not; a `row` and a `file` where it',
    'is theirs; and a `remedy`, the end of the message in pieces that name options by their paths. Its class says what kind of',
    'trouble it is.',
    '',
    'A message names options in the words of whoever reads it. Where the command line has other words than a program, they',
    'stand behind `$`. `vectune` ends with 0 when all is done, 1 when something failed, 2 when what was typed cannot be meant,',
    'and 128 and the number of the signal that ended it (130 Ctrl-C, 143 SIGTERM).',
    '',
    '## Mistakes that people make',
    '',
    'What is printed when each is made.',
    '',
  ];
  for (const one of all.filter(({ part }) => part === 'made'))
    lines.push(`**${one.title}** (\`${one.code}\`)`, '', ...block([one]), '');
  lines.push('## What is typed wrongly', '', 'The command, what it prints, and its exit code.', '');
  for (const one of all.filter(({ part }) => part === 'typed'))
    lines.push('```text', `$ ${one.title}`, one.cli, `(${one.code})`, '```', '');
  lines.push('## A value that an option does not take', '');
  for (const owner of new Set(all.filter(({ part }) => part === 'options').map(({ title }) => title))) {
    const own = all.filter(({ part, title }) => part === 'options' && title === owner);
    lines.push(`Options of \`${owner}\`:`, '', ...block(own), '');
  }
  lines.push('## All messages by code', '', 'Between ‹ and › stands what is known only when it happens.', '');
  const byCode = all.filter(({ part }) => part === 'code');
  const order = codeOrder();
  const place = (code) => (order.includes(code) ? order.indexOf(code) : order.length);
  for (const code of [...new Set(byCode.map((one) => one.code))].sort((a, b) => place(a) - place(b))) {
    const own = byCode.filter((one) => one.code === code);
    const unique = [...new Map(own.map((one) => [`${one.api}\n${one.cli}`, one])).values()].sort((a, b) =>
      a.api < b.api ? -1 : 1,
    );
    const classes = [...new Set(own.map(({ className }) => className))].filter((name) => name !== 'Error');
    lines.push(`### ${code}`, '', `\`${classes.join('`, `')}\``, '', ...block(unique), '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function block(list) {
  const texts = list.flatMap(({ api, cli }) => [
    ...(api === null ? [] : [api]),
    ...(cli === null || cli === api ? [] : [`$ ${cli}`]),
  ]);
  return ['```text', ...texts, '```'];
}
