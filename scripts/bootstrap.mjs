/**
 * Starts a TypeScript file of this repository from a fresh clone, under whatever Node started it (20 or newer):
 * installs what package-lock.json names, then hands over to the Node that the lockfile pins.
 *
 *     node scripts/bootstrap.mjs <script.ts> [args…]
 *
 * Exits with the script's exit code, or 1 when the install fails or no pinned Node exists for this platform.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const pinnedMajor = '26';
const root = fileURLToPath(new URL('..', import.meta.url));
const binFolder = join(root, 'node_modules', '.bin');
const stampFile = join(root, 'node_modules', '.opspawn-lockfile');

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** What node_modules has to be made from: another lockfile or another platform means another install. */
function lockfileStamp() {
  const sha256 = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${sha256} ${process.platform}-${process.arch}\n`;
}

function isInstalled(stamp) {
  try {
    return readFileSync(stampFile, 'utf8') === stamp;
  } catch {
    return false;
  }
}

/** Runs `npm ci` under the Node outside of node_modules, because npm deletes the one inside on its way. */
function install(stamp) {
  process.stderr.write('Installing the dependencies of package-lock.json (npm ci) …\n');
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.endsWith(join('node_modules', '.bin')))
    .join(delimiter);
  const npm = spawnSync(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional'],
    { cwd: root, env: { ...process.env, PATH: path }, stdio: ['ignore', 2, 2] },
  );
  if (npm.error) fail(`npm could not be started: ${npm.error.message}`);
  if (npm.status !== 0) fail('npm ci failed; its output is above.');
  writeFileSync(stampFile, stamp);
}

function checkPinnedNode() {
  const node = spawnSync(join(binFolder, 'node'), ['--version'], { encoding: 'utf8' });
  if (node.status === 0 && node.stdout.startsWith(`v${pinnedMajor}.`)) return;
  const found = node.status === 0 ? `node_modules/.bin/node is ${node.stdout.trim()}` : 'there is none';
  fail(
    `Opspawn needs Node ${pinnedMajor}, which it installs by itself on linux-x64, linux-arm64 and darwin-arm64; ` +
      `this is ${process.platform}-${process.arch}, and ${found}.`,
  );
}

function run(script, args) {
  const child = spawn(join(binFolder, 'node'), [resolve(script), ...args], {
    env: { ...process.env, PATH: `${binFolder}${delimiter}${process.env.PATH ?? ''}` },
    stdio: 'inherit',
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  // A terminal sends Ctrl-C to the child as well, and a second one may mean "stop at once".
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  child.on('error', (error) => fail(`${script} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail('Usage: node scripts/bootstrap.mjs <script.ts> [args…]');
const stamp = lockfileStamp();
if (!isInstalled(stamp)) install(stamp);
checkPinnedNode();
run(script, args);
