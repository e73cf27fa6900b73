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
import type { OwnBroker } from '../packages/cli/src/verify/deployment.ts';
import { readSettings } from '../packages/ops-core/src/config.ts';
import { PostgresServer, postgres } from './services/postgres.ts';
import { RabbitServer, rabbitmq } from './services/rabbitmq.ts';

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '0.1' },
    only: { type: 'string', multiple: true },
    seed: { type: 'string' },
  },
});

await using stack = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), 'opspawn-verify-'));
chmodSync(folder, 0o755);
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const folderOf = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { mode: 0o755 });
  return path;
};

const server = stack.use(await postgres.start(folderOf('postgres')));
const broker = stack.use(await rabbitmq.start(folderOf('rabbitmq')));
const settings = readSettings({
  ...process.env,
  OPSPAWN_DATABASE_URL: server.url,
  OPSPAWN_BROKER_URL: broker.url,
  OPSPAWN_LOG_LEVEL: 'error',
});
const { passed, failed } = await verifyDeployment(
  {
    settings,
    // What runs in a container is not killed from here.
    ...(server instanceof PostgresServer ? { database: server } : {}),
    ...(broker instanceof RabbitServer ? { broker: ownBroker(broker) } : {}),
  },
  {
    scale: Number(values.scale),
    ...(values.only === undefined ? {} : { only: values.only }),
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
  },
);
process.stdout.write(`${passed} passed, ${failed} failed\n`);

function ownBroker(server: RabbitServer): OwnBroker {
  return {
    kill: () => server.kill(),
    start: () => server.start(),
    closeConnections: () => server.control('close_all_connections', 'a fault of the suite'),
    purge: (queue) => server.control('purge_queue', `opspawn.doorbell.${queue}`),
  };
}
