import { unstorableText } from '../../contract/event/storable.ts'
import { badInput } from './api-error.ts'

const TEXT_CHARS_MAX = 1_024

/**
 * @returns the text, if a column of Postgres could hold it
 * @throws BAD_USER_INPUT that names the argument
 */
export function checkText(argument: string, text: string, charsMax = TEXT_CHARS_MAX): string {
  if (text.length > charsMax) throw badInput(argument, `is longer than ${charsMax} characters`)
  const reason = unstorableText(text)
  if (reason) throw badInput(argument, reason)
  return text
}
