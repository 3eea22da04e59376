// npm run errors: writes docs/errors.md from the errors themselves. Needs dist (npm run build).
import { writeFileSync } from 'node:fs';
import { messages, PAGE, pageOf } from './errors-page/page.mjs';

writeFileSync(PAGE, pageOf(await messages()));
console.log(PAGE);
