import type { NodeOptions } from '@opspawn/ops-core';

type Store = Parameters<NonNullable<NodeOptions['wrapStore']>>[0];

/** Kill this process at the write of a task's owner that comes to this boundary, before it is committed or when it just was. */
export interface StoreKill {
  boundary: number;
  when: 'before' | 'after';
}

/**
 * The same store, which says what boundary each write of an owner comes to and can kill the process at one of them. A
 * boundary is how many entries owners have written, a write without one counting as one: how many writes they come in
 * depends on what is written while the disk is waited for.
 */
export function crashingStore(
  store: Store,
  kill: StoreKill | undefined,
  onBoundary: (boundary: number) => void,
): Store {
  let written = 0;
  const write: Store['write'] = async (request) => {
    if (!('owner' in request)) return await store.write(request);
    const before = written;
    written += Math.max(1, request.entries.length);
    onBoundary(written);
    const isHere = kill !== undefined && before < kill.boundary && kill.boundary <= written;
    if (isHere && kill.when === 'before') return await die();
    const result = await store.write(request);
    return isHere ? await die() : result;
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === 'write') return write;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return await new Promise<never>(() => {});
}
