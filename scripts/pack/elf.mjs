import { run } from '../setup/run.mjs';
import { SetupError } from '../setup/step.mjs';

/** What an ELF file asks of the system that it is loaded on, by `readelf`. */
export async function readElf(path) {
  const { code, output } = await run('readelf', [
    '--wide',
    '--file-header',
    '--section-headers',
    '--dynamic',
    '--version-info',
    path,
  ]);
  if (code !== 0) throw new SetupError(`readelf cannot read ${path}:\n${output}`);
  // Sections of needed versions list "Name: GLIBC_2.14"; those of defined ones have a Rev. before the name.
  const needs = output.slice(output.indexOf('Version needs section'));
  const versions = output.includes('Version needs section')
    ? [...needs.matchAll(/^\s+0x[0-9a-f]+:\s+Name: (\S+)/gm)].map(([, name]) => name)
    : [];
  return {
    machine: /Machine:\s+(.*\S)/.exec(output)?.[1],
    sections: [...output.matchAll(/^\s+\[\s*\d+\]\s+(\.\S+)/gm)].map(([, name]) => name),
    needed: [...output.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
    paths: [...output.matchAll(/\((?:RPATH|RUNPATH)\).*\[(.*)\]/g)].map(([, path]) => path),
    versions: [...new Set(versions)],
  };
}

/** The highest of the versions with this prefix: of GLIBC_2.14 and GLIBC_2.2.5, [2, 14]. */
export function highest(versions, prefix) {
  const numbers = versions
    .filter((name) => name.startsWith(`${prefix}_`))
    .map((name) =>
      name
        .slice(prefix.length + 1)
        .split('.')
        .map(Number),
    );
  return numbers.sort(compare).at(-1);
}

/** Of two versions as lists of numbers. */
export function compare(a, b) {
  for (let i = 0; i < Math.max(a.length, b.length); ++i) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
