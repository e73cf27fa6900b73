import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { withCode } from '../../test/tester.ts';
import { defineAgent } from '../define-agent.ts';
import { createModelRegistry } from '../model/registry.ts';
import { callTool, promptOf, scriptedModel, scriptedProvider } from '../testing.ts';
import { delegate } from '../tool/builtin/delegate.ts';
import { parseEvalCases } from './eval-case.ts';
import { compareEvals, missedThresholds, parseEvalReport } from './eval-report.ts';
import { evalTable } from './eval-table.ts';
import { judge } from './judge.ts';
import { runEval } from './run-eval.ts';
import type { Scorer } from './scorer.ts';
import { contains, exact, matchesSchema, numeric } from './scorers.ts';

/** Says back what it is asked, but for what it is asked to fail at. */
const parrot = defineAgent({
  name: 'parrot',
  instructions: 'Say it again.',
  model: scriptedModel({
    name: 'parrot',
    reply: (request) => {
      if (promptOf(request) === 'fail') throw new Error('no');
      return promptOf(request);
    },
  }),
  limits: { turns: 1 },
});

const scoresOf = async (scorer: Scorer, input: string, expected?: unknown) => {
  const [each] = parseEvalCases(JSON.stringify({ input, expected }));
  const report = await runEval({ agent: parrot, cases: [each!], scorers: [scorer] });
  return report.cases[0]?.scores[scorer.name];
};

