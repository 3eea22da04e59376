import { cosineSimilarity, TextVectorisation } from 'vectune';

export const runtime = 'nodejs';

// One for the process, also where the development server loads this module anew.
globalThis.tv ??= new TextVectorisation(process.env.MODEL);

export async function POST(request) {
  const { a, b } = await request.json();
  const [first, second] = await globalThis.tv.embed([a, b], { signal: request.signal });
  return Response.json({ similarity: cosineSimilarity(first, second) });
}
