import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModel } from '../../lib/model/open';
import type { OpenedModel } from '../../lib/model/types';
import type { DatasetHandle, EngineAddon, ModelHandle, TrainerHandle } from '../../lib/engine/addon';
import type { NativeDevice } from '../../lib/engine/compute';
import type { TrainerOptions } from '../../lib/engine/training';
import { loadEngine } from '../../lib/engine/load';
import { readTensors, type Tensor } from './safetensors';

/** See tiny_models.py. */
export const CASES = [
  'bert-mean',
  'bert-dense',
  'distilbert-mean',
  'distilbert-dense',
  'roberta-mean',
  'roberta-dense',
  'bert-residual',
  'roberta-layer-norm',
  'bert-unigram',
  'xlm-roberta-mean',
  'camembert-mean',
  'electra-mean',
  'electra-projected',
  'albert-mean',
  'albert-cls',
  'mpnet-mean',
  'modernbert-mean',
  'modernbert-cls',
  'nomic_bert-mean',
  'gte-cls',
  'gte-mean',
  'qwen2-lasttoken',
  'qwen2-mean',
  'qwen3-lasttoken',
  'qwen3-mean',
  'gemma3_text-mean',
  'gemma3_text-lasttoken',
] as const;
/** Of no encoder: a table of words. */
export const STATIC_CASES = ['static-dense', 'static-model2vec'] as const;
export type CaseName = (typeof CASES)[number] | (typeof STATIC_CASES)[number];

/** The processor's own passes, and what is made for GPUs on LibTorch's CPU tensors: both are held to the same tolerances. */
export const DEVICES = ['cpu', 'cpu-tensors'] as const satisfies readonly NativeDevice[];
const placed = <Name extends CaseName>(names: readonly Name[]) =>
  names.flatMap((name) => DEVICES.map((device) => [name, device] as const));
export const PLACED = placed(CASES);
export const STATIC_PLACED = placed(STATIC_CASES);

/** case.json, as generate.py writes it. */
export interface CaseFacts {
  /** Texts 2i and 2i + 1 are pair i. */
  texts: string[];
  ids: number[][];
  scores: number[];
  /** Texts whose hidden states are in expected.safetensors. */
  traced: number[];
  loss: number;
  learningRate: number;
  clipAt: number;
  stepRows: number[][];
  losses: Record<string, number[]>;
  gradientNorms: number[];
}

export interface PackedTexts {
  ids: Int32Array;
  offsets: Int32Array;
}

export function packTexts(texts: readonly (readonly number[])[]): PackedTexts {
  const offsets = new Int32Array(texts.length + 1);
  texts.forEach((ids, i) => {
    offsets[i + 1] = offsets[i]! + ids.length;
  });
  return { ids: Int32Array.from(texts.flat()), offsets };
}

export function range(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}

/** Columns and their offsets of rows of two texts: texts 2i and 2i + 1 are row i's. */
export function pairsOf(rows: number): [columns: Int32Array, rowOffsets: Int32Array] {
  return [range(2 * rows), range(rows + 1).map((i) => 2 * i)];
}

/** torch.optim.AdamW's defaults, decay and dropout off. */
export const PLAIN: TrainerOptions = {
  precision: 'fp32',
  loss: { name: 'cosine-mse' },
  seed: 1,
  dropout: 0,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  biasCorrection: true,
  maxGradientNorm: null,
  freeze: [],
  memoryLimit: null,
};

/** Resolves once the engine has freed what was disposed: it does so on its own thread, in the order of the calls. */
export async function freed(addon: EngineAddon): Promise<void> {
  await addon.setThreads(addon.info().threads);
}

/** One model of the fixtures in the engine, with the reference's numbers. */
export class ParityCase {
  readonly #folder: string;

  private constructor(
    readonly addon: EngineAddon,
    readonly facts: CaseFacts,
    readonly expected: ReadonlyMap<string, Tensor>,
    readonly opened: OpenedModel,
    readonly model: ModelHandle,
    readonly dataset: DatasetHandle,
    readonly device: NativeDevice,
    folder: string,
  ) {
    this.#folder = folder;
  }

  static async open(name: CaseName, device: NativeDevice): Promise<ParityCase> {
    const fixture = join(__dirname, 'fixtures', name);
    const facts = JSON.parse(readFileSync(join(fixture, 'case.json'), 'utf8')) as CaseFacts;
    const addon = await loadEngine();
    const opened = await openModel(join(fixture, 'model'));
    const model = await addon.createModel(opened.spec, opened.weightFiles, 0);
    const { ids, offsets } = packTexts(facts.ids);
    const dataset = await addon.createDataset(
      ids,
      offsets,
      ...pairsOf(facts.scores.length),
      Float32Array.from(facts.scores),
    );
    const expected = readTensors(join(fixture, 'expected.safetensors'));
    await addon.useDevice(device, null);
    const folder = mkdtempSync(join(tmpdir(), 'vectune-'));
    return new ParityCase(addon, facts, expected, opened, model, dataset, device, folder);
  }

  dispose(): void {
    this.addon.disposeDataset(this.dataset);
    this.addon.disposeModel(this.model);
    rmSync(this.#folder, { recursive: true });
  }

  get pairs(): number {
    return this.facts.scores.length;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Runs `work` with a trainer of a fresh copy of the model, so that every call begins with the same weights. */
  async train<T>(
    options: Partial<TrainerOptions>,
    work: (trainer: TrainerHandle, model: ModelHandle) => Promise<T>,
    dataset: DatasetHandle = this.dataset,
  ): Promise<T> {
    const model = await this.addon.createModel(this.opened.spec, this.opened.weightFiles, 0);
    const trainer = await this.addon.createTrainer(model, dataset, { ...PLAIN, device: this.device, ...options });
    try {
      return await work(trainer, model);
    } finally {
      this.addon.disposeTrainer(trainer);
      this.addon.disposeModel(model);
    }
  }

  /** The model's weights by the engine's names, as `saveModel` writes them; tensors that it does not use included. */
  async weights(model: ModelHandle = this.model): Promise<Map<string, Tensor>> {
    const tensors = new Map<string, Tensor>();
    for (const { module } of this.opened.weightFiles) {
      const path = this.path(`weights-${module}.safetensors`);
      await this.addon.saveModel(model, [{ path, module }]);
      for (const [name, tensor] of readTensors(path)) {
        tensors.set(module === 'encoder' ? name : `head.${module}.${name}`, tensor);
      }
    }
    return tensors;
  }
}

/** Gives a case to the tests of one `describe`, opened before them and disposed after. */
export function useCase(name: CaseName, device: NativeDevice = 'cpu'): () => ParityCase {
  let opened: ParityCase | undefined;
  beforeAll(async () => {
    opened = await ParityCase.open(name, device);
  });
  afterAll(() => opened?.dispose());
  return () => opened!;
}
