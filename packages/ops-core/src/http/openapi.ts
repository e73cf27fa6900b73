import {
  apiVersion,
  type ErrorCode,
  errorCodes,
  errorsOf,
  type Operation,
  type OperationId,
  OpspawnError,
  operations,
  problemSchema,
  type Success,
} from '@opspawn/sdk';
import { z } from 'zod';
import { describeProblem } from './problem.ts';
import { queryKinds } from './query.ts';

type JsonObject = Record<string, unknown>;

const description = `Runs AI agents, functions and workflows as durable tasks.

Requests and answers are JSON in UTF-8, whatever \`Accept\` says; only \`/v1/tasks/{taskId}/events\` answers with
server-sent events. Unknown fields, keys that are there twice, keys named \`__proto__\`, lone surrogates, numbers that no
double can hold and nesting deeper than 100 levels are refused. Every error is an \`application/problem+json\`
(RFC 9457) with a stable \`code\`; every answer has an \`x-request-id\`, taken from the request when it is made of 1 to 128
letters, digits, and \`. _ -\`.

Beside what the operations list, any request may meet 400 (not HTTP), 404 (no such path), 405 (with \`Allow\`), 408 (sent
too slowly) and 431 (headers over 16 KiB).

\`/api/v1/tasks\` takes POST and GET just like \`/v1/tasks\`, for earlier clients.`;

type TagOf<Id> = Id extends `${infer Tag}.${string}` ? Tag : never;

/** Operations are grouped by the first part of their ids. */
const tags: Readonly<Record<TagOf<OperationId>, string>> = {
  tasks: 'Work that was accepted',
  failures: 'What failed, by error and name',
  sessions: 'Conversations that go on over several tasks',
  queues: 'Shares, pauses, and what is in them',
  limits: 'What may run when',
  providers: 'Requests and tokens that workers may take of model providers together',
  spending: 'What agents have cost',
  mcp: 'Definitions of MCP tools, which a person approves when they change',
  settings: 'Quotas and retention of the own namespace',
  namespaces: 'The same of any namespace, for administrators',
  definitions: 'What work can be made of',
  service: 'The server itself',
};

/** The OpenAPI 3.1 document, derived from the table of operations. */
export function createOpenApi(): JsonObject {
  const components: JsonObject = {};
  const responses: JsonObject = {};
  const problem = schemaOf(problemSchema, components);
  const paths: Record<string, JsonObject> = {};
  for (const [id, operation] of Object.entries<Operation>(operations)) {
    const methods = paths[operation.path] ?? {};
    methods[operation.method.toLowerCase()] = describeOperation(id, operation, {
      components,
      responses,
      problem,
    });
    paths[operation.path] = methods;
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Opspawn',
      version: apiVersion,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    security: [{}, { key: [] }],
    paths,
    components: {
      schemas: components,
      responses,
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A key of the API. A server that only its own host reaches needs none until the first is made.',
        },
      },
    },
  };
}

interface Shared {
  components: JsonObject;
  responses: JsonObject;
  problem: JsonObject;
}

function describeOperation(id: string, operation: Operation, shared: Shared): JsonObject {
  const { components } = shared;
  const parameters = [
    ...describeParameters('path', operation.params, components),
    ...describeParameters('query', operation.query, components),
    ...describeParameters('header', operation.headers, components),
  ];
  return {
    operationId: operation.rpc.charAt(0).toLowerCase() + operation.rpc.slice(1),
    tags: [id.slice(0, id.indexOf('.'))],
    summary: operation.summary,
    description: operation.description,
    ...(operation.scope === 'public' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.body === undefined
      ? {}
      : {
          requestBody: {
            required: operation.body.required,
            description: `At most ${operation.body.limitBytes / 1024 / 1024} MiB`,
            content: { 'application/json': { schema: schemaOf(operation.body.schema, components) } },
          },
        }),
    responses: { ...describeSuccess(operation.success, components), ...describeErrors(operation, shared) },
  };
}

function describeParameters(
  place: string,
  schema: z.ZodObject | undefined,
  components: JsonObject,
): JsonObject[] {
  if (schema === undefined) return [];
  const { properties, required = [] } = schemaOf(schema, components) as {
    properties: Record<string, JsonObject>;
    required?: string[];
  };
  const kinds = queryKinds(schema);
  return Object.entries(properties)
    .filter(([, property]) => property.not === undefined)
    .map(([name, { description: text, ...property }]) => ({
      name,
      in: place,
      ...(text === undefined ? {} : { description: text }),
      required: required.includes(name),
      ...(kinds.get(name) === 'list' ? { style: 'form', explode: false } : {}),
      schema: property,
    }));
}

