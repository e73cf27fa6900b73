import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from 'rabbitmq-client';
import { TcpRelay } from '../../../test/tcp-relay.ts';
import type { Bus, BusLog } from '../bus.ts';
import { busCases } from '../contract.ts';
import { openRabbitBus } from './bus.ts';

const url = process.env.OPSPAWN_TEST_RABBITMQ_URL ?? '';
const skip = url === '' ? 'OPSPAWN_TEST_RABBITMQ_URL is not set' : false;
const ignore = (): void => {};
const log: BusLog = { info: ignore, warn: ignore };
let prefixes = 0;

const freshPrefix = (): string => `test-${process.pid}-${prefixes++}`;

const urlWith = (change: Partial<URL>): string => Object.assign(new URL(url), change).href;

async function openLinked(t: TestContext, prefix: string, at = url): Promise<Bus> {
  const bus = await openRabbitBus({ url: at, log, prefix });
  await bus.linked(t.signal);
  return bus;
}

/** Counts rings; `next` resolves with the next one. */
function countRings(bus: Bus, queue: string) {
  const seen = { count: 0, next: Promise.withResolvers<void>() };
  const doorbell = bus.broker.subscribe([queue], async () => {
    seen.count += 1;
    seen.next.resolve();
    return false;
  });
  return Object.assign(seen, { [Symbol.dispose]: () => doorbell[Symbol.dispose]() });
}

/** Waits for the ring with which a listener begins. */
async function listen(bus: Bus, queue: string) {
  const rings = countRings(bus, queue);
  await rings.next.promise;
  rings.next = Promise.withResolvers();
  return rings;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(5);
}

describe('the bus of processes that share a RabbitMQ', { skip, timeout: 300_000 }, () => {
  for (const { promise, run } of busCases) {
    it(promise, async (t) => {
      const prefix = freshPrefix();
      await using here = await openLinked(t, prefix);
      await using there = await openLinked(t, prefix);
      await run({ here, there, [Symbol.asyncDispose]: async () => {} });
    });
  }

  it('makes one doorbell of what rings while one is on its way', async (t) => {
    const prefix = freshPrefix();
    await using here = await openLinked(t, prefix);
    for (let i = 0; i < 100; i += 1) here.broker.ring(new Set(['a']));
    await using admin = new Admin();
    while ((await admin.count(prefix)) < 2) await sleep(10);
    await sleep(50);
    assert.equal(await admin.count(prefix), 2);
  });

  it('declares a queue again that somebody deleted: whoever rings, and whoever listens', async (t) => {
    const prefix = freshPrefix();
    await using here = await openLinked(t, prefix);
    await using admin = new Admin();
    for (let round = 0; round < 2; round += 1) {
      here.broker.ring(new Set(['a']));
      await admin.waitFor(`${prefix}.doorbell.a`, 1);
      await admin.connection.queueDelete(`${prefix}.doorbell.a`);
    }
    using rings = await listen(here, 'a');
    await admin.connection.queueDelete(`${prefix}.doorbell.a`);
    await rings.next.promise;
    await admin.waitFor(`${prefix}.doorbell.a`, 0);
  });

  it('uses a queue that exists with other settings', async (t) => {
    const prefix = freshPrefix();
    await using admin = new Admin();
    await admin.connection.queueDeclare({ queue: `${prefix}.doorbell.a`, durable: true });
    await using here = await openLinked(t, prefix);
    await using there = await openLinked(t, prefix);
    using rings = await listen(there, 'a');
    here.broker.ring(new Set(['a']));
    await rings.next.promise;
  });

  it('takes up rings and watches again when a connection was cut', async (t) => {
    const prefix = freshPrefix();
    await using relay = await TcpRelay.open(Number(new URL(url).port));
    await using here = await openLinked(t, prefix);
    await using there = await openLinked(t, prefix, urlWith({ port: String(relay.port) }));
    using rings = await listen(there, 'a');
    using _watch = there.live.subscribe('task', () => {});
    await until(() => here.live.isWatched('task'));
    // It stays cut until the broker knows it too: what is published before that is for the dead connection.
    relay.pass(false);
    await until(() => !there.link.isLinked);
    await until(() => {
      here.live.publish({ type: 'changed', taskId: 'task' });
      return !here.live.isWatched('task');
    });
    relay.pass(true);
    await there.linked(t.signal);
    await until(() => here.live.isWatched('task'));
    await rings.next.promise;
    rings.next = Promise.withResolvers();
    here.broker.ring(new Set(['a']));
    await rings.next.promise;
  });

  it('rings in its own process while the broker is away, and elsewhere when it is back', async (t) => {
    const prefix = freshPrefix();
    await using relay = await TcpRelay.open(Number(new URL(url).port));
    relay.pass(false);
    await using here = await openRabbitBus({ url: urlWith({ port: String(relay.port) }), log, prefix });
    assert.equal(here.link.isLinked, false);
    using own = countRings(here, 'own');
    here.broker.ring(new Set(['own', 'a']));
    await own.next.promise;
    relay.pass(true);
    await here.linked(t.signal);
    await using admin = new Admin();
    await admin.waitFor(`${prefix}.doorbell.a`, 1);
  });

  it('a doorbell that was heard and not answered goes to another listener when the first is gone', async (t) => {
    const prefix = freshPrefix();
    await using here = await openLinked(t, prefix);
    const lost = await openLinked(t, prefix);
    const heard = Promise.withResolvers<void>();
    let isFirst = true;
    lost.broker.subscribe(['a'], () => {
      if (!isFirst) heard.resolve();
      isFirst = false;
      return new Promise<boolean>(() => {});
    });
    await until(() => !isFirst);
    here.broker.ring(new Set(['a']));
    await heard.promise;
    using rings = await listen(here, 'a');
    await lost[Symbol.asyncDispose]();
    await rings.next.promise;
  });
});

