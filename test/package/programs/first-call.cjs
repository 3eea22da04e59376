// The first call of a stranger; prints the first number of a vector, or the error.
const { TextVectorisation } = require('vectune');
const tv = new TextVectorisation(process.argv[2]);
tv.embed('the old mill').then(
  (vector) => console.log(JSON.stringify({ dimensions: vector.length, first: vector[0] })),
  (error) => console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message })),
);
