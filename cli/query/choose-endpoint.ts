import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { readKeyOption } from '../key-argument.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

/** Options of commands that ask a core. */
export interface EndpointOptions {
  url?: string
  key?: string
  keyFile?: string
}

/**
 * Where GraphQL is, and a key for it: those of the running instance, unless another URL is given.
 * @throws UsageError
 */
export function chooseEndpoint(config: Config, options: EndpointOptions, terminal: Terminal) {
  const fromEnvironment = { name: 'SLUICE_READ_KEY', value: config.readKey }
  const key = readKeyOption(options, fromEnvironment, terminal)
  if (options.url === undefined) {
    const run = requireRunningInstance(config)
    return { url: run.graphql_url, key: key ?? run.read_key }
  }
  if (key === undefined)
    throw new UsageError(
      `No API key was given for ${options.url}.`,
      'Give one with SLUICE_READ_KEY or --key-file; the key of the running instance is not sent elsewhere.',
    )
  if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url))
    throw new UsageError(
      `"${options.url}" is not a URL.`,
      'Give the URL of core, such as https://sluice.example.com.',
    )
  return { url: new URL('/graphql', options.url).href, key }
}
