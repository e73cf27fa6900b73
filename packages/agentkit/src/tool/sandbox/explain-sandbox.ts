import { OpspawnError } from '../../errors.ts';

const remedies: readonly { said: RegExp; remedy: string }[] = [
  {
    said: /uid map|No permissions to creat|Creating new namespace failed|Operation not permitted|user namespace/i,
    remedy:
      'this user may not make namespaces. Debian: sysctl kernel.unprivileged_userns_clone=1; Ubuntu 24.04 and later: ' +
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile of AppArmor for bwrap; in a container: ' +
      'allow user namespaces (a seccomp profile that lets unshare and mount pass)',
  },
  {
    said: /Can't mount proc|mount proc/i,
    remedy:
      'a fresh /proc cannot be mounted: in a container, /proc must not be masked (systempaths=unconfined)',
  },
  {
    said: /Unknown option/,
    remedy: 'this bubblewrap is too old: version 0.7 or later (apt install bubblewrap)',
  },
  {
    said: /error while loading shared libraries/,
    remedy:
      'Node’s libraries stand where no sandbox has them: use a Node whose libraries are in /usr/lib or /lib',
  },
];

/** Why a sandbox did not start, by what bubblewrap and Node said, and what to do. */
export function explainSandbox(stderr: string): OpspawnError {
  const said = stderr.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
  const found = remedies.find((each) => each.said.test(stderr));
  const remedy = found === undefined ? '' : `; ${found.remedy}`;
  return new OpspawnError(
    'isolation_unavailable',
    `The sandbox tier cannot be given here: ${said || 'the sandbox ended at once'}${remedy}`,
    { details: { said } },
  );
}
