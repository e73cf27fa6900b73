/** The part of Standard Schema v1 that is used (https://standardschema.dev): zod, valibot, arktype and others have it. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    /** Standard JSON Schema: a schema that can say itself. zod and arktype have it. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: 'draft-2020-12' }) => unknown };
  };
}

/** What a schema makes of its input. */
export type SchemaOutput<Schema extends StandardSchemaV1> = NonNullable<
  Schema['~standard']['types']
>['output'];

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

interface TriesAsync {
  safeParseAsync(
    value: unknown,
  ): Promise<
    | { success: true; data: unknown }
    | { success: false; error: { readonly issues: readonly StandardIssue[] } }
  >;
}

/** Zod would try without waiting first, and let go of that: refinements run twice, and one that rejects ends the process. */
const triesAsync = (schema: StandardSchemaV1): schema is StandardSchemaV1 & TriesAsync =>
  schema['~standard'].vendor === 'zod' &&
  'safeParseAsync' in schema &&
  typeof schema.safeParseAsync === 'function';

/** What the schema makes of a value, or its issues. Rejects with what a check of its own throws. */
export async function validateBy(schema: StandardSchemaV1, value: unknown): Promise<StandardResult<unknown>> {
  if (!triesAsync(schema)) return await schema['~standard'].validate(value);
  const result = await schema.safeParseAsync(value);
  return result.success ? { value: result.data } : { issues: result.error.issues };
}
