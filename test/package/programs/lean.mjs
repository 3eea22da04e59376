// Asks for a server where its packages are not installed; prints the error.
import { createServer } from 'vectune/serve';

try {
  createServer({});
} catch ({ name, code, message }) {
  console.log(JSON.stringify({ name, code, message }));
}
