import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('compose.yaml', import.meta.url));

/**
 * Starts one service of the compose.yaml beside this file as a project of its own and waits until it is healthy. undefined where no Docker
 * runs. At its end the containers go, with their data.
 */
export async function startByCompose(
  service: string,
  variables: Readonly<Record<string, string>>,
): Promise<AsyncDisposable | undefined> {
  const docker = (...args: string[]) =>
    spawnSync('docker', args, { encoding: 'utf8', env: { ...process.env, ...variables } });
  if (docker('info').status !== 0) return undefined;
  const compose = ['compose', '--file', file, '--project-name', `opspawn-test-${process.pid}`];
  const end = async (): Promise<void> => {
    docker(...compose, 'down', '--volumes');
  };
  const { status, stderr } = docker(...compose, 'up', '--detach', '--wait', service);
  if (status === 0) return { [Symbol.asyncDispose]: end };
  await end();
  throw new Error(`docker compose up ${service} exited with ${status}:\n${stderr}`);
}
