import type { ChangedRow, MeasureDifference } from '../evaluate/compare';

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
  /** Validation rows under both models; null without them. */
  comparison: RunComparison | null;
  /** Of positives and triplets: cosines of the validation rows' anchors; null where there are none. Absent in earlier records. */
  closeness?: RunCloseness | null;
  /** Why neither that nor a comparison is there; null where there is no more to say. Absent in earlier records. */
  unshown?: string | null;
  /** The rows that were to be kept; null without them. Absent in earlier records. */
  kept?: RunKept | null;
  /** What training changed in the measure that the run went by; null where that is not known. Absent in earlier records. */
  gain?: RunGain | null;
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

export interface RunCloseness {
  /** Cosines of anchors with what belongs to them. */
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

export interface RunComparison {
  /** Labels 0 and 1, or scores; what similarities are compared with. */
  kind: 'labels' | 'scores';
  /** One of each for a row. */
  wanted: number[];
  before: number[];
  after: number[];
  /** Before (a) and after (b), by name. */
  measures: Record<string, MeasureDifference>;
  /** Share of the resamples between the bounds of an interval. */
  confidence: number | null;
  better: ComparedRow[];
  worse: ComparedRow[];
}

/** Before (a) and after (b), with the bounds of the difference. */
export interface RunGain extends MeasureDifference {
  /** A name in `epochs[].measures`. */
  measure: string;
  /** Share of the resamples between the bounds; null where that is not known. */
  confidence: number | null;
}

/** A row with its similarities under both models. */
export interface ComparedRow extends ChangedRow {
  before: number;
  after: number;
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
