import { megabytes } from '../system/disk';
import type { LoadEvent } from '../text-vectorisation-options';
import { Bar } from './bar';
import { animates, type ProgressStream } from './terminal';

/** Shows how far the fetching of a model is. Call `end` when the model is there, or is not. */
export class DownloadDisplay {
  readonly #stream: ProgressStream;
  readonly #bar: Bar;
  #file = '';

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
    this.#bar = new Bar(stream, animates(stream));
  }

  show(event: LoadEvent): void {
    if (event.type !== 'model-download') return; // LibTorch is installed by a command of its own
    const { id, source, file, receivedBytes, totalBytes } = event;
    if (file !== this.#file) {
      this.end();
      this.#file = file;
      const size = totalBytes === null ? '' : ` (${megabytes(totalBytes)})`;
      if (!this.#bar.visible || totalBytes === null) {
        this.#stream.write(`fetching ${id} from ${source === 'hub' ? 'the hub' : 'a Python wheel'}: ${file}${size}\n`);
        return;
      }
      this.#bar.start(shorten(file, 32), totalBytes);
    }
    if (totalBytes !== null) this.#bar.update(receivedBytes, `${megabytes(receivedBytes)} of ${megabytes(totalBytes)}`);
  }

  /** Takes the bar away. May be called twice. */
  end(): void {
    this.#bar.stop();
  }
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(1 - length)}`;
}
