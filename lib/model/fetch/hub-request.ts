import { setTimeout as sleep } from 'node:timers/promises';
import { DownloadError } from '../../system/errors';
import { fetchUnlessSilent, type Upload } from '../../system/silence';
import { say, words } from '../../system/wording';

/**
 * Requests to the hub. What its answers mean beside the content is told by a DownloadError: ERR_HUB_ACCESS, ERR_HUB_BUSY, or
 * ERR_DOWNLOAD where something else than a hub answered. A hub that is busy is asked again.
 */

/** How often a busy hub is asked again. */
const RETRIES = 3;
/** Before the first time; then twice as long each. */
const FIRST_PAUSE_MS = 500;
/** A hub that asks for more patience than this is told of instead. */
const MAX_PAUSE_MS = 60_000;

const BUSY = new Set([408, 425, 429, 500, 502, 503, 504, 522, 524]);

export interface HubAccess {
  /** Without a slash at its end. */
  hubUrl: string;
  id: string;
  hasToken: boolean;
  signal?: AbortSignal | undefined;
  silenceMs?: number | undefined;
  /** Default FIRST_PAUSE_MS. */
  firstPauseMs?: number | undefined;
  environment: NodeJS.ProcessEnv;
  /** Whether something is written, and not only read. */
  writes?: boolean;
}

export type { Upload };

const token = words('the option `accessToken` or HF_TOKEN', 'HF_TOKEN');

/** fetch for the hub's client. Every answer that comes of it is one that the client understands: content, or 404, and 409 or 412 where something is written. */
export async function hubFetch(
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
  access: HubAccess,
  upload?: Upload,
): Promise<Response> {
  const { signal, silenceMs, environment } = access;
  for (let attempt = 0; ; ++attempt) {
    const request = signal ? { ...init, signal } : init;
    const response = await fetchUnlessSilent(input, request, silenceMs, environment, upload);
    if (response.ok) {
      if (!isPage(response)) return response;
      const text = await response.text().catch(() => '');
      throw notAHub(access, /<title[^>]*>\s*([^<]{1,80}?)\s*<\/title>/i.exec(text)?.[1]);
    }
    if (response.status === 404 || response.status === 416) return response;
    // Someone else was quicker: what that means is told by who writes.
    if (access.writes && (response.status === 409 || response.status === 412)) return response;
    const wait = pause(response, attempt, access.firstPauseMs ?? FIRST_PAUSE_MS);
    const again = BUSY.has(response.status) && attempt < RETRIES && wait <= MAX_PAUSE_MS;
    if (!again) throw await refusal(response, access, wait, attempt);
    await response.body?.cancel();
    await sleep(wait, undefined, signal ? { signal } : {});
  }
}

/** The hub answers with JSON and with files of a model, never with a page. */
function isPage(response: Response): boolean {
  return /^(?:text\/html|application\/xhtml)/i.test(response.headers.get('content-type') ?? '');
}

/** How long to wait: what the hub asks for (Retry-After in seconds or as a date; RateLimit's t), else longer and longer. */
function pause(response: Response, attempt: number, first: number): number {
  const after = response.headers.get('retry-after');
  if (after !== null) {
    const ms = /^\s*\d+(?:\.\d+)?\s*$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
    if (Number.isFinite(ms)) return Math.max(0, ms);
  }
  const reset = /(?:^|[;,\s])t=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1];
  if (reset !== undefined && response.status === 429) return Number(reset) * 1000;
  return first * 2 ** attempt;
}

function notAHub({ hubUrl }: HubAccess, title: string | undefined): DownloadError {
  return new DownloadError(
    'ERR_DOWNLOAD',
    `${hubUrl} answered with a web page${title === undefined ? '' : ` ("${title}")`} where a hub answers with data`,
    {
      remedy: say`Something in between may have answered for it, such as the sign-in page of a network: open ${hubUrl} in a browser, or check the address.`,
    },
  );
}

/** The hub's reason: a JSON error, or a header. */
async function reasonOf(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message');
  if (header) return header.slice(0, 200);
  const text = await response.text().catch(() => '');
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error.slice(0, 200);
  } catch {
    // A page, or nothing.
  }
  return response.statusText;
}

async function refusal(response: Response, access: HubAccess, wait: number, attempt: number): Promise<DownloadError> {
  const { status } = response;
  const { hubUrl, id, hasToken } = access;
  const kind = response.headers.get('x-error-code') ?? '';
  const reason = await reasonOf(response);
  const said = reason === '' ? `${status}` : `${status}: ${reason}`;
  if (kind === 'GatedRepo' || (status === 403 && /gated|access to model|authorized list/i.test(reason))) {
    return new DownloadError(
      'ERR_HUB_ACCESS',
      `${id} is gated, and ${hasToken ? 'this token has no access to it' : 'no token was given'} (${said})`,
      {
        remedy: say`Ask for access at ${hubUrl}/${id}, and pass the token of that account by ${token}.`,
      },
    );
  }
  if (status === 401) {
    return hasToken
      ? new DownloadError('ERR_HUB_ACCESS', `the hub does not accept the token (${said})`, {
          remedy: say`It may be mistyped, expired or of another hub: pass a valid one by ${token}, or none for a public model.`,
        })
      : new DownloadError('ERR_HUB_ACCESS', `${id} is private or is not there (${said})`, {
          remedy: say`Check the name; for a private model pass a token that may read it by ${token}.`,
        });
  }
  if (status === 403) {
    return new DownloadError('ERR_HUB_ACCESS', `the hub refuses access to ${id} (${said})`, {
      remedy: hasToken
        ? say`The token may lack the right to ${access.writes ? 'write to' : 'read'} this repository: pass another by ${token}.`
        : say`Pass a token that may read it by ${token}.`,
    });
  }
  if (BUSY.has(status)) {
    const asked = `asked ${attempt + 1} time${attempt === 0 ? '' : 's'}`;
    const long = wait > MAX_PAUSE_MS ? `, and wants to be asked again in ${Math.ceil(wait / 1000)} seconds` : '';
    return new DownloadError(
      'ERR_HUB_BUSY',
      status === 429
        ? `the hub takes no more requests from here for a while (${said}; ${asked}${long})`
        : `the hub has trouble of its own (${said}; ${asked}${long})`,
      {
        remedy:
          status === 429 && !hasToken
            ? say`Try again later; with a token (${token}) it takes more requests.`
            : say`Try again later.`,
      },
    );
  }
  return new DownloadError('ERR_DOWNLOAD', `the hub answered ${said}`);
}
