// The works that are measured, with their goals: each gives rows { what, ours, peer, ratio, share, peak, goal, reached }.
import { encoders } from './encoders.mjs';
import { busyNeighbour, inTurn, runWork, spread } from './measure.mjs';

const SHAPES = { minilm: { hidden: 384, inner: 1536, layers: 6 }, distiluse: { hidden: 768, inner: 3072, layers: 6 } };

/** Floating-point operations of one pass over texts of these lengths: the encoder's products, and attention. */
export function flop(shape, lengths, training) {
  const { hidden, inner, layers } = SHAPES[shape];
  const perToken = 2 * layers * (4 * hidden * hidden + 2 * hidden * inner);
  const forward = lengths.reduce((sum, length) => sum + length * (perToken + 4 * length * hidden * layers), 0);
  return training ? 3 * forward : forward;
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
const rate = (value, unit) => `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ${unit}`;

/** One row; `goals` are [name, reached] and all must be reached. */
function row(what, { ours, peer = '', ratio = null, share = null, peak = '' }, goals) {
  return {
    what,
    ours,
    peer,
    ratio: ratio === null ? '' : `${ratio.toFixed(2)} ×`,
    share: share === null ? '' : `${(100 * share).toFixed(0)} %`,
    peak,
    goal: goals.map(([name]) => name).join('; '),
    reached: goals.length === 0 ? '' : goals.every(([, good]) => good) ? 'yes' : 'NO',
  };
}

async function trainingRow(c, { shape, model, batchSize, precision, runs, goals, environment, peak, peer = true }) {
  const request = {
    kind: 'finetune',
    model,
    precision,
    batchSize,
    threads: c.threads,
    maxInputLength: 64,
    ...c.training,
  };
  const [ours, theirs] = await inTurn(
    [
      () => runWork('vectune', request, { environment }),
      ...(peer ? [() => runWork('sentenceTransformers', request, { python: c.python, environment })] : []),
    ],
    runs ?? c.runs,
  );
  const tokens = ours[0].tokens;
  const mine = spread(ours, ({ seconds }) => tokens / seconds);
  const its = theirs && spread(theirs, ({ seconds }) => tokens / seconds);
  const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
  const facts = {
    ratio: its ? mine.median / its.median : null,
    tokensPerSecond: mine.median,
    resident,
    share: (flop(shape, c.lengths, true) * mine.median) / tokens / ((peak ?? c.peak)[precision] * 1e9),
  };
  c.figures.push({
    work: 'finetune',
    shape,
    batchSize,
    precision,
    environment,
    ours: mine,
    peer: its,
    resident,
    peerResident: theirs && spread(theirs, ({ peakBytes }) => peakBytes).median,
    share: facts.share,
    tokens,
  });
  return [
    row(
      `fine-tune ${shape}, batch ${batchSize}, ${precision}${environment ? ', AVX2' : ''}`,
      {
        ours: `${rate(mine.median, 'tokens/s')} (${rate(mine.low, '').trim()}–${rate(mine.high, '').trim()})`,
        peer: its ? `${rate(its.median, 'tokens/s')} sentence-transformers` : '',
        ratio: facts.ratio,
        share: facts.share,
        peak: megabytes(resident),
      },
      goals(facts),
    ),
    facts,
  ];
}

export const groups = {
  async training(c) {
    const rows = [];
    const minimum = { fp32: [3, 0.8, 1.4e9], bf16: [4, 0.7, 1.1e9] };
    for (const precision of c.precisions) {
      const [ratio, share, resident] = minimum[precision];
      let at32 = 0;
      for (const batchSize of [16, 32, 128]) {
        const [found, facts] = await trainingRow(c, {
          shape: 'minilm',
          model: c.model,
          batchSize,
          precision,
          goals: (f) =>
            batchSize < 128
              ? [
                  [`≥ ${ratio} ×`, f.ratio >= ratio],
                  [`≥ ${100 * share} % of the bound`, f.share >= share],
                ]
              : [
                  ['≥ batch 32', f.tokensPerSecond >= at32],
                  [`peak ≤ ${resident / 1e9} GB`, f.resident <= resident],
                ],
        });
        if (batchSize === 32) at32 = facts.tokensPerSecond;
        rows.push(found);
      }
    }
    return rows;
  },

  async distiluse(c) {
    const rows = [];
    const minimum = { fp32: 3.3, bf16: 4.3 };
    for (const precision of c.precisions) {
      const ratio = minimum[precision];
      const [found] = await trainingRow(c, {
        shape: 'distiluse',
        model: await c.distiluse(),
        batchSize: 16,
        precision,
        goals: (f) => [
          [`≥ ${ratio} ×`, f.ratio >= ratio],
          ['peak ≤ 2 GB', f.resident <= 2e9],
        ],
      });
      rows.push(found);
    }
    return rows;
  },

  /** Positives of Quora, each with the nearest text that is not its duplicate. */
  async ranking(c) {
    const rows = [];
    const { triplets, short } = await c.triplets();
    const minimum = { fp32: 3.3, bf16: 4.5 };
    for (const precision of c.precisions) {
      for (const [batchSize, stepSize] of [
        [64, 64],
        [64, 512],
      ]) {
        const request = {
          kind: 'finetune',
          model: c.model,
          precision,
          batchSize,
          stepSize,
          threads: c.threads,
          maxInputLength: 64,
          triplets,
        };
        const [ours, theirs] = await inTurn(
          [() => runWork('vectune', request), () => runWork('sentenceTransformers', request, { python: c.python })],
          c.runs,
        );
        const speed = (results) => spread(results, ({ seconds }) => triplets.length / seconds);
        const peak = (results) => spread(results, ({ peakBytes }) => peakBytes).median;
        const [mine, its] = [speed(ours), speed(theirs)];
        const ratio = mine.median / its.median;
        const memory = peak(ours) / peak(theirs);
        const cached = stepSize > batchSize;
        c.figures.push({
          work: 'ranking',
          precision,
          batchSize,
          stepSize,
          ours: mine,
          peer: its,
          resident: peak(ours),
          peerResident: peak(theirs),
        });
        rows.push(
          row(
            `ranking, batch ${stepSize}, ${precision}, against ${cached ? 'its cached loss' : 'MultipleNegativesRankingLoss'}`,
            {
              ours: rate(mine.median, 'triplets/s'),
              peer: rate(its.median, 'triplets/s'),
              ratio,
              peak: `${megabytes(peak(ours))} of ${megabytes(peak(theirs))}`,
            },
            cached
              ? [
                  ['≥ 4 ×', ratio >= 4],
                  ['half of the memory', memory <= 0.5],
                ]
              : [[`≥ ${minimum[precision]} ×`, ratio >= minimum[precision]]],
          ),
        );
      }
    }
    const [many] = await inTurn(
      [
        () =>
          runWork('vectune', {
            kind: 'finetune',
            model: c.model,
            precision: c.precisions.at(-1),
            batchSize: 64,
            stepSize: short.length,
            threads: c.threads,
            maxInputLength: 16,
            triplets: short,
          }),
      ],
      1,
    );
    const resident = many[0].peakBytes;
    c.figures.push({ work: 'ranking', stepSize: short.length, resident, seconds: many[0].seconds });
    rows.push(
      row(
        `ranking, batch ${short.length} of short texts`,
        { ours: rate(short.length / many[0].seconds, 'triplets/s'), peak: megabytes(resident) },
        [['peak < 1.5 GB', resident < 1.5e9]],
      ),
    );
    return rows;
  },

  /** Hard negatives of 10,000 anchors in 100,000 passages, beside what the products alone would take. */
  async mining(c) {
    const [queries, passages, dimensions] = [10_000, 100_000, 384];
    const request = { kind: 'mine', model: c.model, threads: c.threads, queries, passages, dimensions };
    const [ours] = await inTurn([() => runWork('vectune', request)], c.runs);
    const products = (2 * queries * passages * dimensions) / (c.peak.fp32 * 1e9);
    const mine = spread(ours, ({ seconds }) => seconds);
    const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
    const ratio = mine.median / products;
    c.figures.push({ work: 'mining', queries, passages, dimensions, ours: mine, products, resident });
    return [
      row(
        'hard negatives of 10,000 anchors in 100,000 passages, search alone',
        { ours: rate(mine.median, 's'), peer: `${rate(products, 's')} the products`, ratio, peak: megabytes(resident) },
        [['≤ 3 ×', ratio <= 3]],
      ),
    ];
  },

  encoders: (c) => encoders(c, row),

  async embedding(c) {
    const ours = (precision) => () => runWork('vectune', { ...c.embedding, precision });
    const st = (precision) => () =>
      runWork('sentenceTransformers', { ...c.embedding, precision }, { python: c.python });
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
  },

  async single(c) {
    const request = {
      kind: 'single',
      model: c.model,
      threads: c.threads,
      texts: c.embedding.texts.slice(0, 300),
      batchSize: 1,
    };
    const goals = { fp32: 4, bf16: 2.8, int8: 1.8 };
    const precisions = c.embeddingPrecisions;
    const results = await inTurn(
      [
        ...precisions.map((precision) => () => runWork('vectune', { ...request, precision })),
        () => runWork('sentenceTransformers', { ...request, precision: 'fp32' }, { python: c.python }),
        () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'fp32' }),
        () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'q8' }),
      ],
      c.runs,
    );
    const medians = results.map((list) => spread(list, ({ medianMs }) => medianMs).median);
    const tails = results.map((list) => spread(list, ({ p95Ms }) => p95Ms).median);
    c.figures.push({ work: 'single', order: [...precisions, 'st fp32', 'tjs fp32', 'tjs q8'], medians, tails });
    const rows = precisions.map((precision, i) => {
      const peer = precisions.length + (precision === 'int8' ? 2 : 1);
      return row(
        `one text, ${precision}`,
        {
          ours: `${medians[i].toFixed(2)} ms, p95 ${tails[i].toFixed(2)}`,
          peer: `${medians[peer].toFixed(2)} ms transformers.js, ${medians[precisions.length].toFixed(1)} sentence-transformers`,
          ratio: medians[peer] / medians[i],
        },
        [[`median and p95 ≤ ${goals[precision]} ms`, medians[i] <= goals[precision] && tails[i] <= goals[precision]]],
      );
    });
    const [callers] = await inTurn(
      [
        () =>
          runWork('vectune', {
            ...request,
            kind: 'callers',
            precision: 'fp32',
            texts: c.embedding.texts.slice(0, 800),
          }),
      ],
      c.runs,
    );
    const ratio = spread(callers, ({ together, apart }) => together.medianMs / apart.medianMs).median;
    rows.push(
      row(
        '8 callers at once, of one call with 8 texts',
        {
          ours: `${spread(callers, ({ apart }) => apart.medianMs).median.toFixed(2)} ms`,
          peer: `${spread(callers, ({ together }) => together.medianMs).median.toFixed(2)} ms one call`,
          ratio,
        },
        [['≥ 0.85 ×', ratio >= 0.85]],
      ),
    );
    return rows;
  },

  async start(c) {
    const request = {
      kind: 'start',
      model: c.model,
      threads: c.threads,
      precision: 'fp32',
      texts: ['How old are you?'],
      batchSize: 1,
    };
    const results = await inTurn(
      [
        () => runWork('vectune', request),
        () => runWork('sentenceTransformers', request, { python: c.python }),
        () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'fp32' }),
      ],
      c.runs + 1,
    );
    const seconds = results.map((list) => spread(list.slice(1), ({ processSeconds }) => processSeconds).median); // cache filled
    const resident = spread(results[0].slice(1), ({ residentBytes }) => residentBytes).median;
    c.figures.push({ work: 'start', order: ['vectune', 'st', 'tjs'], seconds, resident });
    return [
      row(
        'process start to first vector',
        {
          ours: `${seconds[0].toFixed(2)} s`,
          peer: `${seconds[1].toFixed(1)} s sentence-transformers, ${seconds[2].toFixed(2)} s transformers.js`,
          ratio: seconds[2] / seconds[0],
          peak: megabytes(resident),
        },
        [
          ['≤ 0.6 s', seconds[0] <= 0.6],
          ['resident ≤ 350 MB', resident <= 350e6],
        ],
      ),
    ];
  },

  async lengths(c) {
    const rows = [];
    for (const tokens of [8, 32, 64, 128, 256, 512]) {
      // One-token words: a text of so many tokens with the special ones. About 16,000 tokens in all, 1,024 a step.
      const text = Array.from({ length: tokens - 2 }, (_, i) => ['good', 'water', 'house', 'time', 'hand'][i % 5]).join(
        ' ',
      );
      const count = Math.max(16, 2 * Math.round(8192 / tokens));
      const batchSize = Math.max(1, Math.round(512 / tokens));
      for (const precision of c.precisions) {
        const base = { model: c.model, precision, threads: c.threads, maxInputLength: tokens };
        const pairs = Array.from({ length: count / 2 }, () => [text, text]);
        const [train, embed] = await inTurn(
          [
            () =>
              runWork('vectune', { ...base, kind: 'finetune', batchSize, pairs, scores: pairs.map((_, i) => i % 2) }),
            () => runWork('vectune', { ...base, kind: 'embed', texts: Array(count).fill(text), batchSize }),
          ],
          Math.min(3, c.runs),
        );
        const lengths = Array(count).fill(tokens);
        const share = (results, training) =>
          flop('minilm', lengths, training) / spread(results, (r) => r.seconds).median / (c.peak[precision] * 1e9);
        const [a, b] = [share(train, true), share(embed, false)];
        c.figures.push({ work: 'lengths', tokens, precision, training: a, embedding: b });
        rows.push(
          row(
            `texts of ${tokens} tokens, ${precision}`,
            {
              ours: `training ${(100 * a).toFixed(0)} %, embedding ${(100 * b).toFixed(0)} % of the bound`,
              share: Math.min(a, b),
            },
            [['≥ 65 % of the bound', Math.min(a, b) >= 0.65]],
          ),
        );
      }
    }
    return rows;
  },

  async neighbour(c) {
    const rows = [];
    const most = { fp32: 0.03, bf16: 0.08 };
    for (const precision of c.precisions) {
      const loss = most[precision];
      const request = {
        kind: 'finetune',
        model: c.model,
        precision,
        batchSize: 16,
        threads: c.threads,
        maxInputLength: 64,
        ...c.training,
      };
      const beside = async (work) => {
        const stop = busyNeighbour();
        try {
          return await work();
        } finally {
          stop();
        }
      };
      const ours = (environment) => () => runWork('vectune', request, { environment });
      const st = () => runWork('sentenceTransformers', request, { python: c.python });
      const pieces = [ours(), () => beside(ours()), ours({ OMP_WAIT_POLICY: 'active' })];
      if (precision === 'fp32') pieces.push(st, () => beside(st));
      const results = await inTurn(pieces, Math.min(3, c.runs));
      const [idle, busy, spinning, peerIdle, peerBusy] = results.map(
        (list) => spread(list, ({ seconds }) => 1 / seconds).median,
      );
      const kept = busy / idle;
      const cost = 1 - idle / spinning;
      c.figures.push({
        work: 'neighbour',
        precision,
        kept,
        cost,
        peerKept: peerBusy === undefined ? null : peerBusy / peerIdle,
      });
      rows.push(
        row(
          `a neighbour keeps a core busy, ${precision}`,
          {
            ours: `${(100 * kept).toFixed(0)} % of idle; waiting asleep costs ${(100 * cost).toFixed(1)} % when idle`,
            peer: peerBusy === undefined ? '' : `${((100 * peerBusy) / peerIdle).toFixed(0)} % sentence-transformers`,
          },
          [
            ['≥ 55 % of idle', kept >= 0.55],
            [`≤ ${100 * loss} % loss when idle`, cost <= loss],
          ],
        ),
      );
    }
    return rows;
  },

  async eventLoop(c) {
    const request = {
      kind: 'finetune',
      model: c.model,
      precision: c.precisions.at(-1),
      batchSize: 16,
      threads: c.threads,
      maxInputLength: 64,
      ...c.training,
    };
    const [free, busy] = await inTurn(
      [() => runWork('vectune', request), () => runWork('vectune', { ...request, busyLoop: 0.5 })],
      c.runs,
    );
    const slower = spread(busy, (r) => r.seconds).median / spread(free, (r) => r.seconds).median;
    // Half of one core of all: what is left is (threads − 0.5) / threads.
    const allowed = c.threads / (c.threads - 0.5);
    c.figures.push({ work: 'eventLoop', slower, allowed });
    return [
      row(
        `the caller's event loop busy half of the time, ${c.precisions.at(-1)}`,
        { ours: `takes ${slower.toFixed(2)} times as long` },
        [[`≤ ${allowed.toFixed(2)} times`, slower <= allowed]],
      ),
    ];
  },

  /** Goal: 20 ms, tokenisation included; what loading takes (the tokeniser is built on the caller's thread) is told too. */
  async blocks(c) {
    const texts = Array.from({ length: 10_000 }, (_, i) => c.pairs[(i >> 1) % c.pairs.length][i & 1]);
    const pairs = Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i], texts[2 * i + 1]]);
    const [results] = await inTurn(
      [
        () =>
          runWork('vectune', {
            kind: 'blocks',
            model: c.model,
            precision: c.precisions.at(-1),
            batchSize: 32,
            threads: c.threads,
            maxInputLength: 64,
            texts,
            pairs,
            scores: pairs.map((_, i) => i % 2),
          }),
      ],
      Math.min(3, c.runs),
    );
    return ['load', 'embed', 'finetune'].map((phase) => {
      const longest = spread(results, (r) => r[phase].longestMs);
      const usual = spread(results, (r) => r[phase].p999Ms).median;
      c.figures.push({ work: 'blocks', phase, texts: texts.length, longest, usual });
      return row(
        `longest block of the event loop, ${phase === 'load' ? 'load' : `${phase} of ${texts.length} texts`}`,
        {
          ours: `${longest.median.toFixed(1)} ms (${longest.low.toFixed(1)}–${longest.high.toFixed(1)}), 99.9 %: ${usual.toFixed(1)} ms`,
        },
        phase === 'load' ? [] : [['≤ 20 ms', longest.median <= 20]],
      );
    });
  },

  async scale(c) {
    const rows = [];
    let first;
    for (const count of c.full ? [1000, 10000, 100000] : [1000, 10000]) {
      const pairs = Array.from({ length: count }, (_, i) => c.pairs[i % c.pairs.length]);
      const scores = Array.from({ length: count }, (_, i) => i % 2);
      const [results] = await inTurn(
        [
          () =>
            runWork('vectune', {
              kind: 'finetune',
              model: c.model,
              precision: c.precisions.at(-1),
              batchSize: 32,
              threads: c.threads,
              maxInputLength: 64,
              pairs,
              scores,
            }),
        ],
        count === 100000 ? 1 : Math.min(3, c.runs),
      );
      const perToken = spread(results, ({ seconds, tokens }) => seconds / tokens).median;
      const { residentBytes, tokens } = results[0];
      first ??= { perToken, residentBytes, tokens };
      const time = perToken / first.perToken;
      c.figures.push({ work: 'scale', count, perToken, residentBytes, tokens });
      rows.push(
        row(
          `${count} pairs, ${c.precisions.at(-1)}`,
          {
            ours: `${(1e6 * perToken).toFixed(0)} µs per token, ${time.toFixed(2)} of 1,000 pairs'`,
            peak: megabytes(residentBytes),
          },
          [['flat within 10 %', Math.abs(time - 1) <= 0.1]],
        ),
      );
    }
    return rows;
  },

  async avx2(c) {
    const environment = { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', MKL_ENABLE_INSTRUCTIONS: 'AVX2' };
    const peak = await c.measurePeak(environment);
    const [found] = await trainingRow(c, {
      shape: 'minilm',
      model: c.model,
      batchSize: 16,
      precision: 'fp32',
      environment,
      peak,
      runs: Math.min(3, c.runs),
      goals: (f) => [['≥ 2 ×', f.ratio >= 2]],
    });
    return [{ ...found, what: `${found.what} (peak ${peak.fp32} GFLOP/s, kernels ${peak.simd})` }];
  },
};
