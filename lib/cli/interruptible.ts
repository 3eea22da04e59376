import type { EvaluateDataOptions } from '../evaluate/evaluate';
import { AbortError } from '../system/errors';
import { DownloadDisplay } from './download-display';
import { EvaluateDisplay } from './evaluate-display';
import { StopSignals } from './stop-signals';

/** Runs with a display of progress, ends with what the work prints, '' for nothing; a signal stops it. */
export async function interruptible(
  work: (
    signal: AbortSignal,
    onProgress: NonNullable<EvaluateDataOptions['onProgress']>,
    onLoad: (event: Parameters<DownloadDisplay['show']>[0]) => void,
  ) => Promise<string>,
  display = new EvaluateDisplay(),
): Promise<void> {
  const download = new DownloadDisplay();
  const stop = new StopSignals();
  try {
    const printed = await work(
      stop.signal,
      (event) => {
        if (event.type === 'model-download') return download.show(event);
        download.end();
        display.show(event);
      },
      (event) => download.show(event),
    );
    display.end();
    if (printed !== '') process.stdout.write(printed);
  } catch (error) {
    if (!stop.signal.aborted || !(error instanceof AbortError)) throw error;
    display.end();
    process.stderr.write('stopped\n');
    process.exitCode = stop.exitCode;
  } finally {
    stop.release();
    download.end();
    display.end();
  }
}
