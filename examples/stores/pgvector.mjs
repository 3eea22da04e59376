// Vectors in Postgres with pgvector: npm install vectune pg pgvector
//   DATABASE_URL=postgres://… node pgvector.mjs [model]
import pg from 'pg';
import pgvector from 'pgvector/pg';
import { embedBatches, models, TextVectorisation } from 'vectune';
import { passages, question } from './passages.mjs';

const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
const { dimension } = await tv.info();

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query('create extension if not exists vector');
await pgvector.registerTypes(client);
await client.query('drop table if exists passages');
await client.query(
  `create table passages (id bigserial primary key, text text not null, vector vector(${dimension}) not null)`,
);

// A batch goes in one statement while the next is computed.
for await (const { texts, vectors } of embedBatches(tv, passages, { role: 'document' })) {
  const [, width] = vectors.shape;
  const written = texts.map((_, i) => pgvector.toSql(Array.from(vectors.data.subarray(i * width, (i + 1) * width))));
  await client.query(
    'insert into passages (text, vector) select * from unnest($1::text[], $2::text[]::vector[])',
    [texts, written],
  );
}
await client.query('create index on passages using hnsw (vector vector_cosine_ops)');

const { rows } = await client.query(
  'select text, 1 - (vector <=> $1) as similarity from passages order by vector <=> $1 limit 3',
  [pgvector.toSql(Array.from(await tv.embedQueries(question)))],
);
console.log(JSON.stringify(rows));
await client.end();
await tv.dispose();
