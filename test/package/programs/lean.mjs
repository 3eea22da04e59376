// Asks for the server where its packages are not installed; prints the error.
import('vectune/serve').then(
  () => console.log('{}'),
  ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })),
);
