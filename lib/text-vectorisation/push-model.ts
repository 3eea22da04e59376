import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosineSimilarity } from '../embed/similarity';
import type { CardExample, CardFacts } from '../model/save/card';
import { saveError } from '../model/save/save';
import { cardTable, EXAMPLES, pushTable, temporaryTable, type PushExample, type PushOptions } from '../push/options';
import { checkRepository, pushFolder, type PushReport } from '../push/push';
import { tokenToWrite } from '../push/token';
import { resolveTable, type ResolvedOf } from '../system/option-table';

/** What `push` was asked for, checked. */
export interface PushRequest
  extends ResolvedOf<typeof pushTable>,
    ResolvedOf<typeof cardTable>,
    ResolvedOf<typeof temporaryTable> {
  repo: string;
  accessToken: string;
}

/**
 * @param ofModel what counts where the options do not say it
 * @throws InvalidArgumentError; PushError: there is no token
 */
export async function pushRequest(
  repo: string,
  options: PushOptions | undefined,
  ofModel: { accessToken?: string | undefined; hubUrl?: string | undefined },
): Promise<PushRequest> {
  const given = resolveTable({ ...pushTable, ...cardTable, ...temporaryTable }, options, { name: 'push', path: '' });
  checkRepository(repo);
  const hubUrl = given.hubUrl ?? ofModel.hubUrl;
  const accessToken = await tokenToWrite(given.accessToken ?? ofModel.accessToken, hubUrl !== undefined);
  return { ...given, hubUrl, repo, accessToken };
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
  request: PushRequest,
  examples: CardExample[],
  save: (folder: string, card: CardFacts) => Promise<string>,
): Promise<PushReport> {
  const { repo, license, languages, force, branch, visibility, message, accessToken, signal, onProgress } = request;
  const { hubUrl, temporaryFolder = tmpdir() } = request;
  const temporary = await mkdtemp(join(temporaryFolder, 'vectune-push-')).catch((error: unknown) => {
    throw saveError(error, temporaryFolder);
  });
  try {
    const folder = await save(join(temporary, 'model'), {
      place: repo,
      examples,
      ...(license !== undefined && { license }),
      ...(languages !== undefined && { languages }),
    });
    return await pushFolder(folder, repo, {
      force,
      branch,
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
