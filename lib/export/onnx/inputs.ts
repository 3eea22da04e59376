import type { EncoderSpec } from '../../engine/model-spec';
import type { EncoderPlan } from '../plans';
import type { Graph, Value } from './graph';

/** What a text is given as: [batch × sequence], int64. */
export interface Inputs {
  ids: Value;
  /** 1 for a token, 0 for what fills a shorter text up. */
  mask: Value;
  /** Undefined where the model has none. */
  types: Value | undefined;
}

export function encoderInputs(graph: Graph, plan: EncoderPlan, spec: EncoderSpec): Inputs {
  const shape = ['batch_size', 'sequence_length'];
  const ids = graph.input('input_ids', 'int64', shape);
  const mask = graph.input('attention_mask', 'int64', shape);
  const typed = plan.kind === 'transformer' && plan.tokenTypes && spec.typeVocabSize > 0;
  return { ids, mask, types: typed ? graph.input('token_type_ids', 'int64', shape) : undefined };
}

/** The sequence's length, as a list of one. */
export function sequenceLength(graph: Graph, ids: Value): Value {
  const [from, to, axis] = [[1], [2], [0]].map((values) => graph.integers(values));
  return graph.op('Slice', [graph.op('Shape', [ids]), from!, to!, axis!]);
}
