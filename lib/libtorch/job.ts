import type { OnLibTorchEvent } from './events';
import type { LibTorchRelease, Variant } from './release';

/** How a release is installed. */
export interface InstallOptions {
  /** LibTorch's version; default REFERENCE_VERSION. */
  version?: string | undefined;
  /**
   * Where to take it from: a folder (an unpacked LibTorch, a Python environment's packages, or one that holds the
   * release's wheels), an archive (zip, wheel, tar) or an address of one. Default: the release's wheels through the
   * machine's pip.
   */
  from?: string | undefined;
  /** SHA-256 of the archive that `from` names, in hexadecimal. Wheels of the release are always checked. */
  sha256?: string | undefined;
  /**
   * Install CUDA's libraries too. Default: where this machine has an NVIDIA driver and the source has them; with true
   * a source without them is refused.
   */
  cuda?: boolean | undefined;
  /** Install header files too, to build an engine with; default false. */
  headers?: boolean;
  pip?: readonly string[] | undefined;
  environment?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: OnLibTorchEvent | undefined;
}

/** What an installation works with. */
export interface Job {
  release: LibTorchRelease;
  variant: Variant;
  /** What is done, for a message. */
  purpose: string;
  cache: string;
  /** A folder of its own inside the cache, so that the result can be renamed into place. */
  temporary: string;
  /** What will be renamed. */
  tree: string;
  begunMs: number;
  options: InstallOptions;
}