test('a table shows no id that could steer the terminal, and none that is longer than an output', async () => {
  const cases = [{ id: `\n\u001b[31m${'i'.repeat(500)}`, input: 'x' }];
  const report = await runEval({ agent: parrot, cases, scorers: [{ name: 'any', score: () => 1 }] });
  const [, row] = evalTable(report).split('\n');
  assert.match(row ?? '', /^\[31mi{55}… {2}1 {4}x$/);
});

describe('a scorer', () => {
  it('compares the whole output', async () => {
    assert.equal(await scoresOf(exact, 'Paris ', 'Paris'), 1);
    assert.equal(await scoresOf(exact, 'paris', 'Paris'), 0);
    assert.equal(await scoresOf(exact, '{"b":1,"a":[2]}', { a: [2], b: 1 }), 1);
    assert.equal(await scoresOf(exact, '3', '3'), 1);
    assert.equal(await scoresOf(exact, '3', 3), 1);
  });

  it('looks for texts', async () => {
    assert.equal(await scoresOf(contains, 'It is Paris.', 'paris'), 1);
    assert.equal(await scoresOf(contains, 'Paris and Rome', ['paris', 'rome', 'oslo', 'bonn']), 0.5);
  });

  it('compares numbers within a tolerance', async () => {
    assert.equal(await scoresOf(numeric({ tolerance: 0.01 }), 'About 3.149', 3.14), 1);
    assert.equal(await scoresOf(numeric({ tolerance: 0.01 }), 'About 3.16', 3.14), 0);
    assert.equal(await scoresOf(numeric({ tolerance: 0.1, relative: true }), '$1,050,000', 1_000_000), 1);
    assert.equal(await scoresOf(numeric(), 'none', 3), 0);
  });

  it('checks a schema', async () => {
    const schema = { type: 'object', required: ['a'], properties: { a: { type: 'number' } } };
    assert.equal(await scoresOf(matchesSchema(schema), '```json\n{"a":1}\n```'), 1);
    assert.equal(await scoresOf(matchesSchema(schema), '{"a":"1"}'), 0);
    assert.equal(await scoresOf(matchesSchema(schema), 'no JSON'), 0);
  });

  it('whose model is not there is refused, whatever is asked for by name', async () => {
    const models = createModelRegistry({ environment: {} });
    for (const model of ['nowhere/m', undefined, ['nowhere/m', 'nowhere/n']]) {
      const scorer = judge({ models, ...(model && { model }) });
      const evaluated = runEval({ agent: parrot, cases: [{ input: 'x' }], scorers: [scorer] });
      await assert.rejects(evaluated, /No provider for the model nowhere|No model is configured/);
    }
  });

  it('is refused before anything runs when it could score nothing, or has no name of its own', async () => {
    let runs = 0;
    const reply = () => {
      runs += 1;
      return `${runs}`;
    };
    const model = scriptedModel({ name: 'counting', reply });
    const agent = { name: 'counting', instructions: 'Count.', model };
    const evaluate = (scorer: Scorer) => runEval({ agent, cases: [{ input: 'x' }], scorers: [scorer] });
    await assert.rejects(evaluate(matchesSchema({ type: 'strng' })), {
      code: 'config_invalid',
      message: /type: /,
    });
    for (const name of ['__proto__', 'constructor', ' '])
      await assert.rejects(evaluate({ name, score: () => 1 }), {
        code: 'invalid_argument',
        message: /is no name for a scorer/,
      });
    assert.equal(runs, 0);
    const report = await evaluate(matchesSchema(true));
    assert.deepEqual(report.scores, { 'json-schema': 1 });
    const missed = [{ scorer: 'constructor', wanted: 0.5, got: undefined }];
    assert.deepEqual(missedThresholds(report, { constructor: 0.5 }), missed);
  });

  it('asks a model, which sees question, answer and what was expected', async () => {
    const model = scriptedModel({
      name: 'strict',
      reply: (request) => {
        const { question, answer, expected } = JSON.parse(promptOf(request)) as Record<string, string>;
        return JSON.stringify({
          reason: `${question}/${answer}/${expected}`,
          score: answer === expected ? 1 : 0.25,
        });
      },
    });
    const models = createModelRegistry({ providers: { scripted: scriptedProvider(model) }, environment: {} });
    const scorer = judge({ model: 'scripted/strict', models });
    const cases = parseEvalCases('{"input":"a","expected":"a"}\n{"input":"a","expected":"b"}');
    const { cases: results } = await runEval({ agent: parrot, cases, scorers: [scorer] });
    assert.deepEqual(
      results.map(({ scores, reasons }) => [scores.judge, reasons?.judge]),
      [
        [1, 'a/a/a'],
        [0.25, 'a/a/b'],
      ],
    );
  });

  it('that breaks scores 0, and says why', async () => {
    const broken: Scorer = {
      name: 'broken',
      score: ({ output }) => {
        if (output === 'much') return 7;
        throw new Error('oh');
      },
    };
    const cases = parseEvalCases('{"input":"x"}\n{"input":"much"}');
    const report = await runEval({ agent: parrot, cases, scorers: [broken] });
    assert.deepEqual(
      report.cases.map(({ scores, reasons }) => [scores.broken, reasons?.broken]),
      [
        [0, 'oh'],
        [0, 'broken gave 7: a score is from 0 to 1'],
      ],
    );
  });
});

describe('an evaluation', () => {
  const data =
    '{"id":"one","input":"1","expected":"1"}\n\n{"input":"fail","expected":"x"}\n{"input":"3","expected":"4"}\n';

  it('keeps the order of the cases, counts failures as 0, and can be kept, shown and compared', async () => {
    const cases = parseEvalCases(data);
    const told: number[] = [];
    const onCase = (_: unknown, done: number) => void told.push(done);
    const report = await runEval({
      agent: parrot,
      cases,
      scorers: [exact, contains],
      concurrency: 3,
      onCase,
    });
    assert.deepEqual(
      report.cases.map(({ id, output, error }) => [id, output ?? error?.code]),
      [
        ['one', '1'],
        ['2', 'internal'],
        ['3', '3'],
      ],
    );
    assert.deepEqual([report.scores.exact, report.failed, told], [1 / 3, 1, [1, 2, 3]]);
    const kept = parseEvalReport(JSON.stringify(report));
    assert.deepEqual(kept, report);
    assert.match(
      evalTable(report),
      /^case {2}exact {2}contains {2}output\none {3}1 {6}1 .*\n.*\n.*\nmean {2}0\.333 .*3 cases, 1 failed/,
    );
    assert.deepEqual(missedThresholds(report, { exact: 0.3, contains: 0.9, none: 0 }), [
      { scorer: 'contains', wanted: 0.9, got: 1 / 3 },
      { scorer: 'none', wanted: 0, got: undefined },
    ]);
    const better = await runEval({
      agent: parrot,
      cases: parseEvalCases('{"id":"one","input":"2","expected":"1"}\n{"input":"x","expected":"x"}'),
      scorers: [exact],
    });
    const { worse, better: risen, onlyBefore, scores } = compareEvals(report, better);
    assert.deepEqual(worse, [{ id: 'one', scorer: 'exact', before: 1, after: 0 }]);
    assert.deepEqual(risen, [{ id: '2', scorer: 'exact', before: 0, after: 1 }]);
    assert.deepEqual([onlyBefore, scores], [['3'], { exact: { before: 0.5, after: 0.5 } }]);
  });

  it('tells what agents have spent that work was handed to, and of an older report what it holds', async () => {
    const boss = defineAgent({
      name: 'boss',
      instructions: 'Hand it on.',
      model: scriptedModel({ name: 'boss', steps: [callTool('parrot', { prompt: 'x'.repeat(400) }), 'ok'] }),
      tools: { parrot: delegate(parrot) },
    });
    const scorers = [{ name: 'any', score: () => 1 }];
    const report = await runEval({ agent: boss, cases: [{ input: 'Go' }], scorers });
    const [{ usage, spent, ...rest } = { scores: {} }] = report.cases;
    const own = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
    assert.ok((spent?.tokens ?? 0) >= own + 200);
    assert.match(evalTable(report), new RegExp(`, ${spent?.tokens} tokens, \\$0.0000$`));
    const older = { ...report, cases: [{ ...rest, usage }] } as typeof report;
    assert.match(evalTable(older), new RegExp(`, ${own} tokens, \\$0.0000$`));
  });

  it('is stopped by its signal', async () => {
    const stop = new AbortController();
    const onCase = () => stop.abort();
    const options = { agent: parrot, cases: parseEvalCases(data), scorers: [exact], concurrency: 1 };
    await assert.rejects(runEval({ ...options, signal: stop.signal, onCase }), withCode('cancelled'));
  });

  it('is stopped by its signal also while a scorer hangs', async () => {
    const stop = new AbortController();
    const hangs = {
      name: 'hangs',
      score: () => {
        setImmediate(() => stop.abort());
        return new Promise<number>(() => {});
      },
    };
    const options = { agent: parrot, cases: parseEvalCases(data), scorers: [hangs], concurrency: 1 };
    await assert.rejects(runEval({ ...options, signal: stop.signal }), withCode('cancelled'));
  });

  it('says what is wrong with a dataset before anything runs', async () => {
    const wrong: [string, RegExp][] = [
      ['', /no cases/],
      ['{"input":"a"}\n{"input":', /Line 2 .* no JSON/],
      ['{"input":"a","expectd":"b"}', /Line 1 .*expectd/],
      ['{"id":"a","input":"a"}\n{"id":"a","input":"b"}', /Line 2 .* twice/],
      ['{"input":7}', /Line 1 .*input/],
    ];
    assert.deepEqual(parseEvalCases('\uFEFF{"input":"a"}'), [{ input: 'a' }]);
    for (const [text, message] of wrong) assert.throws(() => parseEvalCases(text), message);
    const cases = parseEvalCases('{"input":"a"}');
    await assert.rejects(
      runEval({ agent: parrot, cases, scorers: [exact] }),
      /needs "expected", and case 1 has none/,
    );
    await assert.rejects(runEval({ agent: parrot, cases, scorers: [contains, contains] }), /one name/);
    for (const concurrency of [0, -1, Number.NaN, 1.5])
      await assert.rejects(
        runEval({ agent: parrot, cases, scorers: [], concurrency }),
        /^OpspawnError: .*\n- concurrency: /,
      );
    assert.throws(() => parseEvalReport('{}'), withCode('invalid_argument'));
  });
});
