/**
 * Parts that models of transformers have beside their encoder, for tasks that vectors are not made by, and tables that
 * follow from the configuration: left over in most folders.
 */
const KNOWN =
  /^(?:pooler|cls|lm_head|head|decoder|classifier|pre_classifier|score|qa_outputs|vocab_(?:transform|layer_norm|projector)|discriminator_predictions|generator_predictions|generator_lm_head)(?:\.|$)|(?:^|\.)(?:position_ids|token_type_ids|inv_freq|masked_bias)$/;

/** Names told of; the rest is counted. */
const MOST = 5;

/** What people should know where a folder's weights have tensors that nothing is computed with. */
export function unclaimedNotes(unused: readonly string[]): string[] {
  const names = unused.filter((name) => !KNOWN.test(name));
  if (names.length === 0) return [];
  const more = names.length > MOST ? ` and ${names.length - MOST} more` : '';
  return [
    `Of the folder's weights nothing is computed with ${names.slice(0, MOST).join(', ')}${more}: the architecture has no ` +
      'such part. If the model does, its vectors are others.',
  ];
}
