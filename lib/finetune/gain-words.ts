import { measure as number, signed } from '../report/numbers';
import type { Gain } from './gain';
import { measures } from './measure';

/** Of so many resamples a gain that lies within their bounds is called more than chance without more ado. */
const SURE = 0.95;

/** What the interval of a gain says, in a word or some; '' of a mean over data sets, whose parts are judged. */
export function verdictWords({ measure, verdict }: Pick<Gain, 'measure' | 'verdict'>): string {
  if (verdict === null) return measure === 'average' ? '' : 'too few rows to tell from chance';
  return verdict === 'worse' ? 'WORSE' : verdict;
}

/** What training changed in the measure of the run, and whether that is more than chance. */
export function gainWords(gain: Gain): string {
  const { measure, before, after, difference, interval, confidence, verdict } = gain;
  const share = Math.round(100 * confidence);
  const bounds = interval === null ? '' : ` (${share} % interval ${signed(interval.low)} to ${signed(interval.high)})`;
  const much =
    confidence < SURE
      ? `, as far as ${share} % of the draws of so few rows go`
      : ', by more than chance makes of so many rows';
  const why =
    verdict === null
      ? ''
      : verdict === 'within noise'
        ? ', chance alone makes differences like it on so few rows'
        : much;
  const words = verdictWords(gain);
  return `${measures[measure].words} ${number(before)} → ${number(after)}, ${signed(difference)}${bounds}${words === '' ? '' : `: ${words}${why}`}`;
}
