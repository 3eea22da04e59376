// The same by `import`: which packages and files of its own were loaded.
import { createRequire } from 'node:module';

await import('vectune');
const files = Object.keys(createRequire(import.meta.url).cache).map((file) => file.replaceAll('\\', '/'));
const packages = [...new Set(files.map((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]))];
console.log(JSON.stringify({ packages, own: files.map((file) => file.split('/vectune/dist/')[1]) }));
