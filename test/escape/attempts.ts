/**
 * Ways out of a sandbox, and beyond its limits. An attempt gives something truthy (in shell: prints something) when it
 * succeeded, or changes something that can be seen from outside.
 */
import { existsSync } from 'node:fs';
import type { World } from './world.ts';

export interface Attempt {
  name: string;
  language: 'javascript' | 'shell';
  code: string;
  /** Seen from outside, in place of what it gives. */
  hasHappened?: (world: World) => boolean;
  /**
   * Whether the same succeeds without a tier, by which it is known to be a real attempt: for everybody, for root, or
   * not tried (`no`), where it would harm this machine or needs more than every machine has.
   */
  control: 'everybody' | 'root' | 'no';
}

const fs = `const fs = await load('node:fs');`;
const wroteOutside = ({ given }: World): boolean => existsSync(given.outside);
const hasLeft = (path: string) => (): boolean => existsSync(path);

/** Reads with JavaScript. */
const read = (name: string, path: string, control: Attempt['control'] = 'everybody'): Attempt => ({
  name,
  language: 'javascript',
  code: `${fs} return fs.readFileSync(${path}).length;`,
  control,
});

const javascript = (name: string, code: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  language: 'javascript',
  code,
  control: 'everybody',
  ...more,
});

const shell = (name: string, code: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  language: 'shell',
  code,
  control: 'everybody',
  ...more,
});

const files: Attempt[] = [
  read('reads /etc/shadow', `'/etc/shadow'`, 'root'),
  read('reads /etc/passwd', `'/etc/passwd'`),
  read('reads a file that it was not given', 'given.secretFile'),
  read('reads through a symlink in a folder of its own', `given.box + '/link'`),
  read('reads through a path that climbs', `given.box + '/../secret'`),
  read('reads below the root of another process', `'/proc/1/root' + given.secretFile`, 'no'),
  read('reads below its own root', `'/proc/self/root' + given.secretFile`),
  read('reads from the folder of another process', `'/proc/1/cwd/etc/hostname'`, 'no'),
  javascript(
    'makes a symlink and reads through it',
    `${fs} const path = '/tmp/link-' + given.secret; fs.symlinkSync(given.secretFile, path);
     try { return fs.readFileSync(path).length } finally { fs.rmSync(path) }`,
  ),
  javascript(
    'reads through Node’s inner bindings',
    `const { internalBinding } = await load('node:internal/test/binding').catch(() => ({}));
     const binding = internalBinding?.('fs') ?? process.binding('fs');
     return binding.readFileUtf8?.(given.secretFile, 0) ?? binding.internalModuleReadJSON?.(given.secretFile);`,
    { control: 'no' },
  ),
  javascript(
    'talks Node’s permissions out of it',
    `${fs} process.permission = { has: () => true }; process.permission.has = () => true;
     return fs.readFileSync(given.secretFile).length;`,
    { control: 'no' },
  ),
  javascript('lists the folder above', `${fs} return fs.readdirSync(given.box + '/..').includes('secret');`),
  javascript(
    'lists /home, /root and /var',
    // What the sandbox is given may lie there: the way to it is all that it sees.
    `${fs} return ['/home', '/root', '/var'].some((path) => fs.existsSync(path) && fs.readdirSync(path).length > 1);`,
  ),
  javascript(
    'imports a module of the host',
    `return Object.keys(await load('file://' + given.shelf + '/../module.mjs')).length;`,
    { control: 'no' },
  ),
  javascript('writes outside', `${fs} fs.writeFileSync(given.outside, 'x');`, { hasHappened: wroteOutside }),
  javascript(
    'writes into a folder that it may only read',
    `${fs} fs.writeFileSync(given.shelf + '/new', 'x');`,
    {
      hasHappened: ({ given }) => existsSync(`${given.shelf}/new`),
    },
  ),
  javascript(
    'moves a file out',
    `${fs} fs.writeFileSync(given.box + '/mine', 'x'); fs.renameSync(given.box + '/mine', given.outside);`,
    {
      hasHappened: wroteOutside,
    },
  ),
  javascript(
    'takes a file in by a hard link',
    `${fs} fs.linkSync(given.secretFile, given.box + '/hard'); return fs.readFileSync(given.box + '/hard').length;`,
  ),
  javascript(
    'puts a hard link outside',
    `${fs} fs.writeFileSync(given.box + '/mine', 'x'); fs.linkSync(given.box + '/mine', given.outside);`,
    {
      hasHappened: wroteOutside,
    },
  ),
  javascript(
    'races a symlink against a file',
    `${fs} const path = given.box + '/race'; const until = Date.now() + 300;
     while (Date.now() < until) {
       try { fs.rmSync(path, { force: true }); fs.symlinkSync(given.outside, path); fs.writeFileSync(path, 'x'); } catch {}
     }`,
    { hasHappened: wroteOutside },
  ),
  javascript('writes a heap snapshot outside', `(await load('node:v8')).writeHeapSnapshot(given.outside);`, {
    hasHappened: wroteOutside,
  }),
  javascript(
    'writes a report outside',
    `process.report.directory = '/'; process.report.writeReport(given.outside);`,
    { hasHappened: wroteOutside },
  ),
  shell('reads with a program what it was not given', 'cat "$secretFile"'),
  shell('reads /etc/shadow with a program', 'head -c 1 /etc/shadow', { control: 'root' }),
  shell('writes outside with a program', 'echo x > "$outside"', { hasHappened: wroteOutside }),
  shell('changes the machine’s programs', 'touch /usr/opspawn-escape', {
    hasHappened: hasLeft('/usr/opspawn-escape'),
    control: 'no',
  }),
  shell('leaves a file in the machine’s /tmp', 'touch "/tmp/opspawn-escape"', {
    hasHappened: hasLeft('/tmp/opspawn-escape'),
    control: 'no',
  }),
  shell('leaves a file in the machine’s /dev/shm', 'touch "/dev/shm/opspawn-escape"', {
    hasHappened: hasLeft('/dev/shm/opspawn-escape'),
    control: 'no',
  }),
];

