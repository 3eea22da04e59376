import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The sources themselves, beside lib and beside dist: nothing is made of them. */
const FOLDER = join(__dirname, '..', '..', 'lib', 'serve', 'page');

const FILES = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/docs': ['api.html', 'text/html; charset=utf-8'],
  '/page/api.mjs': ['api.mjs', 'text/javascript; charset=utf-8'],
  '/page/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page/page.mjs': ['page.mjs', 'text/javascript; charset=utf-8'],
  '/page/projection.mjs': ['projection.mjs', 'text/javascript; charset=utf-8'],
} as const;

/** What a browser may do with the pages: load what the server itself has, ask it, and nothing else. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
};

/** Paths of the pages and of what they load. */
export const PAGE_PATHS: readonly string[] = Object.keys(FILES);

/** The files of the pages at / and /docs, by path. Throws where the package is not whole. */
export function pageFiles(): { path: string; type: string; content: Buffer }[] {
  return Object.entries(FILES).map(([path, [file, type]]) => ({
    path,
    type,
    content: readFileSync(join(FOLDER, file)),
  }));
}
