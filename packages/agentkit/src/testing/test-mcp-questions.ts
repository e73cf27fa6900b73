import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Json } from '../json.ts';

/** What a person answered to a form. */
export interface TestMcpReply {
  action: 'accept' | 'decline' | 'cancel';
  content?: { [key: string]: Json };
}

/** Asks the person behind the client to fill in a form; `schema` is that of an object of simple fields. */
export type AskPerson = (message: string, schema: Json) => Promise<TestMcpReply>;

/** The answer to a request becomes a stream, so that the server can ask before it answers. */
export function streamOf(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
}

/** What a test server asked and is not answered yet. */
export class OpenQuestions {
  readonly #open = new Map<string, (reply: TestMcpReply) => void>();

  ask(response: ServerResponse, message: string, requestedSchema: Json): Promise<TestMcpReply> {
    const id = randomUUID();
    if (!response.headersSent) streamOf(response);
    const params = { mode: 'form', message, requestedSchema };
    response.write(
      `data: ${JSON.stringify({ jsonrpc: '2.0', id, method: 'elicitation/create', params })}\n\n`,
    );
    return new Promise((resolve) => this.#open.set(id, resolve));
  }

  /** A client that cannot ask anybody answers with an error. */
  answer({ id, result }: { id?: number | string; result?: TestMcpReply }): void {
    this.#open.get(String(id))?.(result ?? { action: 'cancel' });
    this.#open.delete(String(id));
  }
}
