import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { OpspawnError } from '../../errors.ts';

/** An address of a host, as `dns.lookup` gives it. */
export interface HostAddress {
  address: string;
  family: number;
}
export type Resolve = (host: string) => Promise<readonly HostAddress[]>;

/**
 * IPv4 that is not for the public (IANA, special-purpose registry): this host, private, shared, loopback, link-local and
 * the clouds' metadata in it, protocol, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast.
 */
const notPublic4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32'],
];
/** Of IPv6 only 2000::/3 is public, and of that not what stands for something else: Teredo and the like, documentation, 6to4. */
const public6 = ['2000::/3'];
const notPublic6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

interface Tables {
  blocked4: BlockList;
  allowed6: BlockList;
  blocked6: BlockList;
}

let made: Tables | undefined;

/** Made when the first address is asked about: that takes some 15 ms. */
function tables(): Tables {
  made ??= {
    blocked4: rangesOf(notPublic4),
    allowed6: rangesOf(public6),
    blocked6: rangesOf(notPublic6),
  };
  return made;
}

/** Ranges in CIDR notation (`10.1.0.0/16`, `fd00::/8`). Throws `config_invalid` for anything else. */
export function rangesOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix = ''] = range.split('/');
    const family = isIP(address);
    if (family === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128)) {
      throw new OpspawnError(
        'config_invalid',
        `${JSON.stringify(range)} is no range of addresses (10.0.0.0/8)`,
      );
    }
    list.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** Whether the address belongs to the public internet. IPv4 within IPv6 never does: it has a notation of its own. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !tables().blocked4.check(address, 'ipv4');
    case 6:
      return tables().allowed6.check(address, 'ipv6') && !tables().blocked6.check(address, 'ipv6');
    default:
      return false;
  }
}

/**
 * One address of a host that may be connected to; connect to it and to no other. All addresses of the host must be
 * public or in `allowed`. Throws `tool_denied`, or `tool_failed` when the host is not known.
 */
export async function checkedAddress(
  host: string,
  allowed: BlockList,
  resolve: Resolve,
): Promise<HostAddress> {
  const family = isIP(host);
  const addresses = family === 0 ? await resolved(host, resolve) : [{ address: host, family }];
  for (const { address } of addresses) {
    if (isPublicAddress(address) || allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) continue;
    throw new OpspawnError('tool_denied', `${host} is at ${address}, which is not on the public internet`, {
      details: { host, address },
    });
  }
  return addresses[0] as HostAddress;
}

async function resolved(host: string, resolve: Resolve): Promise<readonly HostAddress[]> {
  try {
    const addresses = await resolve(host);
    if (addresses.length > 0) return addresses;
    throw new Error('it has no address');
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new OpspawnError('tool_failed', `The host ${host} was not found: ${reason}`, {
      cause: thrown,
      details: { host },
    });
  }
}

export const resolveByDns: Resolve = (host) => lookup(host, { all: true, order: 'verbatim' });
