/** A model goes to a hub. */
export interface PushEvent {
  /** Tells it from the other events. */
  type: 'pushing';
  /** 'hashing' reads the large files, 'uploading' sends those that the hub does not have, 'committing' makes them visible. */
  phase: 'hashing' | 'uploading' | 'committing';
  /** Path in the repository; null where it is of none. */
  file: string | null;
  /** Of the file, so far; of one that the hub has already all at once. */
  sentBytes: number;
  /** Of the file. */
  totalBytes: number;
}
