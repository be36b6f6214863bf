import { readFileSync } from 'node:fs'
import { displayPrefix, looksLikeApiKey } from '../contract/api-key.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import type { Terminal } from './terminal.ts'

const WHY =
  'Arguments are visible to other users of this machine and are kept in the history of the shell.'

/** Describes an argument for `parseKeyReference`. */
export const KEY_ARGUMENT =
  'the id, the first characters or the name of the key, not the key itself'

/**
 * How a command names a key: its id, its first characters or its name.
 * @throws UsageError for a whole key
 */
export function parseKeyReference(text: string): string {
  const reference = text.replace(/(…|\.\.\.)$/, '')
  const shown = displayPrefix(reference)
  if (/^slc_(pub|sec|adm)_/.test(reference) && reference.length > shown.length)
    throw new UsageError(
      'Name the key by its first characters, its id or its name instead of giving the whole key.',
      `${WHY} Use ${shown}.`,
    )
  return reference
}

export interface KeyOptions {
  /** Of --key. */
  key?: string
  /** Of --key-file; `-` is standard input. */
  keyFile?: string
}

/**
 * The API key that a command sends, without line breaks around it.
 * @param fromEnvironment the value of the environment variable, which the options override
 * @throws UsageError when the file cannot be read or holds no key
 */
export function readKeyOption(
  { key, keyFile }: KeyOptions,
  fromEnvironment: { name: string; value: string | undefined },
  terminal: Terminal,
): string | undefined {
  if (key !== undefined) {
    terminal.printError(
      'The key was given as an argument.',
      `${WHY} Use ${fromEnvironment.name} or --key-file.`,
    )
    return key
  }
  return keyFile === undefined ? fromEnvironment.value : readKeyFile(keyFile)
}

function readKeyFile(path: string): string {
  const where = path === '-' ? 'Standard input' : path
  let text: string
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8').trim()
  } catch (error) {
    throw new UsageError(
      `${where} cannot be read: ${(error as Error).message}`,
      'Give a file that holds an API key and nothing else, or - for standard input.',
    )
  }
  if (!looksLikeApiKey(text))
    throw new UsageError(
      `${where} does not hold a valid API key.`,
      'Put the whole key there, and nothing else.',
    )
  return text
}
