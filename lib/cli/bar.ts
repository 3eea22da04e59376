import { SingleBar } from 'cli-progress';
import type { ProgressStream } from './terminal';

/** One line: a name, a bar, and what goes on. Nothing at all where the stream is no terminal. */
export class Bar {
  readonly visible: boolean;
  readonly #stream: ProgressStream;
  #of: { name: string; total: number; done: number } | undefined;
  #bar: SingleBar | undefined;
  #text = '';

  constructor(stream: ProgressStream, visible: boolean) {
    this.visible = visible;
    this.#stream = stream;
  }

  start(name: string, total: number): void {
    this.stop();
    this.#of = { name, total, done: 0 };
    this.#text = '';
    this.#draw();
  }

  #draw(): void {
    if (!this.visible || this.#of === undefined) return;
    const { name, total, done } = this.#of;
    const columns = Math.max(40, (this.#stream.columns ?? 80) - 1);
    this.#bar = new SingleBar({
      stream: this.#stream,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: null,
      // Its own handler would swallow Ctrl-C; who shows a bar handles signals.
      gracefulExit: false,
      fps: 10,
      // The class keeps the text, as a payload that is not given anew is lost on the bar's own redraws.
      format: (_, { progress }) => barLine(name, progress, this.#text, columns),
    });
    this.#bar.start(total, done);
  }

  update(value: number | undefined, text: string): void {
    if (this.#of === undefined) return;
    this.#of.done = value ?? this.#of.done;
    this.#text = text;
    if (this.#bar === undefined) this.#draw();
    this.#bar?.update(this.#of.done);
  }

  /** Takes the bar away until there is more to tell of it. */
  hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  stop(): void {
    this.hide();
    this.#of = undefined;
  }
}

/** `name [====    ] text` of at most `columns` characters; the bar takes what the words leave, 24 at most. */
export function barLine(name: string, progress: number, text: string, columns: number): string {
  const room = columns - name.length - text.length - 5;
  const width = Math.min(24, room);
  if (width < 4) return `${name} ${text}`.slice(0, columns);
  const done = Math.round(Math.min(1, Math.max(0, progress)) * width);
  return `${name} [${'='.repeat(done)}${' '.repeat(width - done)}] ${text}`;
}
