import { createRedactor } from '../security/redactor.ts';
import type { McpServerConfig } from './mcp-config.ts';

const secretName = /auth|cookie|key|token|secret|password|credential/i;

/** The values of headers and variables whose names say that they are secret. */
const secretsOf = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    secretName.test(name) ? [value, ...(/^\w+ (.+)$/.exec(value)?.slice(1) ?? [])] : [],
  );

/** Secrets of one server: those of its configuration, and every token that it gets later. */
export function serverSecrets({ transport }: McpServerConfig) {
  const secrets = new Set(secretsOf(transport.kind === 'http' ? transport.headers : transport.env));
  return {
    redact: createRedactor({ values: () => secrets }),
    onSecret: (secret: string): void => void secrets.add(secret),
  };
}
