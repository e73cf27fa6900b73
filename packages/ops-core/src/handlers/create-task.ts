import type { CreateTask, createTaskRequestSchema, FieldError } from '@opspawn/sdk';
import type { z } from 'zod';
import { throwUnderPath } from '../domain/under-path.ts';
import type { HandlersOf } from './handler.ts';
import { invalidArgument } from './invalid-argument.ts';

type CreateTaskRequest = z.output<typeof createTaskRequestSchema>;

export const createHandlers: HandlersOf<'tasks.create' | 'tasks.createMany'> = {
  'tasks.create': async ({ engine, principal }, { headers, body }) => {
    const faults: FieldError[] = [];
    const request = readRequest(body, '', faults);
    const headerKey = headers['idempotency-key'];
    if (headerKey !== undefined && (request.idempotencyKey ?? headerKey) !== headerKey) {
      faults.push({
        in: 'header',
        path: '/idempotency-key',
        message: 'differs from idempotencyKey in the body',
      });
    }
    if (faults.length > 0) throw invalidArgument(faults);
    const keyed = headerKey === undefined ? request : { ...request, idempotencyKey: headerKey };
    const { task, created } = await engine.submit(principal, keyed);
    return { body: task, created, location: `/v1/tasks/${task.id}` };
  },

  'tasks.createMany': async ({ engine, principal }, { body }) => {
    const faults: FieldError[] = [];
    const requests = body.tasks.map((task, index) => readRequest(task, `/tasks/${index}`, faults));
    if (faults.length > 0) throw invalidArgument(faults);
    const outcomes = await engine.submitMany(principal, requests).catch(throwWithBatchPath);
    return {
      body: {
        items: outcomes.map((item) =>
          item.outcome === 'failed'
            ? { outcome: item.outcome, error: { code: item.error.code, message: item.error.message } }
            : item,
        ),
      },
    };
  },
};

/** The request without the earlier name of `injectMcpProxy`. */
function readRequest(request: CreateTaskRequest, path: string, faults: FieldError[]): CreateTask {
  const { inject_mcp_proxy: earlierName, ...task } = request;
  if (earlierName === undefined) return task;
  if (task.injectMcpProxy !== undefined && task.injectMcpProxy !== earlierName) {
    faults.push({ in: 'body', path: `${path}/inject_mcp_proxy`, message: 'differs from injectMcpProxy' });
  }
  return { ...task, injectMcpProxy: earlierName };
}

/** The engine's path starts at the list of requests, the client's at the body. */
const throwWithBatchPath = (error: unknown): never => throwUnderPath(error, '/tasks');
