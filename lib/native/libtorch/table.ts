import { LibTorchError } from '../../errors';
import { platformKey } from '../platform';

/**
 * The LibTorch releases that vectune knows, and where each comes from. A release has one engine: LibTorch's C++
 * interface changes with every one.
 */

export interface PinnedWheel {
  /** Name of the Python package. */
  name: string;
  version: string;
  /** The file's name: it carries the tags by which pip chooses it. */
  file: string;
  sha256: string;
  bytes: number;
  /** Members that are needed to run, by their whole name. */
  members: readonly string[];
  /** Folders that are needed only to build an engine. */
  headers: readonly string[];
  /** Bytes of the members, and of the headers, when unpacked. */
  memberBytes: number;
  headerBytes: number;
}

export interface LibTorchRelease {
  version: string;
  /** Version of Python to ask pip for: the `torch` wheel, and so its hash, differs for each. */
  python: string;
  wheels: readonly PinnedWheel[];
}

/** The reference: installed where nothing else is asked for. */
export const REFERENCE_VERSION = '2.11.0';

const RELEASES: Readonly<Record<string, readonly LibTorchRelease[]>> = {
  'linux-x64': [
    {
      version: '2.11.0',
      python: '3.11',
      wheels: [
        {
          name: 'torch',
          version: '2.11.0',
          file: 'torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl',
          sha256: '7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a',
          bytes: 530604548,
          members: [
            'torch/lib/libc10.so',
            'torch/lib/libtorch_cpu.so',
            'torch/lib/libgomp.so.1',
            'torch/version.py',
            'torch-2.11.0.dist-info/licenses/LICENSE',
            'torch-2.11.0.dist-info/licenses/NOTICE',
          ],
          headers: ['torch/include/'],
          memberBytes: 453_400_000,
          headerBytes: 66_000_000,
        },
        // libtorch_cpu names these two although nothing in it needs a GPU; they are small.
        {
          name: 'nvidia-cuda-cupti',
          version: '13.0.85',
          file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl',
          sha256: '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8',
          bytes: 10715597,
          members: ['nvidia/cu13/lib/libcupti.so.13', 'nvidia_cuda_cupti-13.0.85.dist-info/licenses/License.txt'],
          headers: [],
          memberBytes: 4_300_000,
          headerBytes: 0,
        },
        {
          name: 'nvidia-cuda-runtime',
          version: '13.0.96',
          file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          sha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
          bytes: 2243632,
          members: ['nvidia/cu13/lib/libcudart.so.13', 'nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt'],
          headers: [],
          memberBytes: 800_000,
          headerBytes: 0,
        },
      ],
    },
  ],
};

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

/** The platform tags of a wheel's file name, e.g. ['manylinux_2_28_x86_64']. */
export function platformTags(file: string): string[] {
  const tags = file
    .replace(/\.whl$/, '')
    .split('-')
    .at(-1);
  return tags === undefined ? [] : tags.split('.');
}

/** What installing a release takes: downloads, and what is unpacked from them. */
export function bytesNeeded(release: LibTorchRelease, headers: boolean): { download: number; unpacked: number } {
  let download = 0;
  let unpacked = 0;
  for (const wheel of release.wheels) {
    download += wheel.bytes;
    unpacked += wheel.memberBytes + (headers ? wheel.headerBytes : 0);
  }
  return { download, unpacked };
}
