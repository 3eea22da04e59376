import { embeddedJson, html, Html } from './html';
import { rowsWords } from './names';
import type { RunRecord } from './record';
import { closeness } from './sections/closeness';
import { curves } from './sections/curves';
import { facts } from './sections/facts';
import { head } from './sections/head';
import { measures } from './sections/measures';
import { rows } from './sections/rows';
import { search } from './sections/search';
import { shares } from './sections/shares';
import { similarities } from './sections/similarities';
import { use } from './sections/use';
import { style } from './style';

/** Where the record stands in the page, so that a later version can draw it anew. */
export const RECORD_ID = 'vectune-run';

/**
 * A run as one HTML file: no script runs, nothing is fetched, every text is escaped. The record itself is in it as JSON,
 * from which `vectune report` makes the page again.
 */
export function renderReport(record: RunRecord): string {
  const { comparison } = record;
  const changed = comparison ?? record.changed ?? null;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>Fine-tuning of ${record.model}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${head(record)}
${curves(record)}
${comparison === null ? null : similarities(record, comparison)}
${closeness(record)}
${record.unshown == null ? null : html`<p class="soft">${record.unshown}</p>`}
${measures(record)}
${shares(record)}
${search(record)}
${changed === null ? null : rows(changed)}
${use(record)}
${facts(record)}
<footer>Made by vectune ${record.versions['vectune'] ?? ''}. This file is complete in itself; it holds texts of ${rowsWords(record)}.</footer>
</main>
${embeddedJson(RECORD_ID, record)}
</body>
</html>
`;
  return page.text;
}
