const { ask, onTold, checked } = window.vectune;
const element = (id) => document.getElementById(id);
const [bar, said] = [element('bar'), element('said')];

const show = {
  progress: ({ done, of }) => {
    bar.max = of;
    bar.value = done;
    said.textContent = `Step ${done} of ${of}`;
  },
  trained: ({ epochs }) => (said.textContent = `Trained for ${epochs} epochs.`),
  embedded: ({ dimension }) => (said.textContent = `A vector of ${dimension} numbers.`),
  failed: ({ code, message }) => (said.textContent = code === 'ERR_ABORTED' ? 'Cancelled.' : message),
};
let waiting = () => undefined;
onTold((message) => {
  show[message.kind](message);
  waiting(message);
});
const epochs = () => (new URLSearchParams(location.search).has('check') ? checkedEpochs : 200);
let checkedEpochs = 3;
element('train').onclick = () => ask({ kind: 'train', epochs: epochs() });
element('cancel').onclick = () => ask({ kind: 'cancel' });
element('embed').onclick = () => ask({ kind: 'embed', texts: ['the old mill'] });

/** Presses a button and waits for what is then told. */
function press(id, kinds) {
  return new Promise((resolve) => {
    waiting = (message) => kinds.includes(message.kind) && resolve(message);
    element(id).click();
  });
}

/** What a user does: trains to the end, embeds, trains again and cancels in the middle, embeds, and goes in a run. */
async function check() {
  // Frames that the window draws meanwhile: the interface never stands still.
  let frames = 0;
  const tick = () => void (++frames, setTimeout(tick, 16));
  tick();
  const trained = await press('train', ['trained', 'failed']);
  const barAtEnd = bar.value === bar.max && bar.max > 1;
  const embedded = await press('embed', ['embedded', 'failed']);
  checkedEpochs = 1e6;
  await press('train', ['progress', 'failed']);
  const cancelled = await press('cancel', ['trained', 'failed']);
  const again = await press('embed', ['embedded', 'failed']);
  await press('train', ['progress', 'failed']);
  const wrong = [
    trained.kind !== 'trained' && trained.message,
    !barAtEnd && 'the bar is not at its end',
    !(embedded.finite && embedded.dimension > 0) && (embedded.message ?? 'no vector'),
    cancelled.code !== 'ERR_ABORTED' && `cancelling gave ${JSON.stringify(cancelled)}`,
    again.kind !== 'embedded' && again.message,
  ].filter(Boolean);
  checked({ frames, dimension: embedded.dimension, ...(wrong.length > 0 && { failed: wrong.join('; ') }) });
}
if (new URLSearchParams(location.search).has('check')) {
  check().catch((error) => checked({ failed: String(error) }));
}
