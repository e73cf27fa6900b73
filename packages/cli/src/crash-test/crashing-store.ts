import type { NodeOptions } from '@opspawn/ops-core';

type Store = Parameters<NonNullable<NodeOptions['wrapStore']>>[0];

/** Kill this process at the n-th write of a task's owner (from 1), before it is committed or when it just was. */
export interface StoreKill {
  boundary: number;
  when: 'before' | 'after';
}

/** The same store, which counts the writes of owners and can kill the process at one of them. */
export function crashingStore(
  store: Store,
  kill: StoreKill | undefined,
  onBoundary: (count: number) => void,
): Store {
  let count = 0;
  const write: Store['write'] = async (request) => {
    if (!('owner' in request)) return await store.write(request);
    count += 1;
    onBoundary(count);
    const isHere = kill?.boundary === count;
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
