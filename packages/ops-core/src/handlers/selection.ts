import type { TaskSelection } from '../tasks/engine-interface.ts';

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A parsed object has a key for every optional field that was sent; the engine's have none that is undefined. */
export const withoutUndefined = <T extends object>(object: T): WithoutUndefined<T> =>
  Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as WithoutUndefined<T>;

interface Times {
  createdAfter?: string | undefined;
  createdBefore?: string | undefined;
}

/** A filter as the engine takes it: times in Unix ms. */
export function selectionOf<Filter extends Times>(
  filter: Filter,
): WithoutUndefined<Omit<Filter, keyof Times>> & Pick<TaskSelection, keyof Times> {
  const { createdAfter, createdBefore, ...rest } = filter;
  return {
    ...withoutUndefined(rest),
    ...(createdAfter === undefined ? {} : { createdAfter: Date.parse(createdAfter) }),
    ...(createdBefore === undefined ? {} : { createdBefore: Date.parse(createdBefore) }),
  };
}
