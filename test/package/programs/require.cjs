// Requires the package in a process that has done nothing yet; prints what is mapped and how long it took.
const { readFileSync } = require('node:fs');
const start = performance.now();
const vectune = require('vectune');
const ms = performance.now() - start;
const maps = readFileSync('/proc/self/maps', 'utf8');
const mapped = [...new Set(maps.match(/\/\S*(?:libtorch|libc10|libgomp|vectune)[^/\s]*\.(?:so|node)\S*/g))];
console.log(JSON.stringify({ ms, mapped, names: Object.keys(vectune) }));
