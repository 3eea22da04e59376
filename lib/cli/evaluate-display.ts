import type { EvaluateEvent } from '../evaluate/events';
import { integer } from './numbers';
import { animates, type ProgressStream } from './terminal';

/** What the texts of a role are called. */
type Roles = Readonly<Record<'text' | 'query' | 'document', string>>;

/** How far an evaluation or a search is: one line on a terminal, elsewhere a line every ten seconds. */
export class EvaluateDisplay {
  readonly #stream: ProgressStream;
  readonly #roles: Roles;
  readonly #everyMs: number;
  #shown = '';
  #last = Date.now();

  constructor(
    stream: ProgressStream = process.stderr,
    roles: Roles = { text: 'texts', query: 'queries', document: 'documents' },
    everyMs = 10_000,
  ) {
    this.#stream = stream;
    this.#roles = roles;
    this.#everyMs = everyMs;
  }

  show(event: EvaluateEvent): void {
    const line = this.#lineOf(event);
    if (animates(this.#stream)) return this.#draw(line);
    if (Date.now() - this.#last < this.#everyMs) return;
    this.#last = Date.now();
    this.#stream.write(`${line}\n`);
  }

  /** Takes the line away. May be called twice. */
  end(): void {
    if (this.#shown !== '') this.#draw('');
  }

  #lineOf(event: EvaluateEvent): string {
    const { done, total } = event;
    const share = total === null ? '' : ` ${Math.floor((100 * done) / Math.max(1, total))} %`;
    switch (event.type) {
      case 'embedding':
        return `${integer(done)}${total === null ? '' : ` of ${integer(total)}`} ${this.#roles[event.role]} embedded`;
      case 'searching':
        return total === null ? `comparing: ${integer(done)} pairs of vectors` : `comparing:${share}`;
      case 'measuring':
        return total === 0 ? 'measuring' : `measuring:${share}`;
    }
  }

  #draw(line: string): void {
    this.#stream.write(`\r${line.padEnd(this.#shown.length)}${line === '' ? '\r' : ''}`);
    this.#shown = line;
  }
}
