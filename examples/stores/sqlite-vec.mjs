// Vectors in SQLite: npm install vectune better-sqlite3@12 sqlite-vec
//   node sqlite-vec.mjs [model] [database]
import Database from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import { embedBatches, models, TextVectorisation } from 'vectune';
import { passages, question } from './passages.mjs';

const [model = models.AllMiniLML6V2, file = ':memory:'] = process.argv.slice(2);
const tv = new TextVectorisation(model);
const { dimension } = await tv.info();

const database = new Database(file);
sqliteVec.load(database);
database.exec(`
  create table passages (id integer primary key, text text not null);
  create virtual table vectors using vec0(id integer primary key, vector float[${dimension}] distance_metric=cosine);
`);
/** The numbers' own bytes are what sqlite-vec stores. */
const bytes = (vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);

const addText = database.prepare('insert into passages (text) values (?)');
const addVector = database.prepare('insert into vectors (id, vector) values (?, ?)');
const add = database.transaction(({ texts, vectors: { data, shape } }) => {
  texts.forEach((text, i) => {
    const { lastInsertRowid } = addText.run(text);
    addVector.run(BigInt(lastInsertRowid), bytes(data.subarray(i * shape[1], (i + 1) * shape[1])));
  });
});
// A batch is written in one transaction while the next is computed; a million texts go the same way.
for await (const batch of embedBatches(tv, passages, { role: 'document' })) add(batch);

const search = database.prepare(`
  select passages.text, 1 - vectors.distance as similarity
  from vectors join passages using (id)
  where vectors.vector match ? and k = ?
  order by vectors.distance
`);
const found = search.all(bytes(await tv.embedQueries(question)), 3);
console.log(JSON.stringify(found));
database.close();
await tv.dispose();
