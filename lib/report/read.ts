import { RECORD_ID } from './report';
import { isRunRecord, type RunRecord } from './record';

/** The record in a report or in JSON; undefined where there is none. */
export function recordIn(text: string): RunRecord | undefined {
  const start = `<script type="application/json" id="${RECORD_ID}">`;
  const at = text.indexOf(start);
  const json = at < 0 ? text : text.slice(at + start.length, text.indexOf('</script>', at));
  try {
    const value: unknown = JSON.parse(json);
    return isRunRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
