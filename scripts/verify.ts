/**
 * `npm run verify [-- --scale 0.1] [--only FAULT …] [--seed N]`: the fault suite on a PostgreSQL and a RabbitMQ that are
 * started for it alone, so that they can be killed too. A tenth of the suite unless `--scale` says otherwise;
 * `npm run verify:full` is the whole. The last line is `N passed, N failed`, a fault each.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { verifyDeployment } from '../packages/cli/src/commands/verify.ts';
import { reportFailure } from '../packages/cli/src/failure.ts';
import type { OwnBroker, OwnDatabase, SmallDisk as OwnDisk } from '../packages/cli/src/verify/deployment.ts';
import { readSettings } from '../packages/ops-core/src/config.ts';
import { brokerPrefixOf } from '../packages/ops-core/src/start/broker-prefix.ts';
import { openFakeClock } from './services/fake-clock.ts';
import { PostgresServer, postgres } from './services/postgres.ts';
import { RabbitServer, rabbitmq } from './services/rabbitmq.ts';
import { canMount, SmallDisk } from './services/small-disk.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scale: { type: 'string', default: '0.1' },
    only: { type: 'string', multiple: true },
    seed: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write('Usage: npm run verify -- [--scale 0.1] [--only FAULT …] [--seed N]\n');
  process.exit();
}

const only = [...(values.only ?? []), ...positionals];

/** Megabytes: beside an empty database a few hundred tasks have room. */
const diskSizes = { sqlite: 64, postgres: 256 } as const;

await using stack = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), 'opspawn-verify-'));
chmodSync(folder, 0o755);
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const folderOf = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { mode: 0o755 });
  return path;
};

const clock = await openFakeClock(folder);
const server = stack.use(await postgres.start(folderOf('postgres'), clock?.environment));
const broker = stack.use(await rabbitmq.start(folderOf('rabbitmq')));
const settings = readSettings({
  ...process.env,
  OPSPAWN_DATABASE_URL: server.url,
  OPSPAWN_BROKER_URL: broker.url,
  OPSPAWN_LOG_LEVEL: 'error',
});
try {
  const { passed, failed } = await verifyDeployment(
    {
      settings,
      // What runs in a container is not killed from here.
      ...(server instanceof PostgresServer ? { database: ownDatabase(server) } : {}),
      ...(canMount() ? { openSmallDisk } : {}),
      ...(broker instanceof RabbitServer ? { broker: ownBroker(broker) } : {}),
    },
    {
      scale: Number(values.scale),
      ...(only.length === 0 ? {} : { only }),
      ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
    },
  );
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
} catch (thrown) {
  process.exitCode = reportFailure(thrown, { json: false });
}

function ownDatabase(server: PostgresServer): OwnDatabase {
  return {
    kill: () => server.kill(),
    start: () => server.start(),
    ...(clock === undefined ? {} : { moveClock: (offsetMs) => clock.move(offsetMs) }),
  };
}

async function openSmallDisk(kind: keyof typeof diskSizes): Promise<OwnDisk> {
  await using opening = new AsyncDisposableStack();
  const disk = opening.use(new SmallDisk(folderOf(`disk-${kind}`), diskSizes[kind]));
  const own = kind === 'postgres' ? opening.use(await PostgresServer.create(disk.folder)) : undefined;
  const database =
    own === undefined
      ? ({ kind: 'sqlite', path: join(disk.folder, 'opspawn.db') } as const)
      : ({ kind: 'postgres', url: own.url } as const);
  const stack = opening.move();
  return {
    settings: { ...settings, database, brokerUrl: undefined },
    fill: () => disk.fill(),
    async free() {
      disk.free();
      // PostgreSQL ends when it finds no room for its log.
      if (own?.isRunning === false) await own.start();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function ownBroker(server: RabbitServer): OwnBroker {
  return {
    kill: () => server.kill(),
    start: () => server.start(),
    closeConnections: () => server.control('close_all_connections', 'a fault of the suite'),
    purge: async (queue) => {
      const prefix = await brokerPrefixOf(settings.database);
      await server.control('purge_queue', `${prefix}.doorbell.${queue}`);
    },
  };
}
