const SHAPES = { minilm: { hidden: 384, inner: 1536, layers: 6 }, distiluse: { hidden: 768, inner: 3072, layers: 6 } };

/** Floating-point operations of one pass over texts of these lengths: the encoder's products, and attention. */
export function flop(shape, lengths, training) {
  const { hidden, inner, layers } = SHAPES[shape];
  const perToken = 2 * layers * (4 * hidden * hidden + 2 * hidden * inner);
  const forward = lengths.reduce((sum, length) => sum + length * (perToken + 4 * length * hidden * layers), 0);
  return training ? 3 * forward : forward;
}