const requestIdHeader = {
  'x-request-id': { description: 'Names this exchange in the log', schema: { type: 'string' } },
};

function describeSuccess(success: Success, components: JsonObject): JsonObject {
  switch (success.kind) {
    case 'empty':
      return { 204: { description: 'Done', headers: requestIdHeader } };
    case 'json': {
      const location = { location: { description: 'Path of the task', schema: { type: 'string' } } };
      const answer = {
        headers: { ...requestIdHeader, ...(success.hasLocation === true ? location : {}) },
        content: { 'application/json': { schema: schemaOf(success.schema, components) } },
      };
      const [first, existing] = success.statuses;
      return {
        [first]: { description: existing === undefined ? 'Done' : 'Made now', ...answer },
        ...(existing === undefined ? {} : { [existing]: { description: 'Was there already', ...answer } }),
      };
    }
    case 'events': {
      const events = Object.entries(success.events).map(([name, schema]) => [
        name,
        schemaOf(schema, components),
      ]);
      return {
        200: {
          description:
            'Server-sent events until the task ends. `x-event-schemas` has the schema of each event’s data.',
          headers: requestIdHeader,
          content: {
            'text/event-stream': {
              schema: { type: 'string' },
              example: 'event: entry\nid: 4\ndata: {"seq":4,"type":"log","attempt":1,"at":1795251600120}\n\n',
              'x-event-schemas': Object.fromEntries(events),
            },
          },
        },
        204: {
          description: '`Last-Event-ID` was that of `end`: there is nothing left to tell',
          headers: requestIdHeader,
        },
      };
    }
    default:
      return success satisfies never;
  }
}

/** Which codes have a status differs by operation: each set of codes is one shared response. */
function describeErrors(operation: Operation, { responses, problem }: Shared): JsonObject {
  const byStatus = Map.groupBy(errorsOf(operation), (code) => errorCodes[code].http);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const name = codes.join('-or-');
      responses[name] ??= {
        description: codes.map((code) => `\`${code}\``).join(', '),
        headers: { ...requestIdHeader, ...(codes.includes('unavailable') ? retryAfterHeader : {}) },
        content: {
          'application/problem+json': {
            schema: problem,
            examples: Object.fromEntries(codes.map((code) => [code, { value: exampleProblem(code) }])),
          },
        },
      };
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

const retryAfterHeader = { 'retry-after': { description: 'Seconds to wait', schema: { type: 'integer' } } };

const exampleMessages: Partial<Record<ErrorCode, string>> = {
  invalid_argument: '/name Invalid input: expected string, received undefined',
  permission_denied: 'Origin must be that of this server: pages of other sites may not call it',
  not_found: 'Task 0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01 does not exist',
  wrong_state: 'Task 0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01 is completed',
  idempotency_conflict: 'The idempotency key was used with another request',
  payload_too_large: 'The body is over the limit',
  unsupported_media_type: 'Content-Type must be application/json, in UTF-8',
  quota_exceeded: 'The quota pendingTasks of this namespace is 1000: only so many tasks may be pending',
  unavailable: 'The database cannot be reached',
  timeout: 'No answer in time',
};

function exampleProblem(code: ErrorCode): unknown {
  const message = exampleMessages[code] ?? '';
  const errors = [
    { in: 'body', path: '/name', message: 'Invalid input: expected string, received undefined' },
  ];
  const error = new OpspawnError(code, message, { details: code === 'invalid_argument' ? { errors } : {} });
  return describeProblem(error, { requestId: '3b7c0e0e-6a0b-4f0e-8a55-0f3d0f3b9c11', place: 'body' }).problem;
}

/** The JSON Schema of what is sent. Named schemas go to the components and are referred to. */
function schemaOf(schema: z.ZodType, components: JsonObject): JsonObject {
  const wrapped = z.toJSONSchema(z.object({ wrapped: schema }), { io: 'input' });
  const { properties, $defs = {} } = JSON.parse(
    JSON.stringify(wrapped).replaceAll('"#/$defs/', '"#/components/schemas/'),
  ) as { properties: { wrapped: JsonObject }; $defs?: JsonObject };
  Object.assign(components, $defs);
  return properties.wrapped;
}
