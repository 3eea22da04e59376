import { LibTorchError } from '../system/errors';
import { platformKey } from '../system/platform';
import { REFERENCE_VERSION, RELEASES } from './releases';

export { REFERENCE_VERSION };

/** A wheel that a release needs, by which nothing else can be meant. */
export interface PinnedWheel {
  /** Name of the Python package. */
  name: string;
  version: string;
  /** The file's name: it carries the tags by which pip chooses it. */
  file: string;
  sha256: string;
  bytes: number;
  /** Members that are needed to compute on the processor, by their whole name. */
  members?: readonly string[];
  /** Members that CUDA needs besides. */
  cudaMembers?: readonly string[];
  /** Folders that are needed only to build an engine. */
  headers?: readonly string[];
  /** Bytes on disk of the members, of those for CUDA, and of the headers; 0 where not told. */
  memberBytes?: number;
  cudaBytes?: number;
  headerBytes?: number;
}

/** A release has one engine: LibTorch's C++ interface changes with every one. */
export interface LibTorchRelease {
  version: string;
  /** Version of Python to ask pip for: the `torch` wheel, and so its hash, differs for each. */
  python: string;
  /** The first NVIDIA driver that its CUDA libraries run on, by its major version. */
  cudaDriver: number;
  /** What was tried with it, where. */
  tested: string;
  /** The wheel of torch first. */
  wheels: readonly PinnedWheel[];
}

/** What of a release is installed. */
export interface Variant {
  /** CUDA's libraries too. */
  cuda: boolean;
  /** Header files too, to build an engine with. */
  headers: boolean;
}

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
