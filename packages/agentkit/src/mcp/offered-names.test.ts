import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { offeredNames } from './offered-names.ts';

describe('names of offered tools', () => {
  it('are the server and the tool, where that is a name that models take', () => {
    assert.deepEqual(
      [...offeredNames('files', ['read_file', 'a-b'])],
      [
        ['files__a-b', 'a-b'],
        ['files__read_file', 'read_file'],
      ],
    );
  });

  it('keep a tool that has a good name apart from those that would get it', () => {
    const names = offeredNames('s', ['get user', 'get_user', 'get.user']);
    assert.equal(names.get('s__get_user'), 'get_user');
    assert.deepEqual(
      [...names.keys()].map((name) => name.replace(/_[0-9a-f]{8}$/, '_#')),
      ['s__get_user', 's__get_user_#', 's__get_user_#'],
    );
  });

  it('are legal, complete, without clashes and the same in any order', () => {
    const word = fc.oneof(fc.string({ maxLength: 90 }), fc.stringMatching(/^[ab._ ]{1,3}$/));
    fc.assert(
      fc.property(fc.uniqueArray(word, { maxLength: 30 }), (tools) => {
        const names = offeredNames('server-1', tools);
        assert.deepEqual([...names.values()].sort(), [...tools].sort());
        for (const name of names.keys()) assert.match(name, /^server-1__[a-zA-Z0-9_-]{0,54}$/);
        assert.deepEqual([...offeredNames('server-1', [...tools].reverse())], [...names]);
      }),
    );
  });
});
