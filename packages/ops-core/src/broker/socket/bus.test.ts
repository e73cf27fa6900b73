import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Bus } from '../bus.ts';
import { busCases } from '../contract.ts';
import { openSocketBus } from './bus.ts';

function temporaryFolder(t: TestContext, suffix = ''): string {
  const folder = mkdtempSync(join(tmpdir(), `opspawn-bus-${suffix}`));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openLinked(t: TestContext, folder: string): Promise<Bus> {
  const bus = openSocketBus({ folder });
  await bus.linked(t.signal);
  return bus;
}

/** Resolves when a ring of one bus is heard by the other. */
async function ringsReach(from: Bus, to: Bus): Promise<void> {
  let heard = false;
  using _subscription = to.broker.subscribe(['a'], async () => {
    heard = true;
    return false;
  });
  while (!heard) {
    from.broker.ring(new Set(['a']));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('the bus of processes that share a folder', () => {
  for (const { promise, run } of busCases) {
    for (const side of ['from the hub', 'to the hub', 'past the hub']) {
      it(`${promise} (${side})`, async (t) => {
        const folder = temporaryFolder(t);
        await using hub = await openLinked(t, folder);
        await using second = await openLinked(t, folder);
        await using third = await openLinked(t, folder);
        const [here, there] =
          side === 'from the hub' ? [hub, second] : side === 'to the hub' ? [second, hub] : [second, third];
        await ringsReach(here, there);
        await run({ here, there, [Symbol.asyncDispose]: async () => {} });
      });
    }
  }

  it('another hub is elected when the hub goes, and watches live on', async (t) => {
    const folder = temporaryFolder(t);
    const hub = await openLinked(t, folder);
    await using second = await openLinked(t, folder);
    await using third = await openLinked(t, folder);
    const received: unknown[] = [];
    using _watch = third.live.subscribe('task', (message) => received.push(message));
    await hub[Symbol.asyncDispose]();
    await ringsReach(second, third);
    while (received.length === 0) {
      second.live.publish({ type: 'changed', taskId: 'task' });
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('many processes that start at once over a dead socket find each other', async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'bus.sock');
    // A file that nobody listens on, as a killed process leaves it.
    const dead = createServer().listen(`${path}.dead`);
    await new Promise((resolve) => dead.once('listening', resolve));
    renameSync(`${path}.dead`, path);
    await new Promise((resolve) => dead.close(resolve));
    const buses = Array.from({ length: 8 }, () => openSocketBus({ folder }));
    for (const bus of buses) await ringsReach(buses[0] as Bus, bus);
    for (const bus of buses) await bus[Symbol.asyncDispose]();
  });

  it('a client that talks nonsense is cut off and harms nobody', async (t) => {
    const folder = temporaryFolder(t);
    await using hub = await openLinked(t, folder);
    await using second = await openLinked(t, folder);
    const stranger = connect(join(folder, 'bus.sock'));
    stranger.write('{"kind":"ring"}\nnonsense\n');
    await new Promise((resolve) => stranger.once('close', resolve));
    await ringsReach(hub, second);
  });

  it('works in a folder whose name is too long for a socket', async (t) => {
    const folder = temporaryFolder(t, 'x'.repeat(100));
    await using hub = await openLinked(t, folder);
    await using second = await openLinked(t, folder);
    await ringsReach(hub, second);
  });

  it('a closed bus takes rings and messages without harm, and leaves no socket behind', async (t) => {
    const folder = temporaryFolder(t);
    const bus = await openLinked(t, folder);
    await bus[Symbol.asyncDispose]();
    bus.broker.ring(new Set(['a']));
    bus.live.publish({ type: 'changed', taskId: 'task' });
    assert.deepEqual(readdirSync(folder), []);
  });
});
