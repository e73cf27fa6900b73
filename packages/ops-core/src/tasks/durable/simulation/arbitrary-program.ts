import fc from 'fast-check';
import type { Program } from './program.ts';

/**
 * `branches`: only `ctx.all`, `race` and `map`. `plain`: also `Promise.all`, `Promise.race` and work that nobody awaits.
 * `io`: also I/O outside steps, and nothing whose result hangs on which I/O is faster.
 */
export type Style = 'branches' | 'plain' | 'io';

const upTo = (max: number, min = 0) => fc.integer({ min, max });
const optional = <T>(value: fc.Arbitrary<T>, name: string) =>
  fc.option(value, { nil: undefined }).map((chosen) => (chosen === undefined ? {} : { [name]: chosen }));

const step = fc.record({
  type: fc.constant('step' as const),
  name: upTo(1),
  latency: upTo(5),
  failBelow: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 300, 1_001),
  once: fc.boolean(),
  tries: upTo(3, 1),
});

const compounds = {
  branches: ['sequence', 'all', 'race', 'generator'],
  plain: ['sequence', 'all', 'race', 'generator', 'plainAll', 'plainRace', 'unawaited'],
  io: ['sequence', 'all', 'generator'],
} as const satisfies Record<Style, readonly Program['type'][]>;

/** A durable function of up to seven statements, nested four deep. */
export function arbitraryProgram(style: Style): fc.Arbitrary<Program> {
  const simple = [
    { weight: 6, arbitrary: step },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('sleep'), ms: upTo(30) }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(upTo(1), optional(upTo(20, 1), 'timeoutMs'))
        .map(([name, timeout]) => ({ type: 'signal', name, ...timeout })),
    },
    {
      weight: 1,
      arbitrary: optional(upTo(200, 1), 'timeoutMs').map((timeout) => ({ type: 'approval', ...timeout })),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('child') }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('log') }) },
    style === 'io'
      ? { weight: 3, arbitrary: fc.record({ type: fc.constant('io'), latency: upTo(4, 1) }) }
      : { weight: 1, arbitrary: fc.record({ type: fc.constant('pure'), microtasks: upTo(6) }) },
    ...(style === 'io' ? [] : [{ weight: 1, arbitrary: fc.record({ type: fc.constant('named') }) }]),
  ];
  const { program } = fc.letrec((tie) => ({
    program: fc.oneof(
      { maxDepth: 4, depthSize: 'large' },
      ...simple,
      {
        weight: 3,
        arbitrary: fc.record({
          type: fc.constantFrom(...compounds[style]),
          parts: fc.array(tie('program'), { minLength: 1, maxLength: 4 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          type: fc.constant('map'),
          part: tie('program'),
          items: upTo(4, 1),
          concurrency: upTo(3, 1),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ type: fc.constant('try'), body: tie('program'), handler: tie('program') }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('loop'), body: tie('program'), latency: upTo(3) }),
      },
    ),
  }));
  return fc
    .array(program as fc.Arbitrary<Program>, { minLength: 2, maxLength: 7 })
    .map((parts) => ({ type: 'sequence', parts }));
}
