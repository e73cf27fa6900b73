import { once } from 'node:events';
import { createServer, type IncomingMessage, request as requestOf, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Json } from '../src/json.ts';

export type Fault =
  /** Answers instead of the server. */
  | { status: number; headers?: Record<string, string>; body: string }
  /** Passes on this share of the answer, and then ends it as if it were whole. */
  | { keep: number }
  /** Never answers. */
  | 'hang'
  /** Closes the connection. */
  | 'reset';

export interface WireProxy extends AsyncDisposable {
  readonly url: string;
  /** The bodies of all requests, in order. */
  readonly bodies: { [key: string]: Json }[];
  /** What goes wrong with all requests from now on. */
  fault: Fault | undefined;
  /** What goes wrong with the next requests, one each. */
  readonly nextFaults: Fault[];
}

/** A server that hands requests on to `target`, keeps what was said, and lets things go wrong. */
export async function openWireProxy(target: string): Promise<WireProxy> {
  const server = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    proxy.bodies.push(JSON.parse(body));
    const fault = proxy.nextFaults.shift() ?? proxy.fault;
    if (fault === 'hang') return;
    if (fault === 'reset') return void response.destroy();
    if (fault !== undefined && 'status' in fault) {
      return void response
        .writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
        .end(fault.body);
    }
    const { host: _, 'content-length': __, ...headers } = request.headers as Record<string, string>;
    // On a connection of its own: one that was kept may be closed by then.
    const asking = requestOf(`${target}${request.url}`, { method: 'POST', headers, agent: false }).end(body);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    const said = Buffer.concat(await answer.toArray());
    const kept = said.subarray(0, Math.floor(said.length * (fault?.keep ?? 1)));
    response
      .writeHead(answer.statusCode ?? 0, { 'content-type': answer.headers['content-type'] ?? '' })
      .end(kept);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: WireProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies: [],
    fault: undefined,
    nextFaults: [],
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
