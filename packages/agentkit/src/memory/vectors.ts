import { OpspawnError } from '../errors.ts';

/** Four bytes each, little-endian: as SQLite's vector extension reads them. */
export function vectorBytes(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(vector.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of vector.entries()) view.setFloat32(index * 4, value, true);
  return bytes;
}

export function vectorOf(bytes: Uint8Array): Float32Array {
  const vector = new Float32Array(bytes.byteLength / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < vector.length; index += 1) vector[index] = view.getFloat32(index * 4, true);
  return vector;
}

/** Keeps the nearest of many vectors by cosine, without holding all of them. */
export class Nearest<Key> {
  readonly #query: Float32Array;
  readonly #limit: number;
  #found: { key: Key; similarity: number }[] = [];

  constructor(query: Float32Array, limit: number) {
    this.#query = query;
    this.#limit = limit;
  }

  add(key: Key, vector: Float32Array): void {
    this.#found.push({ key, similarity: cosine(this.#query, vector) });
    if (this.#found.length >= 4 * this.#limit) this.#trim();
  }

  /** The nearest first. */
  get keys(): Key[] {
    this.#trim();
    return this.#found.map(({ key }) => key);
  }

  #trim(): void {
    this.#found = this.#found.sort((a, b) => b.similarity - a.similarity).slice(0, this.#limit);
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let index = 0; index < a.length; index += 1) {
    const x = a[index] as number;
    const y = b[index] as number;
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return dot / Math.sqrt(squareA * squareB || 1);
}

/** Whether it says a direction: it has numbers, and not all are 0. */
export const isVector = (vector: Float32Array): boolean =>
  vector.length > 0 && vector.every(Number.isFinite) && vector.some((value) => value !== 0);

/** `model_failed` for what is no list of `count` vectors. Those among them that are some can be used all the same. */
export function vectorsFailure(
  id: string,
  vectors: readonly Float32Array[],
  count: number,
): OpspawnError | undefined {
  // which text a vector belongs to is known only by its place
  if (vectors.length !== count) throw noVectors(id, `gave ${vectors.length} vectors for ${count} texts`);
  const bad = vectors.filter((vector) => !isVector(vector));
  return bad.length === 0
    ? undefined
    : noVectors(id, `gave ${bad.length} of ${count} vectors without a direction (lengths ${lengthsOf(bad)})`);
}

const lengthsOf = (vectors: readonly Float32Array[]): string =>
  [...new Set(vectors.map(({ length }) => length))].slice(0, 5).join(', ');

const noVectors = (id: string, what: string): OpspawnError =>
  new OpspawnError('model_failed', `${id} ${what}`, { details: { model: id } });
