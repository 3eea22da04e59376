/** A file of an export is being written. */
export interface ExportEvent {
  /** Tells it from the other events. */
  type: 'exporting';
  /** Its path in the folder. */
  file: string;
  /** Of the file, so far. */
  writtenBytes: number;
  /** Of the file. */
  totalBytes: number;
}
