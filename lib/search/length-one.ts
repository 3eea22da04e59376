/** The vectors, one behind the other, each divided by its length; one of zeros stays as it is. */
export function atLengthOne(numbers: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(numbers.length);
  for (let from = 0; from < numbers.length; from += width) {
    let squares = 0;
    for (let i = 0; i < width; ++i) squares += numbers[from + i]! ** 2;
    const length = squares === 0 ? 1 : Math.sqrt(squares);
    for (let i = 0; i < width; ++i) result[from + i] = numbers[from + i]! / length;
  }
  return result;
}
