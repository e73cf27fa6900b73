export const defaultNamespace = 'default';

/** Who asks. Every operation checks `namespace`; there is no principal without one. */
export interface Principal {
  readonly namespace: string;
  /** For records of who decided: a person, a key, or `local` for a caller on loopback without keys. */
  readonly name: string;
}

/** The caller where no keys exist: loopback only. */
export const localPrincipal: Principal = { namespace: defaultNamespace, name: 'local' };
