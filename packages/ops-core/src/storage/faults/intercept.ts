import type { Store } from '../store.ts';

export type StoreMethod = Extract<keyof Store, string>;

/** Does a call of the store, or something else in its place. `call` may be made late, never, or more than once. */
export type Interceptor = (
  method: StoreMethod,
  args: readonly unknown[],
  call: () => Promise<unknown>,
) => Promise<unknown>;

/** The same store, whose calls go through `interceptor`; listening and closing do not. */
export function interceptStore(store: Store, interceptor: Interceptor): Store {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (typeof key === 'symbol' || key === 'listen') return value.bind(target);
      return (...args: readonly unknown[]) =>
        interceptor(key as StoreMethod, args, () => value.apply(target, args) as Promise<unknown>);
    },
  });
}
