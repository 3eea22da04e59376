import { html, type Html } from '../html';
import { measure, tick } from '../numbers';
import { measureTitle } from '../names';
import type { RunRecord } from '../record';

/** Every share of the trained weights that was measured, where there was a choice. */
export function shares({ epochs, chosenBy }: RunRecord): Html | null {
  const chosen = epochs.filter(({ tried }) => (tried?.length ?? 0) > 1);
  if (chosen.length === 0) return null;
  const keeps = chosen.some(({ tried }) => tried!.some(({ kept }) => kept !== null));
  const rows = chosen.flatMap(({ epoch, share, tried }) =>
    tried!.map(
      (one) =>
        html`<tr><td class="n">${epoch}</td><td class="n">${tick(one.share)}</td><td class="n">${measure(one.value)}</td>${keeps ? html`<td class="n">${measure(one.kept)}</td>` : null}<td>${one.share === share ? 'taken' : ''}</td></tr>`,
    ),
  );
  return html`<section><h2>Shares of the trained weights</h2>
<p class="soft">The rest are the weights from before. Of an epoch's shares the least is taken that has nine tenths of the best one's gain.</p>
<div class="scroll"><table class="measures"><thead><tr><th class="n">epoch</th><th class="n">share</th><th class="n">${measureTitle(chosenBy)}</th>${keeps ? html`<th class="n">rows to keep</th>` : null}<th></th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}
