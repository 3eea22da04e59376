import { LibTorchError } from '../system/errors';
import { platformKey } from '../system/platform';
import type { LibTorchRelease, PinnedWheel, Variant } from './release';
import { REFERENCE_VERSION, RELEASES } from './releases';

export { REFERENCE_VERSION };

/** Releases for a platform, the reference first. */
export function releases(platform: string = platformKey()): readonly LibTorchRelease[] {
  return RELEASES[platform] ?? [];
}

/** @throws LibTorchError ERR_LIBTORCH_VERSION: vectune does not know this release on this platform. */
export function releaseOf(version: string, platform: string = platformKey()): LibTorchRelease {
  const known = releases(platform);
  const release = known.find((candidate) => candidate.version === version);
  if (release !== undefined) return release;
  throw new LibTorchError(
    'ERR_LIBTORCH_VERSION',
    known.length === 0
      ? `vectune knows no LibTorch for ${platform}; it runs on ${Object.keys(RELEASES).join(', ')}.`
      : `vectune does not know LibTorch ${version} on ${platform}; it knows ` +
          `${known.map((candidate) => candidate.version).join(', ')}.`,
  );
}

/** The wheels of which a variant needs anything. */
export function wheelsFor(release: LibTorchRelease, { cuda }: Variant): readonly PinnedWheel[] {
  return release.wheels.filter(
    ({ members, cudaMembers }) => members !== undefined || (cuda && cudaMembers !== undefined),
  );
}

/** The platform tags of a wheel's file name, e.g. ['manylinux_2_28_x86_64']. */
export function platformTags(file: string): string[] {
  const tags = file
    .replace(/\.whl$/, '')
    .split('-')
    .at(-1);
  return tags === undefined ? [] : tags.split('.');
}

/** What installing a variant takes: downloads, and what is unpacked from them. */
export function bytesNeeded(release: LibTorchRelease, variant: Variant): { download: number; unpacked: number } {
  let download = 0;
  let unpacked = 0;
  for (const wheel of wheelsFor(release, variant)) {
    download += wheel.bytes;
    unpacked += wheel.memberBytes ?? 0;
    if (variant.cuda) unpacked += wheel.cudaBytes ?? 0;
    if (variant.headers) unpacked += wheel.headerBytes ?? 0;
  }
  return { download, unpacked };
}
