import { NO_POSITIONS } from '../model/folder/static-embedding';
import type { BareTexts } from '../model/prompts';
import type { OpenedModel } from '../model/types';
import type { LoadedModel } from './loaded-model';

/** What a loaded model is. */
export interface ModelInfo {
  /** Hub id, or the folder's name. */
  id: string;
  /** The encoder's kind; 'static-embedding' where there is none but a table of words. */
  architecture: OpenedModel['architecture'];
  /** Width of an embedding. */
  dimension: number;
  /** The folder's limit in tokens, special tokens included; Infinity where nothing bounds a text (static embeddings). */
  maxInputLength: number;
  /** Most tokens of a text that `maxInputLength` may ask for, special tokens included; Infinity likewise. */
  positions: number;
  /** Numbers that the model is made of. */
  parameters: number;
  /** Where `embed` computes: 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** What the model knows to put before texts, by name; '' is nothing. */
  prompts: Readonly<Record<string, string>>;
  /** What was assumed where the model's folder does not say, for people to read. */
  notes: readonly string[];
}

/** @param bareTexts which texts were embedded with nothing before them */
export function modelInfo({ addon, handle, opened, embedder }: LoadedModel, bareTexts: BareTexts): ModelInfo {
  const { id, architecture, dimension, maxInputLength, positions, layout } = opened;
  const parameters = addon
    .parameters(handle)
    .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return {
    id,
    architecture,
    dimension,
    maxInputLength: bounded(maxInputLength),
    positions: bounded(positions),
    parameters,
    device: embedder.device,
    prompts: { ...layout.prompts },
    notes: [...layout.notes, ...bareTexts.notes(opened)],
  };
}

/** What the engine counts to stands for no bound. */
function bounded(tokens: number): number {
  return tokens >= NO_POSITIONS ? Infinity : tokens;
}
