// Mistakes that people make, each really made: what the library throws. In an empty folder, with a hub of our own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const lib = (name) => require(`../../dist/${name}.js`);

/** @returns {Promise<{ title: string, error: Error, program: boolean }[]>} `program`: on the command line it cannot be made */
export async function raised() {
  const { readScored } = lib('data/read');
  const { listRows } = lib('data/lists');
  const { checkRow } = lib('data/validate');
  const { resolveOptions } = lib('finetune/resolved-options');
  const { checkTrainingRows } = lib('finetune/training-rows');
  const { resolveLoss } = lib('finetune/losses/choice');
  const { checkFits } = lib('finetune/losses/fit');
  const { collectRows } = lib('data/source');
  const { splitRows } = lib('finetune/split');
  const { readTexts } = lib('data/texts');
  const { readFolder } = lib('model/folder/read');
  const { resolveModel } = lib('model/fetch/resolve');
  const { checkSaveTarget } = lib('model/save/save-target');
  const { TextVectorisation, balance } = lib('index');
  const list = [];
  const raise = async (title, work, program = false) => {
    try {
      await work();
    } catch (error) {
      list.push({ title, error, program });
      return;
    }
    throw new Error(`${title}: nothing was thrown`);
  };
  const drain = async (source) => {
    for await (const _ of source);
  };
  const data = (title, name, content, options) =>
    raise(title, () => {
      if (content !== undefined) writeFileSync(name, content);
      return drain(readScored(name, options));
    });

  await data('a data file with columns of other names', 'faq.csv', 'question,answer,duplicate\na,b,1\n');
  await data('one column missing', 'faq.csv', 'text1,text2,quality\na,b,1\n');
  await data('two columns for the score', 'faq.csv', 'text1,text2,score,label\na,b,1,1\n');
  await data('a column that is named wrongly', 'faq.csv', 'first,second,score\na,b,1\n', {
    columns: { text1: 'frist', text2: 'second' },
  });
  await data('the same name twice in a header', 'faq.csv', 'text1,text2,score,score\na,b,1,1\n');
  await data('scores from 0 to 5', 'sts.csv', 'text1,text2,score\na,b,0.5\nc,d,4.2\n');
  await data('a score that is a word', 'faq.csv', 'text1,text2,score\na,b,0.5\nc,d,perhaps\n');
  await data('an empty score', 'faq.csv', 'text1,text2,score\na,b,0.5\nc,d,\n');
  await data('a field too many', 'faq.csv', 'text1,text2,score\na,b,1\nc,d,and more,1\n');
  await data('a field too few', 'faq.csv', 'text1,text2,score\na,b,1\nc,1\n');
  await data('a quote that is not closed', 'faq.csv', 'text1,text2,score\na,b,1\n"c,d,1\n');
  await data('an inch that is no quote', 'faq.tsv', 'text1\ttext2\tscore\n"5 inch\tb\t1\nc\td\t0\ne\tf"\t1\n');
  await data('a header and no rows', 'faq.csv', 'text1,text2,score\n');
  await data('an empty file', 'faq.csv', '');
  await data('bytes of Windows-1252', 'faq.csv', Buffer.from('text1,text2,score\nIt\x92s,b,1\n', 'latin1'));
  await data('UTF-16 without a mark', 'faq.csv', Buffer.from('text1,text2,score\na,b,1\n', 'utf16le'));
  await data('an encoding that is not one', 'faq.csv', 'text1,text2,score\na,b,1\n', { encoding: 'windows-1525' });
  await data('a workbook', 'faq.xlsx', 'PK\x03\x04');
  await data('an extension that says nothing', 'faq.dat', 'text1,text2,score\na,b,1\n');
  await data('a line that is not JSON', 'faq.jsonl', '{"text1":"a","text2":"b","score":1}\n{"text1":"a",\n');
  await data('a text that is a number', 'faq.jsonl', '{"text1":"a","text2":7,"score":1}\n');
  await data('a key that is missing', 'faq.jsonl', '{"text1":"a","text2":"b","score":1}\n{"text1":"a","text2":"b"}\n');
  await data('no Parquet', 'faq.parquet', 'text1,text2,score\na,b,1\n');
  await data('a file that is not there', 'nowhere.csv');
  mkdirSync('folder/inside', { recursive: true });
  await data('a folder', 'folder');
  await data('a format that is not known', 'faq.csv', undefined, { format: 'exel' });
  await data('quoting of JSON Lines', 'faq.jsonl', undefined, { quoting: false });
  await data('a range upside down', 'faq.csv', undefined, { scoreRange: [5, 0] });
  await data('an option of another program', 'faq.csv', undefined, { sep: ';;' });

  const texts = (title, name, content, options) =>
    raise(title, () => {
      if (content !== undefined) writeFileSync(name, content);
      return drain(readTexts(name, options));
    });
  await texts('embed: a folder', 'folder');
  await texts('embed: a file that is not there', 'nowhere.txt');
  await texts('embed: bytes of Windows-1252', 'texts.txt', Buffer.from('It\x92s\n', 'latin1'));
  await texts('embed --jsonl: no JSON', 'texts.jsonl', '"one"\nhello\n', { json: true });
  await texts('embed --jsonl: no text', 'texts.jsonl', '"one"\n{"txt":"two"}\n', { json: true });

  const lists = (pairs, scores) => [...listRows(pairs, scores).rows].map((read) => read());
  await raise('pairs without scores', () => lists([['a', 'b']], undefined), true);
  await raise('triples in place of pairs', () => lists([['a', 'b', 1]], undefined), true);
  await raise('triples beside scores', () => lists([['a', 'b', 1]], [1]), true);
  await raise(
    'fewer scores than pairs',
    () =>
      lists(
        [
          ['a', 'b'],
          ['c', 'd'],
        ],
        [1],
      ),
    true,
  );
  await raise('a score above 1', () => lists([['a', 'b']], [5]), true);
  await raise('a row with other names', () => checkRow({ question: 'a', answer: 'b' }, { row: 0 }), true);
  await raise('a row that is a list', () => checkRow(['a', 'b', 1], { row: 0 }), true);
  const rowsOf = (title, name, content, file) => {
    writeFileSync(name, content);
    return raise(title, () => collectRows(name, { file, onBadRow: 'refuse' }, new AbortController().signal));
  };
  await rowsOf('several rows that cannot be used', 'faq.csv', 'text1,text2,score\na,b,high\nc,d\n');
  await rowsOf('a vector of another length', 'faq.jsonl', '{"text":"a","vector":[1,2]}\n{"text":"b","vector":[1]}\n');
  await rowsOf('columns that make no row', 'faq.csv', 'q,a,s\nx,y,1\n', { columns: { anchor: 'q', label: 's' } });
  await rowsOf('a column that is not there', 'faq.csv', 'query,answer\nx,y\n', {
    columns: { anchor: 'quer', positive: 'answer' },
  });
  await raise('a loss that does not fit', () =>
    checkFits(resolveLoss('loss', 'triplet'), { form: 'classes', rows: [['a']], labels: [0], labelWidth: 1 }),
  );
  await raise('one row', () => splitRows(1, 0.15, 1));
  await raise('balance of one class', () => balance([{ text1: 'a', text2: 'b', score: 1 }]), true);
  const rows = { train: Int32Array.of(0, 1), validation: new Int32Array(0) };
  await raise('duplicates only', () =>
    checkTrainingRows(
      {
        pairs: [
          ['a', 'b'],
          ['c', 'd'],
        ],
        scores: [1, 1],
      },
      rows,
      false,
    ),
  );
  await raise('the same column twice', () =>
    checkTrainingRows(
      {
        pairs: [
          ['a', 'a'],
          ['c', 'c'],
        ],
        scores: [1, 0],
      },
      rows,
      false,
    ),
  );

  const options = (title, given) => raise(title, () => resolveOptions(given));
  await options('lr', { lr: 1e-4 });
  await options('a loss of another name', { loss: 'MultipleNegativesRankingLos' });
  await options('an option of a loss', { loss: { name: 'cosent', scale: 0 } });
  await options('num_train_epochs', { num_train_epochs: 3 });
  await options('gradient_accumulation_steps', { gradient_accumulation_steps: 4 });
  await options('fp16', { fp16: true });
  await options('weight_decay', { weight_decay: 0.01 });
  await options('output_dir', { output_dir: 'out' });
  await options('columns beside file', { columns: { text1: 'question' } });
  await options('a slip of the pen', { epoch: 3 });
  await options('nothing like it', { colour: 'red' });
  await options('a text for a number', { epochs: '3' });
  await options('no schedule', { schedule: 'lineer' });
  await options('early stopping without validation', { validationSplit: 0, earlyStopping: { patience: 2 } });
  await options('warm-up twice', { warmupSteps: 10, warmupRatio: 0.1 });
  await options('a batch larger than a step', { batchSize: 64, effectiveBatchSize: 32 });
  await options('resume from nowhere', { resume: true });
  await options('checkpoint as a path', { checkpoint: 'runs' });
  await options('a checkpoint without a folder', { checkpoint: { everySteps: 10 } });
  await options('how to resume what is not resumed', { allowInexact: true });
  await raise('a token by its name elsewhere', () => new TextVectorisation('m', { token: 'hf_x' }), true);
  await raise('an option of finetune for the model', () => new TextVectorisation('m', { epochs: 3 }), true);
  await raise('no model', () => new TextVectorisation(undefined), true);
  const model = new TextVectorisation('m');
  await raise('batch_size for embed', () => model.embed('a', { batch_size: 32 }), true);
  await raise('a number for a text', () => model.embed(['a', 7]), true);
  await model.dispose();
  await raise('after dispose', () => model.embed('a'), true);

  await raise('save: a file is there', () => checkSaveTarget('faq.csv'));
  await raise('save: a folder of other things', () => checkSaveTarget('folder'));
  await raise('a model folder that is none', () => readFolder('folder', 'folder'));
  mkdirSync('gpt2');
  writeFileSync('gpt2/config.json', '{"model_type":"gpt2"}');
  await raise('a model of an unknown kind', () => readFolder('gpt2', 'gpt2'));
  writeFileSync('gpt2/config.json', '{"model_type":');
  await raise('a configuration that was cut off', () => readFolder('gpt2', 'gpt2'));

  // A hub that answers as it is told to.
  let answer;
  const hub = createServer((_request, response) => {
    response.writeHead(answer.status, { 'retry-after': '0', ...answer.headers });
    response.end(answer.body ?? '');
  });
  await new Promise((resolve) => hub.listen(0, '127.0.0.1', resolve));
  const hubUrl = `http://127.0.0.1:${hub.address().port}`;
  const fetched = (title, told, more = {}) =>
    raise(title, () => {
      answer = told;
      return resolveModel('owner/name', { hubUrl, cacheFolder: 'cache', ...more });
    });
  const json = { 'content-type': 'application/json' };
  await fetched('a private model, or a slip in its name', { status: 401 });
  await fetched('a token that is not accepted', { status: 401 }, { accessToken: 'hf_x' });
  await fetched('a gated model', { status: 403, headers: { 'x-error-code': 'GatedRepo' } });
  await fetched('a hub that refuses', { status: 403 });
  await fetched('too many requests', { status: 429 });
  await fetched('a hub in trouble', { status: 503 });
  await fetched('no such repository', { status: 404, headers: json, body: '{"error":"Repository not found"}' });
  await fetched('the sign-in page of a network', {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<html><title>Sign in to Hotel WiFi</title></html>',
  });
  await fetched('offline, and not in the cache', { status: 200 }, { offline: true });
  await new Promise((resolve) => hub.close(resolve));
  await raise('a file for a model', () => resolveModel('gpt2/config.json', { cacheFolder: 'cache' }));
  await raise('a name that is none', () => resolveModel('my model', { cacheFolder: 'cache' }));
  return list;
}
