import { expect, test } from 'vitest'
import { reportedDirectives } from './csp-report.ts'

const newer = (effectiveDirective: unknown) => ({
  type: 'csp-violation',
  body: { effectiveDirective },
})
const older = (directive: unknown) => ({ 'csp-report': { 'effective-directive': directive } })

test.each([
  [
    "the Reporting API's form",
    [newer('img-src'), newer('script-src-elem')],
    ['img-src', 'script-src-elem'],
  ],
  ['one report of it without a list', newer('img-src'), ['img-src']],
  ['the older form', older('font-src'), ['font-src']],
  ['a name of 32 characters', newer('a'.repeat(32)), ['a'.repeat(32)]],
])('the directives of a report are read from %s', (_, body, directives) => {
  expect(reportedDirectives(body)).toEqual(directives)
})

test.each([
  ['a longer name', newer('a'.repeat(33))],
  ['other characters', newer('img-src https://evil.example')],
  ['no text', newer(7)],
  ['no details', [null, 1, 'img-src', [], {}, { body: null }, { 'csp-report': 'img-src' }]],
  ['no report', undefined],
])('a report with %s names no directive', (_, body) => {
  expect(reportedDirectives(body)).toEqual([])
})

test('no more than twenty reports of one body are counted', () => {
  expect(reportedDirectives(Array(21).fill(newer('img-src')))).toHaveLength(20)
})
