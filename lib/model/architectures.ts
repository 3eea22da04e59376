import { albert } from './architectures/albert';
import { bert } from './architectures/bert';
import { camembert } from './architectures/camembert';
import type { Description } from './architectures/description';
import { distilbert } from './architectures/distilbert';
import { electra } from './architectures/electra';
import { gemma3Text } from './architectures/gemma3-text';
import { gte } from './architectures/gte';
import { modernbert } from './architectures/modernbert';
import { mpnet } from './architectures/mpnet';
import { nomicBert } from './architectures/nomic-bert';
import { qwen2 } from './architectures/qwen2';
import { qwen3 } from './architectures/qwen3';
import { roberta } from './architectures/roberta';
import { xlmRoberta } from './architectures/xlm-roberta';

/** The architectures that vectune runs; what the engine knows of them is in native/engine/model/architectures. */
export const ARCHITECTURES = {
  albert,
  bert,
  camembert,
  distilbert,
  electra,
  gemma3_text: gemma3Text,
  gte,
  modernbert,
  mpnet,
  nomic_bert: nomicBert,
  qwen2,
  qwen3,
  roberta,
  'xlm-roberta': xlmRoberta,
} as const satisfies Record<string, Description>;

export type Architecture = keyof typeof ARCHITECTURES;

export const ARCHITECTURE_NAMES = Object.keys(ARCHITECTURES) as Architecture[];

export function describe(name: Architecture): Description {
  return ARCHITECTURES[name];
}