const secrets: Attempt[] = [
  javascript(
    'finds a secret in its environment',
    `return Object.values(process.env).includes(given.secret);`,
  ),
  javascript(
    'finds a secret in a report',
    `return JSON.stringify(process.report.getReport()).includes('OPSPAWN_ESCAPE_SECRET');`,
  ),
  shell(
    'finds a secret in an environment',
    'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep OPSPAWN_ESCAPE_SECRET',
  ),
  shell(
    'reads the environment of the machine’s first process',
    '[ $$ -lt 100 ] || head -c 1 /proc/1/environ',
    { control: 'no' },
  ),
  shell(
    'finds the host’s process',
    'ls -d "/proc/$hostPid/task" && tr "\\0" " " < "/proc/$hostPid/cmdline" | grep escape',
  ),
  shell(
    'finds a secret in a descriptor',
    'for each in /proc/[0-9]*/fd/*; do case $(readlink "$each") in *secret) echo "$each";; esac; done',
    { control: 'no' },
  ),
];

const network: Attempt[] = [
  javascript(
    'connects to a port of this machine',
    `const net = await load('node:net');
    return await new Promise((resolve, reject) => net.connect(given.tcpPort, '127.0.0.1').on('data', (data) => resolve(data.length)).on('error', reject));`,
  ),
  javascript(
    'sends a datagram',
    `const socket = (await load('node:dgram')).createSocket('udp4');
    return await new Promise((resolve, reject) => { socket.on('error', reject); socket.send('x', given.udpPort, '127.0.0.1', (error) => (error ? reject(error) : resolve(true))); });`,
  ),
  javascript(
    'connects to a Unix socket in a folder that it may read',
    `const net = await load('node:net');
    return await new Promise((resolve, reject) => net.connect(given.socketFile).on('data', (data) => resolve(data.length)).on('error', reject));`,
  ),
  javascript(
    'asks a name server',
    `const { Resolver } = (await load('node:dns')).promises; const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers(['127.0.0.1:' + given.udpPort]); await resolver.resolve4('example.com').catch(() => {});`,
    {
      hasHappened: ({ visits }) => visits > 0,
    },
  ),
  javascript(
    'reaches the cloud’s metadata',
    `return (await fetch('http://169.254.169.254/', { signal: AbortSignal.timeout(300) })).status;`,
    { control: 'no' },
  ),
  javascript(
    'listens',
    `const net = await load('node:net');
    return await new Promise((resolve, reject) => { const server = net.createServer().listen(0, '127.0.0.1', () => { server.close(); resolve(true); }).on('error', reject); });`,
  ),
  javascript(
    'opens Node’s inspector',
    `const inspector = await load('node:inspector'); inspector.open(0); const url = inspector.url(); inspector.close(); return url;`,
  ),
  shell(
    'connects with a program',
    `perl -MIO::Socket::INET -e 'print 1 if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ENV{tcpPort}")'`,
  ),
  shell(
    'connects to a Unix socket with a program',
    `perl -MIO::Socket::UNIX -e 'print 1 if IO::Socket::UNIX->new(Peer => $ENV{socketFile})'`,
  ),
  shell('opens a raw socket', `perl -MSocket -e 'print 1 if socket(my $s, PF_INET, SOCK_RAW, 1)'`, {
    control: 'root',
  }),
  shell('asks the kernel over netlink', `perl -MSocket -e 'print 1 if socket(my $s, 16, SOCK_RAW, 0)'`),
];

