import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PushError } from '../system/errors';
import { say, words } from '../system/wording';

/**
 * The token that may write: the one that is given, else HF_TOKEN, else, for the hub of the environment alone, the one that
 * `hf auth login` has kept (HF_TOKEN_PATH, else `token` in HF_HOME).
 *
 * @param elsewhere whether another hub than the environment's was named: a kept token is not for it
 * @throws PushError ERR_HUB_ACCESS: there is none
 */
export async function tokenToWrite(given: string | undefined, elsewhere: boolean): Promise<string> {
  const token = given ?? process.env['HF_TOKEN'] ?? (elsewhere ? undefined : await keptToken());
  if (token) return token;
  throw new PushError('ERR_HUB_ACCESS', 'A push needs a token that may write to the repository, and none was given.', {
    remedy: say`Make one on the hub's page of settings, and pass it by ${words('the option `accessToken` or HF_TOKEN', 'HF_TOKEN')}, or log in with Hugging Face's own \`hf auth login\`.`,
  });
}

async function keptToken(): Promise<string | undefined> {
  const environment = process.env;
  const cache = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const home = environment['HF_HOME'] || join(cache, 'huggingface');
  const text = await readFile(environment['HF_TOKEN_PATH'] || join(home, 'token'), 'utf8').catch(() => '');
  return text.trim() || undefined;
}
