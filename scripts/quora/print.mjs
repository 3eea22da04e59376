const number = (value) => (value === null ? '-' : value.toFixed(4));
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

/** One line for each event of a run, steps left out. */
export function print(event) {
  switch (event.type) {
    case 'data':
      console.log(
        `${event.rows} pairs: ${event.trainingRows} to train on, ${event.validationRows} to validate ` +
          `with; ${event.tokens} tokens, the longest text has ${event.longest}`,
      );
      return;
    case 'summary':
      console.log(
        `${event.parameters.toLocaleString('en')} parameters (${event.megabytes} MB), ` +
          `${event.trainableParameters.toLocaleString('en')} of them trained, ${event.precision}, ` +
          `${event.threads} threads${event.memoryLimit === null ? '' : `, at most ${megabytes(event.memoryLimit)}`}`,
      );
      return;
    case 'finder':
    case 'out-of-memory':
      console.log(event.message);
      return;
    case 'validation':
      console.log(
        `epoch ${event.epoch}: training loss ${number(event.trainingLoss)}, validation loss ` +
          `${number(event.metrics.loss)}, Spearman ${number(event.metrics.spearman)}${event.best ? ' (best)' : ''}`,
      );
      return;
    case 'early-stop':
      console.log(
        `no better for ${event.patience} epoch(s): stopped after epoch ${event.epoch}, back to epoch ` +
          `${event.bestEpoch}`,
      );
  }
}
