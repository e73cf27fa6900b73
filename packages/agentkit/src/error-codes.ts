/** What a code means at each door. `grpc` is the status number, `exit` the CLI's exit code. */
export interface ErrorCodeEntry {
  http: number;
  grpc: number;
  exit: number;
  /** Whether trying the same thing again later can succeed. */
  retryable: boolean;
}

/** Every code that Opspawn reports, over every door. A closed list: clients may switch on it. */
export const errorCodes = {
  // what the caller asked for
  invalid_argument: { http: 400, grpc: 3, exit: 2, retryable: false },
  config_invalid: { http: 500, grpc: 9, exit: 2, retryable: false },
  unauthenticated: { http: 401, grpc: 16, exit: 3, retryable: false },
  permission_denied: { http: 403, grpc: 7, exit: 3, retryable: false },
  not_found: { http: 404, grpc: 5, exit: 4, retryable: false },
  method_not_allowed: { http: 405, grpc: 12, exit: 2, retryable: false },
  wrong_state: { http: 409, grpc: 9, exit: 5, retryable: false },
  already_decided: { http: 409, grpc: 9, exit: 5, retryable: false },
  idempotency_conflict: { http: 409, grpc: 6, exit: 5, retryable: false },
  payload_too_large: { http: 413, grpc: 8, exit: 2, retryable: false },
  unsupported_media_type: { http: 415, grpc: 3, exit: 2, retryable: false },
  rate_limited: { http: 429, grpc: 8, exit: 6, retryable: true },
  quota_exceeded: { http: 429, grpc: 8, exit: 9, retryable: true },
  unavailable: { http: 503, grpc: 14, exit: 6, retryable: true },
  internal: { http: 500, grpc: 13, exit: 1, retryable: true },
  // how a task or a step ended
  cancelled: { http: 409, grpc: 1, exit: 7, retryable: false },
  timeout: { http: 504, grpc: 4, exit: 8, retryable: true },
  deadline_exceeded: { http: 504, grpc: 4, exit: 8, retryable: false },
  step_failed: { http: 500, grpc: 13, exit: 1, retryable: false },
  budget_exceeded: { http: 429, grpc: 8, exit: 9, retryable: false },
  guardrail_tripped: { http: 422, grpc: 9, exit: 1, retryable: false },
  model_failed: { http: 502, grpc: 14, exit: 1, retryable: true },
  model_rejected: { http: 502, grpc: 9, exit: 1, retryable: false },
  tool_failed: { http: 502, grpc: 13, exit: 1, retryable: true },
  tool_denied: { http: 403, grpc: 7, exit: 3, retryable: false },
  mcp_failed: { http: 502, grpc: 14, exit: 1, retryable: true },
  isolation_unavailable: { http: 501, grpc: 12, exit: 1, retryable: false },
  declined: { http: 409, grpc: 9, exit: 5, retryable: false },
  input_required: { http: 409, grpc: 9, exit: 5, retryable: false },
  effect_in_doubt: { http: 409, grpc: 10, exit: 10, retryable: false },
  // broken promises of durable code
  not_json: { http: 500, grpc: 13, exit: 1, retryable: false },
  nested_step: { http: 500, grpc: 13, exit: 1, retryable: false },
  io_outside_step: { http: 500, grpc: 13, exit: 1, retryable: false },
  non_determinism: { http: 500, grpc: 9, exit: 1, retryable: false },
  no_progress: { http: 500, grpc: 9, exit: 1, retryable: false },
  lease_lost: { http: 409, grpc: 10, exit: 1, retryable: true },
  schema_too_new: { http: 500, grpc: 9, exit: 1, retryable: false },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof errorCodes;
