import { OpspawnError } from '@opspawn/sdk';
import { isSameDigest, readApiKey } from '../auth/api-key.ts';
import { checkNamespace, localPrincipal, type Principal } from '../auth/principal.ts';
import type { ApiKeyRow, ApiKeyStore } from '../storage/parts/api-keys.ts';
import { isLoopback } from './guard.ts';

/** Decides who may ask. */
export interface Gate {
  /** Whether callers need a key, as far as is known. Where they need none, only programs of this host may ask. */
  readonly isKeyed: boolean;
  /** Who sends this header. Throws `unauthenticated`, and `unavailable` when the store cannot be asked. */
  authenticate(authorization: string | undefined): Promise<Principal>;
}

/** For everybody who reaches it: right on loopback only. */
export const openGate: Gate = { isKeyed: false, authenticate: async () => localPrincipal };

export interface GateOptions {
  store: ApiKeyStore;
  host: string;
  /** Only who has this key is let in. */
  ownKey: string | undefined;
  /** In which that one works. Default: `default`. */
  ownNamespace: string | undefined;
}

/** How a server that listens on `host` lets in. Throws `invalid_argument` for what cannot be a namespace. */
export function createGate({ store, host, ownKey, ownNamespace }: GateOptions): Gate {
  return ownKey === undefined
    ? new KeyGate(store, { isLoopback: isLoopback(host) })
    : privateGate(ownKey, ownNamespace);
}

/** For who started the server, and nobody else: a key that this process alone knows. */
function privateGate(token: string, namespace = localPrincipal.namespace): Gate {
  checkNamespace(namespace);
  const principal = { ...localPrincipal, namespace };
  return {
    isKeyed: true,
    async authenticate(authorization) {
      const given = tokenOf(authorization) ?? '';
      if (!isSameDigest(given, token)) throw unauthenticated('This server belongs to another process');
      return principal;
    },
  };
}

/** How old what is known of a key may be, in ms: so long one that was taken away is still good. */
const freshMs = 5_000;
/** How long after the first key was made everybody may still be let in, in ms. */
const unkeyedMs = 1_000;
const maxRemembered = 1_000;

interface Remembered {
  readonly row: ApiKeyRow;
  /** `performance.now()` */
  readonly at: number;
}

/** For who has a key of the store. On loopback nobody needs one until the first is made, by whatever process. */
export class KeyGate implements Gate {
  readonly #store: ApiKeyStore;
  readonly #remembered = new Map<string, Remembered>();
  #isKeyed: boolean;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(store: ApiKeyStore, { isLoopback }: { isLoopback: boolean }) {
    this.#store = store;
    this.#isKeyed = !isLoopback;
  }

  get isKeyed(): boolean {
    return this.#isKeyed;
  }

  async authenticate(authorization: string | undefined): Promise<Principal> {
    if (!(await this.#needsKey())) return localPrincipal;
    const token = tokenOf(authorization);
    if (token === undefined) throw unauthenticated('A key is needed: send it as "Authorization: Bearer KEY"');
    const key = readApiKey(token);
    const row = key === undefined ? undefined : await this.#find(key.id);
    if (key === undefined || row === undefined || !isSameDigest(row.digest, key.digest))
      throw unauthenticated('The key is not valid');
    return { namespace: row.namespace, name: row.name };
  }

  async #needsKey(): Promise<boolean> {
    const now = performance.now();
    if (this.#isKeyed || now - this.#lookedAt < unkeyedMs) return this.#isKeyed;
    this.#isKeyed = (await this.#store.apiKeys()).length > 0;
    this.#lookedAt = now;
    return this.#isKeyed;
  }

  async #find(id: string): Promise<ApiKeyRow | undefined> {
    const now = performance.now();
    const known = this.#remembered.get(id);
    if (known !== undefined && now - known.at < freshMs) return known.row;
    const row = await this.#store.apiKey(id);
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    if (row === undefined) this.#remembered.delete(id);
    else this.#remembered.set(id, { row, at: now });
    return row;
  }
}

const tokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];

const unauthenticated = (message: string): OpspawnError => new OpspawnError('unauthenticated', message);
