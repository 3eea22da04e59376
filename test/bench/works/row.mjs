// A work's line in the table: what was measured, beside what, and whether its goals are reached.
export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
export const rate = (value, unit) => `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ${unit}`;

/** `goals` are [name, reached] and all must be reached. */
export function row(what, { ours, peer = '', ratio = null, share = null, peak = '' }, goals) {
  return {
    what,
    ours,
    peer,
    ratio: ratio === null ? '' : `${ratio.toFixed(2)} ×`,
    share: share === null ? '' : `${(100 * share).toFixed(0)} %`,
    peak,
    goal: goals.map(([name]) => name).join('; '),
    reached: goals.length === 0 ? '' : goals.every(([, good]) => good) ? 'yes' : 'NO',
  };
}
