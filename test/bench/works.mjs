// The works that are measured, with their goals: each gives rows { what, ours, peer, ratio, share, peak, goal, reached }.
import { avx2 } from './works/avx2.mjs';
import { blocks } from './works/blocks.mjs';
import { distiluse } from './works/distiluse.mjs';
import { embedding } from './works/embedding.mjs';
import { encoders } from './works/encoders.mjs';
import { eventLoop } from './works/event-loop.mjs';
import { lengths } from './works/lengths.mjs';
import { mining } from './works/mining.mjs';
import { neighbour } from './works/neighbour.mjs';
import { ranking } from './works/ranking.mjs';
import { scale } from './works/scale.mjs';
import { search } from './works/search.mjs';
import { single } from './works/single.mjs';
import { start } from './works/start.mjs';
import { training } from './works/training.mjs';

export const groups = {
  training,
  distiluse,
  ranking,
  mining,
  search,
  encoders,
  embedding,
  single,
  start,
  lengths,
  neighbour,
  eventLoop,
  blocks,
  scale,
  avx2,
};
