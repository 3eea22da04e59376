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