const processes: Attempt[] = [
  javascript(
    'starts a program',
    `return (await load('node:child_process')).execFileSync('/bin/true').length === 0;`,
  ),
  javascript('becomes another program', `process.execve('/bin/echo', ['echo', '1']);`, { control: 'no' }),
  javascript(
    'starts a thread',
    `const { Worker } = await load('node:worker_threads');
    return await new Promise((resolve, reject) => new Worker('0', { eval: true }).on('exit', () => resolve(true)).on('error', reject));`,
  ),
  javascript(
    'loads a native addon',
    `try { process.dlopen({ exports: {} }, '/lib/' + (given.arch === 'x64' ? 'x86_64' : 'aarch64') + '-linux-gnu/libm.so.6'); }
    catch (error) { return /self-register/.test(error.message); }`,
  ),
  javascript(
    'reads through WASI',
    `const { WASI } = await load('node:wasi'); return new WASI({ version: 'preview1', preopens: { '/': '/' } }) !== undefined;`,
  ),
  javascript('becomes root', `process.setgroups([0]); process.setuid(0); return process.getuid() === 0;`, {
    control: 'root',
  }),
  javascript('signals a process of the host', `process.kill(given.victimPid, 0); return true;`),
  shell('kills a process of the host', 'kill -9 "$victimPid"', {
    hasHappened: ({ victim }) => victim.signalCode !== null || victim.exitCode !== null,
    control: 'no',
  }),
  shell('kills everything it can', 'kill -9 -1', {
    hasHappened: ({ victim }) => victim.signalCode !== null,
    control: 'no',
  }),
  shell('becomes root by a setuid program', '[ "$(su root -c "id -u" </dev/null)" = 0 ] && echo 1', {
    control: 'root',
  }),
  shell(
    'makes a setuid program',
    'cp /bin/true "$box/root" && chown 0 "$box/root" && chmod 4755 "$box/root" && echo 1',
    { control: 'root' },
  ),
  shell('mounts', 'mkdir -p /tmp/mount && mount -t tmpfs none /tmp/mount && echo 1', { control: 'no' }),
  shell('makes namespaces', 'unshare --user --map-root-user true && echo 1', { control: 'root' }),
  shell('changes its root', 'chroot / /bin/true && echo 1', { control: 'root' }),
  shell('makes a device', 'mknod /tmp/opspawn-device c 1 1 && rm /tmp/opspawn-device && echo 1', {
    control: 'root',
  }),
  shell(
    'opens the machine’s devices',
    'ls /dev/mem /dev/kmsg /dev/vda /dev/sda /dev/nvme0n1 /dev/tty /dev/ptmx /dev/shm 2>/dev/null',
  ),
  shell(
    'changes the kernel’s settings',
    'cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo 1',
    { control: 'no' },
  ),
  shell('pulls the kernel’s levers', 'echo > /proc/sysrq-trigger && echo 1', { control: 'no' }),
  shell('looks into /sys', 'ls /sys /sys/fs/cgroup 2>/dev/null'),
  shell('sets the clock', 'date -s "@$(date +%s)" >/dev/null 2>&1 && echo 1', { control: 'no' }),
  shell('renames the machine', 'hostname opspawn-escape && echo 1', { control: 'no' }),
  shell('loosens its own limits', 'prlimit --pid $$ --nproc=unlimited --data=unlimited && echo 1', {
    control: 'no',
  }),
  shell(
    'has a capability',
    'grep -q "CapBnd:.*[1-9a-f]" /proc/self/status && grep -q "CapEff:.*[1-9a-f]" /proc/self/status && echo 1',
    { control: 'root' },
  ),
];

export const attempts: readonly Attempt[] = [...files, ...secrets, ...network, ...processes];

/** Harmless forms of calls that a sandbox refuses as such: EPERM there, and anything else where they are let through. */
export const systemCalls: readonly (readonly [name: string, x64: number, arm64: number, args: string])[] = [
  ['ptrace', 101, 117, '99, 0, 0, 0'],
  ['process_vm_readv', 310, 270, '0, 0, 0, 0, 0, 0'],
  ['process_vm_writev', 311, 271, '0, 0, 0, 0, 0, 0'],
  ['pidfd_getfd', 438, 438, '-1, 0, 0'],
  ['io_uring_setup', 425, 425, '0, 0'],
  ['unshare', 272, 97, '0'],
  ['setns', 308, 268, '-1, 0'],
  ['keyctl', 250, 219, '9999, 0, 0, 0, 0'],
  ['memfd_create', 319, 279, '0, 0'],
  ['shmget', 29, 194, '0, 0, 0'],
  ['socket', 41, 198, '40, 1, 0'],
  ['fsopen', 430, 430, '0, 99'],
  ['ioctl TIOCSTI', 16, 29, '0, 0x5412, 0'],
];
