import { describe, it } from 'node:test';
import { busCases } from '../contract.ts';
import { openMemoryBus } from './bus.ts';

describe('the bus of one process', () => {
  for (const { promise, run } of busCases) {
    it(promise, async () => {
      await using bus = openMemoryBus();
      await run({ here: bus, there: bus, [Symbol.asyncDispose]: async () => {} });
    });
  }
});
