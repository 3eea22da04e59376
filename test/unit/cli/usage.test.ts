import { vectune } from './run';

/** What is typed wrongly: the error, one line that points to the help, and exit code 2. */

const finetune = ['finetune', 'rows.csv', '--model', 'm', '--out', 'o'];

test.each<[string, string[], string, string]>([
  [
    'a name of another program',
    [...finetune, '--lr', '3'],
    "unknown option '--lr'. Did you mean --learning-rate?",
    'finetune',
  ],
  [
    'two for one',
    [...finetune, '--gradient-accumulation-steps', '3'],
    "unknown option '--gradient-accumulation-steps'. Give --effective-batch-size <rows>, the rows of one step, and --batch-size <rows|auto>, the rows computed at once.",
    'finetune',
  ],
  [
    'one value for another',
    [...finetune, '--fp16'],
    "unknown option '--fp16'. Did you mean --precision fp16?",
    'finetune',
  ],
  [
    'an option of the program alone',
    [...finetune, '--save-path', 'x'],
    "unknown option '--save-path'. Did you mean --out?",
    'finetune',
  ],
  ['a slip of the pen', [...finetune, '--epoch', '3'], "unknown option '--epoch'. Did you mean --epochs?", 'finetune'],
  [
    'no number',
    [...finetune, '--epochs', 'x'],
    "option '--epochs <n>' argument 'x' is invalid. Expected a number.",
    'finetune',
  ],
  [
    'a number that cannot be',
    [...finetune, '--epochs', '0'],
    '--epochs must be an integer from 1, but is 0. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'no choice',
    [...finetune, '--schedule', 'lineer'],
    '--schedule must be one of constant, linear, cosine, but is lineer. Did you mean linear? [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'no device',
    [...finetune, '--device', 'gpu'],
    '--device must be auto, cpu, cuda or a GPU by its number as cuda:1, but is gpu. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'what is missing',
    ['finetune', 'rows.csv', '--model', 'm'],
    "required option '--out <folder>' not specified",
    'finetune',
  ],
  [
    'all that is missing',
    ['finetune', 'rows.csv'],
    "required options '--model <id|folder>' and '--out <folder>' not specified",
    'finetune',
  ],
  [
    'a misspelt flag rather than the missing one that it leaves',
    ['finetune', 'rows.csv', '--modle', 'm', '--out', 'o'],
    "unknown option '--modle'. Did you mean --model?",
    'finetune',
  ],
  [
    'one without the other',
    [...finetune, '--checkpoint-steps', '3'],
    '--checkpoint is missing. Give --checkpoint <folder>. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'resume from nowhere',
    [...finetune, '--resume'],
    '--resume was given, but no --checkpoint tells where to look. Give --checkpoint <folder>, or the folder as --resume <folder>. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'resumed how',
    [...finetune, '--allow-inexact'],
    '--allow-inexact says how to resume, but --resume was not given. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'both',
    [...finetune, '--no-early-stopping', '--patience', '3'],
    '--no-early-stopping leaves nothing for --patience to do; give one or the other. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'nothing to validate with',
    [...finetune, '--patience', '3', '--validation-split', '0'],
    '--patience and --min-delta need validation rows, but --validation-split is 0. Leave them out, or give a --validation-split above 0. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'batches',
    [...finetune, '--batch-size', '64', '--effective-batch-size', '32'],
    '--batch-size (rows computed at once) is 64, but --effective-batch-size (rows of one step) is only 32. Raise --effective-batch-size, or lower --batch-size. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'a batch of words',
    [...finetune, '--batch-size', 'many'],
    '--batch-size must be an integer from 1, or auto, but is many. [ERR_INVALID_OPTION]',
    'finetune',
  ],
  [
    'too much',
    ['mine', 'rows.csv', 'x.csv', '--model', 'm', '--out', 'o'],
    "too many arguments for 'mine'. Expected 1 argument but got 2.",
    'mine',
  ],
  ['a command that is none', ['finetun'], "unknown command 'finetun'. Did you mean finetune?", ''],
  ['embed without a model', ['embed', 'hello'], "required option '--model <id|folder>' not specified", 'embed'],
  [
    'embed: a file and texts',
    ['embed', '--model', 'm', 'x.txt', 'hello'],
    '"x.txt" names a file, but other texts were given too: name one file and nothing else, or give all as --texts. [ERR_INVALID_OPTION]',
    'embed',
  ],
  [
    'embed: how to read what is not read',
    ['embed', '--model', 'm', '--jsonl', 'hello'],
    '--jsonl says how a file is read, but the texts are arguments. [ERR_INVALID_OPTION]',
    'embed',
  ],
  [
    'libtorch install',
    ['libtorch', 'install', '--cuda', '--cpu'],
    '--cuda and --cpu ask for opposite things: name one of them. [ERR_INVALID_OPTION]',
    'libtorch install',
  ],
])('%s', async (_, args, message, command) => {
  const { code, stdout, stderr } = await vectune(args);
  expect(stderr.split('\n')).toEqual([
    `vectune: ${message}`,
    `All options: npx vectune${command === '' ? '' : ` ${command}`} --help`,
    '',
  ]);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test('the help of every command fits in 80 columns, but for a single word', async () => {
  const names = [...(await vectune(['--help'])).stdout.matchAll(/^ {2}([a-z]+) (?:\[|<| )/gm)].map(([, name]) => name!);
  expect(names).toEqual(expect.arrayContaining(['finetune', 'embed', 'serve', 'doctor']));
  for (const args of [[], ...names.map((name) => [name])]) {
    const { stdout } = await vectune([...args, '--help']);
    expect(stdout.split('\n').filter((line) => line.length > 80 && /\s/.test(line.trim()))).toEqual([]);
  }
}, 60_000);

test('--help is for the standard output, ends with 0 and tells the exit codes', async () => {
  const whole = await vectune(['--help']);
  expect(whole).toMatchObject({ code: 0, stderr: '' });
  expect(whole.stdout).toContain('Exit codes: 0 done, 1 failed, 2 ');
  const { stdout } = await vectune(['finetune', '--help']);
  for (const words of [
    '--learning-rate <rate>',
    "--learning-rate <rate> peak learning rate (default: the recipe's)",
    "training rows, at most (default: the recipe's)",
    "(default: the model's own limit)",
    '--no-quoting',
  ])
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(words);
});
