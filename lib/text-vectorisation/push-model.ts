import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosineSimilarity } from '../embed/similarity';
import type { CardExample, CardFacts } from '../model/save/card';
import { cardTable, EXAMPLES, pushTable, type PushExample, type PushOptions } from '../push/options';
import { checkRepository, pushFolder, tokenToWrite, type PushReport } from '../push/push';
import { resolveTable, type ResolvedOf } from '../system/option-table';

/** What `push` was asked for, checked. */
export interface PushRequest extends ResolvedOf<typeof pushTable>, ResolvedOf<typeof cardTable> {
  repo: string;
  accessToken: string;
}

/**
 * @param ofModel what counts where the options do not say it
 * @throws InvalidArgumentError; PushError: there is no token
 */
export function pushRequest(
  repo: string,
  options: PushOptions | undefined,
  ofModel: { accessToken?: string | undefined; hubUrl?: string | undefined },
): PushRequest {
  const given = resolveTable({ ...pushTable, ...cardTable }, options, { name: 'push', path: '' });
  checkRepository(repo);
  const accessToken = tokenToWrite(given.accessToken ?? ofModel.accessToken);
  return { ...given, hubUrl: given.hubUrl ?? ofModel.hubUrl, repo, accessToken };
}

/** The examples with the similarities that the model gives them. */
export async function similarExamples(
  embed: (texts: readonly string[]) => Promise<Float32Array[]>,
  examples: readonly PushExample[] = EXAMPLES,
): Promise<CardExample[]> {
  const shown: CardExample[] = [];
  for (const { text, others } of examples) {
    const [vector, ...vectors] = await embed([text, ...others]);
    const similarities = vectors.map((other) => cosineSimilarity(vector!, other));
    shown.push({ text, others: others.map((other, i) => ({ text: other, similarity: similarities[i]! })) });
  }
  return shown;
}

/** Pushes a model, which `save` writes to a folder aside, with what the card says beside the model's own facts. */
export async function pushModel(
  { repo, license, languages, force, visibility, message, accessToken, signal, onProgress, hubUrl }: PushRequest,
  examples: CardExample[],
  save: (folder: string, card: CardFacts) => Promise<string>,
): Promise<PushReport> {
  const temporary = await mkdtemp(join(tmpdir(), 'vectune-push-'));
  try {
    const folder = await save(join(temporary, 'model'), {
      place: repo,
      examples,
      ...(license !== undefined && { license }),
      ...(languages !== undefined && { languages }),
    });
    return await pushFolder(folder, repo, {
      force,
      visibility,
      message,
      accessToken,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(hubUrl !== undefined && { hubUrl }),
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
