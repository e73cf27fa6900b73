import { namesSomebody, OpspawnError } from '@opspawn/agentkit/schema';
import { nameSchema } from '@opspawn/sdk';

/** Of those who operate the deployment. */
export const defaultNamespace = 'default';

/** Who asks. Every operation checks `namespace`; there is no principal without one. */
export interface Principal {
  readonly namespace: string;
  /** For records of who decided: a person, a key, or `local` for a caller on loopback without keys. */
  readonly name: string;
}

/** The caller where no keys exist: loopback only. */
export const localPrincipal: Principal = { namespace: defaultNamespace, name: 'local' };

/** Throws `invalid_argument` for what cannot be a namespace. */
export function checkNamespace(namespace: string): void {
  const wrong = nameSchema.safeParse(namespace).error?.issues[0]?.message;
  if (wrong !== undefined) throw new OpspawnError('invalid_argument', `The namespace ${wrong}`);
}

/** Throws `invalid_argument` for a name of a key that nobody could see in what was decided. */
export function checkDeciderName(name: string): void {
  if (namesSomebody(name)) return;
  throw new OpspawnError('invalid_argument', 'A key needs a name that can be seen: it says who decided');
}

/** The name of who decides. Throws `permission_denied` for a key that an earlier version made without one. */
export function deciderOf({ name }: Principal): string {
  if (namesSomebody(name)) return name;
  throw new OpspawnError(
    'permission_denied',
    'Your key has no name that could stand for who decided: make another',
  );
}

/** Throws `permission_denied` for who works in a namespace and does not operate the deployment. `what` begins a sentence. */
export function checkOperator({ namespace }: Principal, what: string): void {
  if (namespace === defaultNamespace) return;
  throw new OpspawnError(
    'permission_denied',
    `${what} by keys of the namespace ${defaultNamespace} alone, and this one is of ${namespace}`,
    { details: { namespace } },
  );
}
