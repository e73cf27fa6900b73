import { describe, it, type TestContext } from 'node:test';
import type { Bus } from '../bus.ts';
import { busCases } from '../contract.ts';
import { openRabbitBus } from './bus.ts';

const url = process.env.OPSPAWN_TEST_RABBITMQ_URL ?? '';
const skip = url === '' ? 'RabbitMQ is missing' : false;
const ignore = (): void => {};
const log = { debug: ignore, info: ignore, warn: ignore };
let prefixes = 0;

const freshPrefix = (): string => `test-${process.pid}-${prefixes++}`;

async function openLinked(t: TestContext, prefix: string): Promise<Bus> {
  const bus = await openRabbitBus({ url, log, prefix });
  await bus.linked(t.signal);
  return bus;
}

describe('the bus of processes that share a RabbitMQ', { skip }, () => {
  for (const { promise, run } of busCases) {
    it(promise, async (t) => {
      const prefix = freshPrefix();
      await using here = await openLinked(t, prefix);
      await using there = await openLinked(t, prefix);
      await run({ here, there, [Symbol.asyncDispose]: async () => {} });
    });
  }
});