describe('a RabbitMQ that cannot be used', { skip, timeout: 300_000 }, () => {
  const refused = { code: 'config_invalid', message: /OPSPAWN_BROKER_URL/ };

  it('is refused for a wrong password or user, without showing the password', async () => {
    for (const change of [{ password: 'wrong' }, { username: 'nobody' }])
      await assert.rejects(openRabbitBus({ url: urlWith(change), log }), (error: Error) => {
        assert.equal((error as { code?: string }).code, 'config_invalid');
        assert.match(error.message, /ACCESS_REFUSED.*OPSPAWN_BROKER_URL/);
        assert.doesNotMatch(error.message, /wrong|undefined/);
        return true;
      });
  });

  it('is refused for a virtual host that does not exist', async () => {
    await assert.rejects(openRabbitBus({ url: urlWith({ pathname: '/missing' }), log }), refused);
  });

  it('is refused where something else listens', async () => {
    for (const words of strangers) {
      await using other = await answerWith(words);
      await assert.rejects(
        openRabbitBus({ url: `amqp://a:b@127.0.0.1:${other.port}`, log }),
        (error: Error) => {
          assert.match(error.message, /refuses: it does not speak AMQP 0-9-1\. Check OPSPAWN_BROKER_URL$/);
          return true;
        },
      );
    }
  });

  it('is waited for where something else answers in its place later on', async (t) => {
    await using other = await answerWith(strangers[0]);
    await using relay = await TcpRelay.open(Number(new URL(url).port));
    const prefix = freshPrefix();
    await using bus = await openLinked(t, prefix, urlWith({ port: String(relay.port) }));
    relay.target(other.port);
    for (const before = other.greeted; other.greeted < before + 2; ) await sleep(20);
    assert.equal(bus.link.isLinked, false);
    relay.target(Number(new URL(url).port));
    await bus.linked(t.signal);
  });

  it('is waited for where nothing listens, and where nothing is ever said', async () => {
    const mute = createServer(ignore);
    await once(mute.listen(0, '127.0.0.1'), 'listening');
    const { port } = mute.address() as AddressInfo;
    for (const place of ['127.0.0.1:1', `127.0.0.1:${port}`]) {
      await using bus = await openRabbitBus({ url: `amqp://a:b@${place}`, log, openTimeoutMs: 200 });
      assert.equal(bus.link.isLinked, false);
    }
    mute.close();
  });
});

/** What servers say to whom they do not understand, each with what a client of AMQP takes for another length. */
const strangers = [
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
  'SSH-2.0-OpenSSH_9.2\r\n',
] as const;

/** Says so to everybody, once greeted and in two pieces, and stays silent then. */
async function answerWith(words: string) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', ignore).once('data', () => {
      answering.greeted += 1;
      socket.write(words.slice(0, 12));
      setTimeout(() => socket.write(words.slice(12)), 20);
    });
  });
  const answering = {
    greeted: 0,
    port: 0,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  answering.port = (server.address() as AddressInfo).port;
  return answering;
}

/** Looks at the broker from outside. */
class Admin implements AsyncDisposable {
  readonly connection = new Connection(url);

  /** Doorbells that wait in the queue `a`. */
  async count(prefix: string): Promise<number> {
    const { messageCount } = await this.connection.queueDeclare({
      queue: `${prefix}.doorbell.a`,
      passive: true,
    });
    return messageCount;
  }

  async waitFor(queue: string, messages: number): Promise<void> {
    for (;;) {
      const found = await this.connection.queueDeclare({ queue, passive: true }).catch(() => undefined);
      if (found !== undefined && found.messageCount >= messages) return;
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}
