const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
/** Of a failure, to see it again. */
const given = process.env.OPSPAWN_TEST_SEED;

/**
 * How a property is tried: `count` times the scale. The same cases in every `npm test`, so that what it says of a commit
 * stays true; others in every run of another scale.
 */
export function randomRuns(count: number, least = 1): { numRuns: number; seed: number } {
  const seed = given === undefined ? (scale === 1 ? 1 : Date.now()) : Number(given);
  return { numRuns: Math.max(least, Math.ceil(count * scale)), seed: seed | 0 };
}
