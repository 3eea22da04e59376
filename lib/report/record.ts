import type { ChangedRow } from '../evaluate/changed-rows';
import type { MeasureDifference } from '../evaluate/differences';
import type { Outcome } from './outcome';

/** Everything that a report shows. Plain data: it survives JSON. */
export interface RunRecord {
  /** Tells it from other JSON. */
  format: 'vectune-run';
  version: 1;
  /** When it was written, as ISO 8601. */
  created: string;
  /** The model that training began with. */
  model: string;
  /** Folder of the tuned model; null where it was not saved when this was written. */
  folder: string | null;
  /** What was read and how it was divided, in words, a line each. */
  data: string[];
  /** What was set, as told in the summary; in order. */
  settings: Record<string, string | number | boolean | null>;
  /** Of vectune, LibTorch, Node. */
  versions: Record<string, string>;
  /** Steps, at most some thousand: of a longer run every n-th. */
  steps: RunStep[];
  /** The untrained model (epoch 0) and each epoch, as validated. */
  epochs: RunEpoch[];
  /** The measure to go by: a name in `epochs[].measures`. */
  primary: string;
  /** The measure by which the epoch was chosen. */
  chosenBy: string;
  /** Whose weights the model has; 0 for the untrained ones. */
  bestEpoch: number;
  stoppedEarly: boolean;
  seconds: number | null;
  /** What the rows are; null of several data sets. Absent in earlier records. */
  form?: string | null;
  /** What stood before the texts: one text, or one by column, or either by data set; null where nothing did. Absent in earlier records. */
  prompts?: RunPrompts | null;
  /** Where the model is used from: a program, or the command line. Absent in earlier records. */
  surface?: 'api' | 'cli';
  /** How the run ended before its end; null where it did not. Absent in earlier records. */
  stopped?: string | null;
  /** Validation rows, or those of `comparison.of`, under both models; null without them. */
  comparison: RunComparison | null;
  /** Of other forms than pairs: the rows that changed most; null without them. Absent in earlier records. */
  changed?: RunChanged | null;
  /** Cosines of texts that belong together, of one set or each; null or none where there are none. Absent in earlier records. */
  closeness?: RunCloseness | RunCloseness[] | null;
  /** Why neither that nor a comparison is there; null where there is no more to say. Absent in earlier records. */
  unshown?: string | null;
  /** The search for learning rate and batch; null without one. Absent in earlier records. */
  search?: RunSearch | null;
  /** The rows that were to be kept; null without them. Absent in earlier records. */
  kept?: RunKept | null;
  /** What training changed in the measure that the run went by; null where that is not known. Absent in earlier records. */
  gain?: RunGain | null;
  /** Of a small set: rows that were measured, in so many parts, each under a model that had not seen it; null else. Absent in earlier records. */
  crossCheck?: { folds: number; rows: number } | null;
  /** Whether the model has trained weights, or else why it is as it was. Absent in earlier records. */
  outcome?: Outcome;
  /** How far similarities of random pairs of the data's texts moved; null where it was not measured. */
  drift: RunDrift | null;
  /** What is worth knowing, a sentence each. */
  notes: string[];
}

export interface RunStep {
  /** Since training began, from 1. */
  step: number;
  /** Epochs done by then, with the part of the one under way. */
  epoch: number;
  loss: number;
  learningRate: number;
}

export interface RunEpoch {
  epoch: number;
  trainingLoss: number | null;
  /** By name: `loss`, and those of the form. */
  measures: Record<string, number | null>;
  /** The share of the trained weights that was taken, of those that were tried. Absent in earlier records. */
  share?: number | null;
  tried?: RunShare[];
}

/** A share of the trained weights, as it was measured. */
export interface RunShare {
  share: number;
  /** In the measure that the run went by. */
  value: number | null;
  /** In that of the rows to keep; null without them. */
  kept: number | null;
}

/** One text, one by column, or either by data set. */
export type RunPrompts = string | { [name: string]: RunPrompts };

/** The trials that chose learning rate and batch. */
export interface RunSearch {
  measure: string;
  /** Rows that each was trained on and measured with; null where that is not known. */
  rows: { training: number; validation: number } | null;
  trials: RunTrial[];
  /** What the run was trained with. */
  chosen: { learningRate: number; effectiveBatchSize: number | null } | null;
}

export interface RunTrial {
  learningRate: number;
  /** Rows of one step; null where they were found as the run began. */
  effectiveBatchSize: number | null;
  /** In the measure that the search went by. */
  value: number | null;
  seconds: number | null;
}

export interface RunCloseness {
  /** Of several data sets: which. */
  set?: string;
  /** What belongs together; default anchors with what belongs to them. */
  togetherWith?: string;
  /** Cosines of what belongs together. */
  together: { before: number[]; after: number[] };
  /** With what does not. */
  apart: { before: number[]; after: number[] };
  /** What that is. */
  apartFrom: string;
}

export interface RunKept {
  /** A name of a measure. */
  measure: string;
  rows: number | null;
  before: number | null;
  after: number | null;
  /** By how much it might fall. */
  margin: number | null;
  /** Whether less of the training was taken for it. */
  bound: boolean;
}

/** Rows that changed most. */
export interface RunChanged {
  /**
   * What they are: pairs with labels 0 and 1 or scores, by their similarity; queries, by the place of the first text that
   * belongs to them; triplets; texts with classes, by the silhouette; texts with a teacher's vector, by the cosine with
   * it; pairs with classes, by how likely a classifier holds their class to be.
   */
  kind: 'labels' | 'scores' | 'queries' | 'triplets' | 'texts' | 'vectors' | 'pairs';
  better: ComparedRow[];
  worse: ComparedRow[];
}

export interface RunComparison extends RunChanged {
  /** Rows of other data than the run's; null or absent: the validation rows. */
  of?: { name: string; rows: number } | null;
  /** The measure of those to go by. */
  primary?: string;
  /** Of pairs: label or score of each row. */
  wanted: number[];
  before: number[];
  after: number[];
  /** Before (a) and after (b), by name. */
  measures: Record<string, MeasureDifference>;
  /** Share of the resamples between the bounds of an interval. */
  confidence: number | null;
}

/** Before (a) and after (b), with the bounds of the difference. */
export interface RunGain extends MeasureDifference {
  /** A name in `epochs[].measures`. */
  measure: string;
  /** Share of the resamples between the bounds; null where that is not known. */
  confidence: number | null;
}

/** A row with what stands for it under both models: see `RunChanged.kind`. */
export interface ComparedRow extends ChangedRow {
  /** Null where there is none: no text that belongs to a query was found. */
  before: number | null;
  after: number | null;
}

export interface RunDrift {
  /** Pairs of texts that were drawn. */
  pairs: number;
  /** Mean cosine of them. */
  before: number;
  after: number;
  /** Rank correlation of their similarities before with those after; null where it is not defined. */
  spearman: number | null;
  /** Mean of how far a pair's similarity moved; null where that is not known. Absent in earlier records. */
  meanChange?: number | null;
}

export function isRunRecord(value: unknown): value is RunRecord {
  const record = value as Partial<RunRecord> | null;
  return typeof record === 'object' && record !== null && record.format === 'vectune-run' && record.version === 1;
}
