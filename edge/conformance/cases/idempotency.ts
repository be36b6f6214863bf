import { type Case, EVENT } from './case.ts'

/** Valid and invalid Idempotency-Keys. */
export const IDEMPOTENCY: readonly Case[] = [
  ...['', '"', '""', 'a b', 'ä', 'x'.repeat(256), '"a', 'a, b'].map(
    (key): Case => ({
      title: `an Idempotency-Key of ${key.slice(0, 10)}`,
      headers: { 'idempotency-key': Buffer.from(key, 'utf8').toString('latin1') },
      body: EVENT,
      status: 400,
      code: 'IDEMPOTENCY_KEY_INVALID',
    }),
  ),

  ...[
    ['a', 'one letter'],
    ['x'.repeat(255), '255 letters'],
    [`"${'x'.repeat(255)}"`, '255 letters in quotes'],
    ['018f3a5c-7b2e-7c4d-9e1f-0a2b3c4d5e6f', 'a UUID'],
    ["!#$%&'()*+,-./:;<=>?@[]^_`{|}~", 'every punctuation character'],
    ['a"b', 'a quote inside'],
    [String.raw`a\b`, 'a backslash'],
    [String.raw`"a\"b"`, 'an escaped quote'],
    [String.raw`"a\\"`, 'an escaped backslash'],
    ['"a,b"', 'a comma in quotes'],
    ['a,b', 'a comma'],
    ['  a  ', 'spaces around it'],
    ['__proto__', 'the name __proto__'],
    ["'a'", 'single quotes'],
  ].map(
    ([key, title]): Case => ({
      title: `an Idempotency-Key of ${title}`,
      headers: { 'idempotency-key': key as string },
      body: EVENT,
      status: 202,
    }),
  ),
  ...[
    [`"${'x'.repeat(256)}"`, '256 letters in quotes'],
    ['"a b"', 'a space in quotes'],
    ['a\tb', 'a tab inside'],
    ['"a"b"', 'three quotes'],
    [String.raw`"a\b"`, 'a lone backslash in quotes'],
    [String.raw`"a\"`, 'an escaped end'],
    ['"a";q=1', 'a parameter'],
    ['"a", "b"', 'a list'],
    ['\xa0', 'a no-break space'],
    ['\xe2\x80\x8b', 'a zero-width space'],
    ['\xf0\x9f\x98\x80', 'an emoji'],
    ['x'.repeat(5_000), '5,000 letters'],
  ].map(
    ([key, title]): Case => ({
      title: `an Idempotency-Key of ${title}`,
      headers: { 'idempotency-key': key as string },
      body: EVENT,
      status: 400,
      code: 'IDEMPOTENCY_KEY_INVALID',
    }),
  ),
]
