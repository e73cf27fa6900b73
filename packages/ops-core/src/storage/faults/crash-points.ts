import type { Store, Write } from '../store.ts';
import { interceptStore, type StoreMethod } from './intercept.ts';

export interface CrashPoint {
  /** Which owner's write, from 1: append, finish, suspend, release and pause count, submits and posts do not. */
  at: number;
  /** `before`: the write is not done. `after`: it is committed, and its caller never hears of it. */
  moment: 'before' | 'after';
  /** Ends the process. When it returns, no call of this store is ever answered again, as if the process had ended. */
  crash: () => void;
}

const ownerWrites: readonly Write['op'][] = ['append', 'finish', 'suspend', 'release', 'pause'];

function isOwnerWrite(method: StoreMethod, args: readonly unknown[]): boolean {
  return method === 'write' && ownerWrites.includes((args[0] as Write).op);
}

const never = (): Promise<never> => new Promise(() => {});

/** Crashes at one boundary between two states of a journal; `countWrites` says how many there are. */
export function withCrashPoints(store: Store, { at, moment, crash }: CrashPoint): Store {
  let count = 0;
  let hasCrashed = false;
  const crashNow = (): Promise<never> => {
    hasCrashed = true;
    crash();
    return never();
  };
  return interceptStore(store, async (method, args, call) => {
    if (hasCrashed) return never();
    if (!isOwnerWrite(method, args)) return call();
    count += 1;
    const isPoint = count === at;
    if (isPoint && moment === 'before') return crashNow();
    const result = await call();
    if (hasCrashed) return never();
    return isPoint ? crashNow() : result;
  });
}

/** Counts the owners' writes, refused ones too. */
export function countWrites(store: Store): { store: Store; count(): number } {
  let count = 0;
  const counted = interceptStore(store, (method, args, call) => {
    if (isOwnerWrite(method, args)) count += 1;
    return call();
  });
  return { store: counted, count: () => count };
}
