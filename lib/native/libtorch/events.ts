/** What the installation of LibTorch tells while it works. */
export type LibTorchEvent =
  | { type: 'libtorch-resolve'; version: string; source: string }
  | {
      type: 'libtorch-download';
      file: string;
      receivedBytes: number;
      /** Undefined where the server does not tell it. */
      totalBytes: number | undefined;
    }
  | { type: 'libtorch-verify'; file: string }
  | { type: 'libtorch-unpack'; file: string; unpackedBytes: number; totalBytes: number | undefined }
  | { type: 'libtorch-installed'; version: string; folder: string };

export type OnLibTorchEvent = (event: LibTorchEvent) => void;
