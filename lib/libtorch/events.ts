/** What the installation of LibTorch tells while it works. */
export type LibTorchEvent =
  | {
      /** It was found out where the files are. */
      type: 'libtorch-resolve';
      /** Version of LibTorch. */
      version: string;
      /** Where the files come from, for people. */
      source: string;
    }
  | {
      /** A part of a file came in. */
      type: 'libtorch-download';
      /** The file's name. */
      file: string;
      /** Bytes of it that are here. */
      receivedBytes: number;
      /** Undefined where the server does not tell it. */
      totalBytes: number | undefined;
    }
  | {
      /** A file is compared with its checksum. */
      type: 'libtorch-verify';
      /** The file's name. */
      file: string;
    }
  | {
      /** A file is unpacked. */
      type: 'libtorch-unpack';
      /** The file's name. */
      file: string;
      /** Bytes written so far. */
      unpackedBytes: number;
      /** Undefined where the archive does not tell it. */
      totalBytes: number | undefined;
    }
  | {
      /** All of it is in its place. */
      type: 'libtorch-installed';
      /** Version of LibTorch. */
      version: string;
      /** The folder's path. */
      folder: string;
    };

/** Told of each event. */
export type OnLibTorchEvent = (event: LibTorchEvent) => void;
