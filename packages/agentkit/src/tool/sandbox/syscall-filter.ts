/**
 * The system calls that a sandbox is refused, as a seccomp filter (classic BPF): what no tool needs and what most ways
 * out of a sandbox went through; sockets too, of every family (pairs of them, which pipes are made of, stay). Everything else stays allowed; the namespaces and limits bound what that can reach.
 */
import { endianness } from 'node:os';

/** Numbers by architecture, in the order of `architectures`; `-`: there is none. From the kernel's unistd headers. */
const refused = `
  ptrace 101 117        process_vm_readv 310 270   process_vm_writev 311 271   kcmp 312 272
  pidfd_getfd 438 438   process_madvise 440 440    perf_event_open 298 241     bpf 321 280
  userfaultfd 323 282   io_uring_setup 425 425     io_uring_enter 426 426      io_uring_register 427 427
  unshare 272 97        setns 308 268              mount 165 40                umount2 166 39
  pivot_root 155 41     chroot 161 51              open_tree 428 428           move_mount 429 429
  fsopen 430 430        fsconfig 431 431           fsmount 432 432             fspick 433 433
  mount_setattr 442 442 name_to_handle_at 303 264  open_by_handle_at 304 265   fanotify_init 300 262
  keyctl 250 219        add_key 248 217            request_key 249 218         syslog 103 116
  kexec_load 246 104    kexec_file_load 320 294    init_module 175 105         finit_module 313 273
  delete_module 176 106 reboot 169 142             swapon 167 224              swapoff 168 225
  acct 163 89           quotactl 179 60            quotactl_fd 443 443         personality 135 92
  settimeofday 164 170  clock_settime 227 112      clock_adjtime 305 266       adjtimex 159 171
  sethostname 170 161   setdomainname 171 162      vhangup 153 58              lookup_dcookie 212 18
  iopl 172 -            ioperm 173 -               modify_ldt 154 -            uselib 134 -
  memfd_create 319 279  memfd_secret 447 447       shmget 29 194               msgget 68 186
  semget 64 190         mq_open 240 180            mbind 237 235               set_mempolicy 238 237
  migrate_pages 256 238 move_pages 279 239         socket 41 198`;

interface Architecture {
  /** AUDIT_ARCH_… of linux/audit.h. */
  audit: number;
  column: number;
  /** Those whose arguments are looked at. */
  numbers: { clone: number; clone3: number; ioctl: number; mmap: number; forks: number[] };
}

const architectures: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    column: 0,
    numbers: { clone: 56, clone3: 435, ioctl: 16, mmap: 9, forks: [57, 58] },
  },
  arm64: {
    audit: 0xc00000b7,
    column: 1,
    numbers: { clone: 220, clone3: 435, ioctl: 29, mmap: 222, forks: [] },
  },
};

/** Offsets in `struct seccomp_data`; of an argument the lower half. */
const [nrAt, archAt] = [0, 4];
const argumentAt = (index: number): number => 16 + 8 * index;

const [EPERM, ENOMEM, ENOSYS] = [1, 12, 38];
const allow = 0x7fff0000;
const fail = (errno: number): number => 0x00050000 | errno;
const killProcess = 0x80000000;

/** CLONE_NEWTIME to CLONE_NEWNET, and CLONE_NEWCGROUP. */
const namespaceFlags = 0x7e020000 | 0x80;
const cloneThread = 0x00010000;
const [tiocsti, tioclinux] = [0x5412, 0x541c];
/** MAP_SHARED with MAP_ANONYMOUS: memory that no limit of a process counts. */
const sharedAnonymous = 0x21;

type Instruction = [code: number, jumpIfTrue: number, jumpIfFalse: number, value: number];
const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const and = (mask: number): Instruction => [0x54, 0, 0, mask];
const give = (action: number): Instruction => [0x06, 0, 0, action];
/** Goes on with the next instruction when it holds, and otherwise skips so many. */
const unlessEqualSkip = (value: number, count: number): Instruction => [0x15, 0, count, value];
const ifEqualSkip = (value: number, count: number): Instruction => [0x15, count, 0, value];
const unlessAnyBitSkip = (mask: number, count: number): Instruction => [0x45, 0, count, mask];
const unlessAtLeastSkip = (value: number, count: number): Instruction => [0x35, 0, count, value];

/** Whether the filter is written for this machine. */
export const hasSyscallFilter = (): boolean => process.arch in architectures && endianness() === 'LE';

/** The filter for bubblewrap's `--seccomp`. `mayFork`: whether further processes may be started, beside threads. */
export function syscallFilter(mayFork: boolean): Buffer {
  const { audit, column, numbers } = architectures[process.arch] as Architecture;
  const { clone, clone3, ioctl, mmap, forks } = numbers;
  const denied = [...refusedNumbers(column), ...(mayFork ? [] : forks)];
  const program: Instruction[] = [
    load(archAt),
    ifEqualSkip(audit, 1),
    give(killProcess),
    load(nrAt),
    // the x32 calls of x86-64, which have numbers of their own
    unlessAtLeastSkip(0x40000000, 1),
    give(fail(ENOSYS)),
    ...denied.flatMap((number) => [unlessEqualSkip(number, 1), give(fail(EPERM))]),
    // its flags stand in memory, where no filter sees them: callers fall back to clone
    unlessEqualSkip(clone3, 1),
    give(fail(ENOSYS)),
    ...inspect(clone, [
      load(argumentAt(0)),
      unlessAnyBitSkip(namespaceFlags, 1),
      give(fail(EPERM)),
      ...(mayFork ? [] : [unlessAnyBitSkip(cloneThread, 1), give(allow), give(fail(EPERM))]),
    ]),
    ...inspect(ioctl, [
      load(argumentAt(1)),
      unlessEqualSkip(tiocsti, 1),
      give(fail(EPERM)),
      unlessEqualSkip(tioclinux, 1),
      give(fail(EPERM)),
    ]),
    ...inspect(mmap, [
      load(argumentAt(3)),
      and(sharedAnonymous),
      unlessEqualSkip(sharedAnonymous, 1),
      give(fail(ENOMEM)),
    ]),
    give(allow),
  ];
  return assemble(program);
}

/** What holds for one call; allowed when nothing in it says otherwise. */
const inspect = (number: number, body: Instruction[]): Instruction[] => [
  unlessEqualSkip(number, body.length + 1),
  ...body,
  give(allow),
];

const refusedNumbers = (column: number): number[] =>
  [...refused.matchAll(/\w+ (\d+) (\d+|-)/g)].flatMap(([, ...numbers]) => {
    const number = numbers[column];
    return number === undefined || number === '-' ? [] : [Number(number)];
  });

function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, [code, jumpIfTrue, jumpIfFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(jumpIfTrue, 8 * index + 2);
    bytes.writeUInt8(jumpIfFalse, 8 * index + 3);
    bytes.writeUInt32LE(value >>> 0, 8 * index + 4);
  }
  return bytes;
}
