// Requires the package in a process that has done nothing yet; prints what is mapped, which packages were loaded, and how
// long it took.
const { readFileSync } = require('node:fs');
const start = performance.now();
const vectune = require('vectune');
const ms = performance.now() - start;
const maps = readFileSync('/proc/self/maps', 'utf8');
const mapped = [...new Set(maps.match(/\/\S*(?:libtorch|libc10|libgomp|vectune)[^/\s]*\.(?:so|node)\S*/g))];
const packageOf = (file) => /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1];
const packages = [...new Set(Object.keys(require.cache).map(packageOf))].filter((name) => name !== undefined);
const own = Object.keys(require.cache).map((file) => file.replaceAll('\\', '/').split('/vectune/dist/')[1]);
console.log(JSON.stringify({ ms, mapped, packages, own, names: Object.keys(vectune) }));
