import { BlockList, isIP } from 'node:net';
import type { FetchLike } from '@modelcontextprotocol/client';
import { checkedAddress, isPublicAddress, resolveByDns } from '../tool/builtin/public-address.ts';

/**
 * `fetch` for one configured server and for what that server names: where its authorization server is, it says itself.
 * Its own origin is asked as configured; another one only on the public internet, unless the configured server itself
 * stands in a network that is not public. Throws `tool_denied`.
 */
export function guardedFetch(serverUrl: string): FetchLike {
  const { origin, hostname } = new URL(serverUrl);
  return async (url, init) => {
    const target = new URL(url);
    if (target.origin !== origin && !(await isInside(hostname))) {
      await checkedAddress(bare(target.hostname), new BlockList(), resolveByDns);
    }
    return fetch(url, init);
  };
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

async function isInside(hostname: string): Promise<boolean> {
  const host = bare(hostname);
  const addresses = isIP(host) === 0 ? await resolveByDns(host) : [{ address: host }];
  return addresses.every(({ address }) => !isPublicAddress(address));
}
