import assert, { AssertionError } from 'node:assert';
import { test } from 'node:test';
import type { AgentEvent } from '../event.ts';
import { expectEvents, expectNoEvent } from './expect-events.ts';

const events: AgentEvent[] = [
  { type: 'turn.started', turn: 1 },
  { type: 'tool.started', turn: 1, callId: 'c', tool: 'add', input: { a: 1, b: { c: [1, 2] } } },
  { type: 'tool.finished', turn: 1, callId: 'c', tool: 'add', output: 3, isError: false, durationMs: 1 },
];

test('patterns name what matters, in order, with anything in between', () => {
  expectEvents(events, [{ type: 'turn.started' }, { type: 'tool.finished', output: 3 }]);
  expectEvents(events, [{ type: 'tool.started', input: { b: { c: [1, 2] } } }]);
  expectEvents(events, [{ type: 'turn.started' }, { type: 'tool.started' }, { type: 'tool.finished' }], {
    exactly: true,
  });
  expectEvents([], []);
});

test('what is missing, out of order or too much is named', () => {
  const failures: [() => void, RegExp][] = [
    [
      () => expectEvents(events, [{ type: 'run.failed' }]),
      /no event 1 of 1: {"type":"run.failed"}\nThe events were:\n {2}{"type":"turn.started"/,
    ],
    [() => expectEvents(events, [{ type: 'tool.finished' }, { type: 'tool.started' }]), /no event 2 of 2/],
    [() => expectEvents(events, [{ type: 'tool.started', input: { b: { c: [1] } } }]), /no event 1/],
    [
      () => expectEvents(events, [{ type: 'tool.started' }], { exactly: true }),
      /not expected: {"type":"turn.started"/,
    ],
    [
      () => expectEvents(events, [{ type: 'turn.started' }], { exactly: true }),
      /not expected: {"type":"tool.started"/,
    ],
    [() => expectNoEvent(events, { type: 'tool.finished', isError: false }), /not expected/],
  ];
  for (const [expectation, message] of failures)
    assert.throws(expectation, (thrown) => thrown instanceof AssertionError && message.test(thrown.message));
  expectNoEvent(events, { type: 'tool.finished', isError: true });
});
