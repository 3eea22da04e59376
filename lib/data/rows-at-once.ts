/** Rows that are taken before the event loop gets its turn: an iterable of rows in memory gives it none. */
export const ROWS_AT_ONCE = 2000;
