import type { CardFacts } from '../model/save/card';
import type { Replaceable } from '../model/save/save-target';
import type { OpenedModel } from '../model/types';
import type { EncoderPlan } from './plans';
import type { ExportPrecision } from './options';
import type { Weights } from './weights';

/** Weights of each module: the encoder's, and of a Dense or LayerNorm by its index in the head. */
export type WeightsOf = ReadonlyMap<'encoder' | number, Weights>;

export interface ExportJob {
  opened: OpenedModel;
  plan: EncoderPlan;
  precisions: readonly ExportPrecision[];
  /** The new folder, with nothing in it but the folders of modules where they are kept. */
  folder: string;
  weights: WeightsOf;
  card: CardFacts;
  /** Is told how far a file is, by its path in the folder; throws where the export is to stop. */
  onBytes: (file: string, written: number, total: number) => void;
  /** For tests: more bytes of weights than this lie in files of their own. */
  mostInline?: number | undefined;
}

/** A form in which other programs run a model. */
export interface Format {
  /** As it is written in a sentence. */
  name: string;
  replaces: Replaceable;
  /**
   * Refuses what the format cannot say, before anything is written; gives what then fills the folder and tells the paths of
   * graphs and weights.
   */
  prepare: (opened: OpenedModel, plan: EncoderPlan) => Promise<(job: ExportJob) => Promise<string[]>>;
  /** Whether the modules behind the encoder keep their files, beside the format's own. */
  keepsModules: (opened: OpenedModel) => boolean;
  /** What it does otherwise than the model, for people to read. */
  notes: (opened: OpenedModel) => string[] | Promise<string[]>;
}
