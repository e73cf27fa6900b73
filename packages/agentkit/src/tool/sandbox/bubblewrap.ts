/** The command line of a sandbox: bubblewrap with an empty root and what is needed, and Node's permission model inside. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OpspawnError } from '../../errors.ts';
import { moduleUrl } from '../../module-url.ts';
import type { SandboxAccess } from './sandbox-access.ts';

const mebibyte = 1024 * 1024;
const defaultTmpMb = 64;
/** The compiled package, or its sources, and what says that they are modules. */
const packageRoot = fileURLToPath(new URL('../../', import.meta.url));
const packageFile = fileURLToPath(new URL('../../../package.json', import.meta.url));
const libraries = [
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/lib',
  '/lib64',
  '/etc/ld.so.cache',
  '/nix/store',
];
const programs = ['/usr', '/bin', '/sbin', '/etc/alternatives', '/etc/localtime'];
const devices = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom'];

export interface SandboxCommand {
  program: string;
  args: readonly string[];
  /** The user and group as which it runs, where that is another one. */
  user: number | undefined;
}

/**
 * Throws `isolation_unavailable`, saying what to install, where a program is missing, and `config_invalid` for access
 * that cannot be given.
 */
export function sandboxCommand(module: URL, access: SandboxAccess): SandboxCommand {
  const node = realpathSync(process.execPath);
  const entry = fileURLToPath(moduleUrl('../process/process-entry', import.meta.url));
  const asRoot = process.getuid?.() === 0;
  const given = givenPaths(module, access);
  const user = asRoot ? unprivilegedUser(given) : undefined;
  const own = [...libraries, ...(access.programs ? programs : []), node, packageRoot, packageFile];
  if (asRoot) own.push(findProgram('setpriv', 'util-linux'));
  const args = [
    ...namespaces(asRoot),
    ...['--proc', '/proc', '--perms', '0755', '--dir', '/dev'],
    ...devices.flatMap((device) => ['--dev-bind', device, device]),
    ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/proc/self/fd/0', '/dev/stdin'],
    ...['--symlink', '/proc/self/fd/1', '/dev/stdout', '--symlink', '/proc/self/fd/2', '/dev/stderr'],
    ...['--perms', '1777', '--size', String((access.tmpMb ?? defaultTmpMb) * mebibyte), '--tmpfs', '/tmp'],
    ...mounts(own.map((path) => ({ path, writable: false }))),
    ...mounts(given),
    ...['--remount-ro', '/', '--chdir', workFolder(given), '--'],
    ...(user === undefined ? [] : dropRoot(user)),
    ...[node, '--no-warnings', ...permissions(module, access), entry],
  ];
  return { program: findProgram('bwrap', 'bubblewrap'), args, user };
}

/** Looks where the path says, and where programs stand that a service's path leaves out. */
function findProgram(name: string, debianPackage: string): string {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/bin',
    '/usr/local/bin',
    '/bin',
    '/sbin',
  ];
  const found = folders
    .map((folder) => join(folder, name))
    .find((path) => isAbsolute(path) && existsSync(path));
  if (found !== undefined) return realpathSync(found);
  throw new OpspawnError(
    'isolation_unavailable',
    `The sandbox tier needs ${name}: install ${debianPackage} (apt install ${debianPackage})`,
    { details: { missing: name } },
  );
}

/** As root no user namespace is needed: the tool gets a user id of its own instead, see `dropRoot`. */
const namespaces = (asRoot: boolean): string[] => [
  ...(asRoot ? [] : ['--unshare-user', '--uid', '1000', '--gid', '1000']),
  ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
  ...['--hostname', 'sandbox', '--clearenv', '--new-session', '--die-with-parent'],
];

/** The first folder that it may change. */
const workFolder = (given: readonly Mount[]): string =>
  given.find(({ path, writable }) => writable && statSync(path).isDirectory())?.path ?? '/tmp';

interface Mount {
  path: string;
  writable: boolean;
}

/** What the tool gets by name. Throws `config_invalid`. */
function givenPaths(module: URL, { read = [], write = [] }: SandboxAccess): Mount[] {
  const own = { path: fileURLToPath(module), writable: false };
  const asked = [
    ...read.map((path) => ({ path, writable: false })),
    ...write.map((path) => ({ path, writable: true })),
  ];
  for (const { path } of asked) {
    if (!isAbsolute(path) || resolve(path) === '/' || /^\/(?:proc|sys|dev)(?:\/|$)/.test(resolve(path)))
      throw badAccess(path, 'is not an absolute path that can be given');
    if (!existsSync(path)) throw badAccess(path, 'does not exist');
  }
  // A folder before what stands in it.
  return [own, ...asked.map(({ path, writable }) => ({ path: resolve(path), writable }))].sort(
    (a, b) => a.path.length - b.path.length,
  );
}

function mounts(list: readonly Mount[]): string[] {
  return list.flatMap(({ path, writable }) => {
    const ancestors = ancestorsOf(path).flatMap((folder) => ['--perms', '0755', '--dir', folder]);
    return [...ancestors, writable ? '--bind' : '--ro-bind-try', path, path];
  });
}

/** Outermost first, without `/`. bubblewrap would make them for its own user alone. */
function ancestorsOf(path: string): string[] {
  const folder = dirname(path);
  return folder === '/' ? [] : [...ancestorsOf(folder), folder];
}

const bySystemd = 1_879_048_192;
let sandboxes = 0;

/**
 * A user id that nobody else has, above those that systemd gives out, so that limits per user count this sandbox alone;
 * or the owner of what may be written. Throws `config_invalid` where that cannot be one.
 */
function unprivilegedUser(given: readonly Mount[]): number {
  const owners = given.filter(({ writable }) => writable).map(({ path }) => ownerOf(path));
  const [owner, other] = new Set(owners);
  if (other !== undefined)
    throw badAccess(
      'write',
      `has paths of several owners (${owners.join(', ')}): give a sandbox those of one`,
    );
  sandboxes = (sandboxes + 1) % 256;
  return owner ?? bySystemd + (process.pid % 2 ** 22) * 256 + sandboxes;
}

/** No capability is left, and none can come back. */
const dropRoot = (user: number): string[] => [
  ...[findProgram('setpriv', 'util-linux'), '--reuid', String(user), '--regid', String(user)],
  ...['--clear-groups', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'],
];

function ownerOf(path: string): number {
  const { uid } = statSync(path);
  if (uid !== 0) return uid;
  throw badAccess(path, 'belongs to root, as whom no sandbox runs: give it to another user (chown)');
}

const badAccess = (path: string, problem: string): OpspawnError =>
  new OpspawnError('config_invalid', `The access of a sandbox: ${path} ${problem}`, { details: { path } });

/** Node's own refusals: a second wall, and errors that say what was refused. Programs that a tool starts have none. */
function permissions(module: URL, { read = [], write = [], programs = false }: SandboxAccess): string[] {
  if (programs) return [];
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  if (flag === undefined) return [];
  const readable = [packageRoot, packageFile, fileURLToPath(module), ...read, ...write, '/tmp'];
  return [
    flag,
    ...outermostFirst(readable).map((path) => `--allow-fs-read=${path}`),
    ...outermostFirst(['/tmp', ...write]).map((path) => `--allow-fs-write=${path}`),
  ];
}

/** Node 26 forgets that it may read a folder that is named behind one inside it. */
const outermostFirst = (paths: readonly string[]): string[] =>
  [...new Set(paths)].sort((a, b) => a.length - b.length);
