import { badInput } from '../../lib/api-error.ts'

const CHARS_MAX = 2_048

/**
 * Where a browser goes after it signed in: a path of this host. Browsers read `\` as `/` and drop tabs and line breaks,
 * so that `/\host` and `/<tab>/host` lead to another host as `//host` does.
 * @throws BAD_USER_INPUT
 */
export function readReturnPath(text: unknown): string {
  if (text === undefined || text === null || text === '') return '/'
  if (typeof text !== 'string' || text.length > CHARS_MAX || !/^\/(?![/\\])[!-[\]-~]*$/.test(text))
    throw badInput('return_to', 'must be a path of Sluice, such as /explore')
  return text
}
