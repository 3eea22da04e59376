import { inTurn, runWork, spread } from '../measure.mjs';
import { flop } from './flop.mjs';
import { rate, row } from './row.mjs';

export async function embedding(c) {
  const ours = (precision) => () => runWork('vectune', { ...c.embedding, precision });
  const st = (precision) => () => runWork('sentenceTransformers', { ...c.embedding, precision }, { python: c.python });
  const tjs = (dtype, sorted) => () => runWork('transformersJs', { ...c.embedding, ...c.onnx, dtype, sorted });
  const works = {
    ...Object.fromEntries(c.embeddingPrecisions.map((precision) => [precision, ours(precision)])),
    ...Object.fromEntries(c.precisions.map((precision) => [`st ${precision}`, st(precision)])),
    'tjs fp32 as given': tjs('fp32', false),
    'tjs fp32 sorted': tjs('fp32', true),
    'tjs q8 sorted': tjs('q8', true),
  };
  const results = await inTurn(Object.values(works), c.runs);
  const count = c.embedding.texts.length;
  const found = Object.fromEntries(
    Object.keys(works).map((name, i) => [name, spread(results[i], ({ seconds }) => count / seconds)]),
  );
  c.figures.push({ work: 'embed', texts: count, found });
  const share = (precision) =>
    (flop('minilm', c.embeddingLengths, false) * found[precision].median) / count / (c.peak[precision] * 1e9);
  const line = (name, peer, minimum, of) => {
    const ratio = found[name].median / found[peer].median;
    return row(
      `embed ${count} questions, ${name}, against ${of}`,
      {
        ours: rate(found[name].median, 'texts/s'),
        peer: rate(found[peer].median, 'texts/s'),
        ratio,
        share: name === 'int8' ? null : share(name),
      },
      minimum === null ? [] : [[`≥ ${minimum} ×`, ratio >= minimum]],
    );
  };
  return [
    ['fp32', 'st fp32', 1.6, 'sentence-transformers fp32'],
    ['bf16', 'st bf16', 1.7, 'sentence-transformers bf16'],
    ['fp32', 'tjs fp32 sorted', 1.45, 'transformers.js fp32 sorted'],
    ['fp32', 'tjs fp32 as given', null, 'transformers.js fp32 as given'],
    ['int8', 'tjs q8 sorted', 2, 'transformers.js int8 sorted'],
  ]
    .filter(([name]) => found[name])
    .map((args) => line(...args));
}
