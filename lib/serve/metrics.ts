import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Admission } from './admission';
import type { HeldBytes } from './held-bytes';

/** Bounds of durations, in seconds: a factor of 1.5 from 0.1 ms on, as text-embeddings-inference's. */
const SECONDS = Array.from({ length: 36 }, (_, i) => Number((1e-4 * 1.5 ** i).toPrecision(4)));
const STARTED = Date.now() / 1000 - process.uptime();
const POWERS = Array.from({ length: 17 }, (_, i) => 2 ** i);

/**
 * Numbers for Prometheus, under text-embeddings-inference's names where they mean the same, each by the model's name; those
 * of the process under the names that Prometheus's own clients have for them.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly requests = this.#counter('te_request_count', 'Requests for vectors', ['model', 'method']);
  readonly succeeded = this.#counter('te_request_success', 'Requests that were answered with vectors', [
    'model',
    'method',
  ]);
  readonly failed = this.#counter('te_request_failure', 'Requests that were not, by reason', ['err']);
  readonly duration = this.#histogram(
    'te_request_duration',
    'Seconds from an accepted request to its vectors',
    SECONDS,
  );
  readonly tokenisation = this.#histogram(
    'te_request_tokenization_duration',
    'Seconds of tokenising a request',
    SECONDS,
  );
  readonly queueing = this.#histogram(
    'te_request_queue_duration',
    'Seconds from tokenised to the first call of the engine',
    SECONDS,
  );
  readonly inference = this.#histogram(
    'te_request_inference_duration',
    "Seconds from the first call of the engine to the request's vectors",
    SECONDS,
  );
  readonly inputLength = this.#histogram('te_request_input_length', 'Tokens of a text', POWERS);
  readonly embeds = this.#counter('te_embed_count', 'Texts that were asked for', ['model']);
  readonly embedded = this.#counter('te_embed_success', 'Texts whose vectors were computed', ['model']);
  readonly batchTexts = this.#histogram('te_batch_next_size', 'Texts that are computed together', POWERS);
  readonly batchTokens = this.#histogram('te_batch_next_tokens', 'Tokens that are computed together', POWERS);
  /** Of the processor; what a counter gives out only goes up. */
  readonly computed = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Seconds that the process has computed, on all processors',
    registers: [this.registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });

  constructor(admission: Admission, held: HeldBytes) {
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    gauge('te_queue_size', 'Requests that wait or are computed', () => admission.requests);
    gauge('vectune_queue_tokens', 'Tokens of those requests', () => admission.tokens);
    gauge('vectune_held_bytes', 'Bytes of bodies and answers that are held', () => held.bytes);
    gauge('process_start_time_seconds', 'Seconds since 1970 when the process began', () => STARTED);
    gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
    gauge('nodejs_heap_size_used_bytes', "Memory of the process's JavaScript", () => process.memoryUsage().heapUsed);
  }

  #counter<const Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram<'model'> {
    return new Histogram({ name, help, buckets, labelNames: ['model'], registers: [this.registry] });
  }
}
