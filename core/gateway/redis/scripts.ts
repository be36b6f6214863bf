import { createHash } from 'node:crypto'
import { LIMITS } from '../../../contract/limits.ts'
import { isAllowedScript } from '../../../contract/redis-scripts.ts'
import { BadCommandError, type Command } from './commands.ts'

/**
 * Clients name a script by the SHA-1 of its text. Scripts written for Upstash begin with `#!lua flags=…`, and
 * with flags that a stock Redis refuses; without that line their text, and so their SHA-1, is another one. So
 * the client's SHA-1 is translated to Redis' own. A restart of Redis, or a flush of its scripts, goes unnoticed by
 * clients while this process remembers the text.
 */
export interface Scripts {
  /**
   * The command as Redis takes it.
   * @param withText whether scripts are sent with their text, so that none of several commands can fail without it
   * @throws BadCommandError for a script that is too long, or not among the allowed ones
   */
  translate(command: Command, withText: boolean): Command
  /** The same command with the script's text, for when Redis does not know it; undefined when we do not either. */
  withText(command: Command): Command | undefined
  /** The client's SHA-1 of the script that `SCRIPT LOAD` has loaded. */
  nameOf(command: Command): string | undefined
}

interface Script {
  /** Without the shebang; its line stays, empty, so that errors name the right line. */
  text: string
  sha: string
}

/** @param isAllowed by the SHA-1 of the text as the client sends it; no others reach Redis */
export function createScripts(
  isAllowed: (sha1: string) => boolean = isAllowedScript,
  scriptsMax: number = LIMITS.redisScriptsMax,
): Scripts {
  // By the client's SHA-1; the least recently used is forgotten first.
  const known = new Map<string, Script>()

  function check(name: string): void {
    if (!isAllowed(name))
      throw new BadCommandError(
        400,
        'NOPERM this script is not among those of the edge and of @upstash/ratelimit',
      )
  }

  function remember(text: string): Script {
    if (Buffer.byteLength(text) > LIMITS.redisScriptBytesMax)
      throw new BadCommandError(
        413,
        `ERR a script is larger than ${LIMITS.redisScriptBytesMax} bytes`,
      )
    const name = sha1(text)
    check(name)
    const bare = text.replace(/^#!lua[^\n]*/, '')
    const script = known.get(name) ?? { text: bare, sha: bare === text ? name : sha1(bare) }
    known.delete(name)
    known.set(name, script)
    if (known.size > scriptsMax) known.delete(known.keys().next().value as string)
    return script
  }

  function find(name = ''): Script | undefined {
    const script = known.get(name)
    if (script) {
      known.delete(name)
      known.set(name, script)
    }
    return script
  }

  return {
    translate(command, withText) {
      const [name, first = '', ...rest] = command
      if (name === 'EVAL') return ['EVAL', remember(first).text, ...rest]
      if (name === 'EVALSHA') {
        check(first.toLowerCase())
        const script = find(first.toLowerCase())
        if (!script) return command
        return withText ? ['EVAL', script.text, ...rest] : ['EVALSHA', script.sha, ...rest]
      }
      if (name === 'SCRIPT' && first.toUpperCase() === 'LOAD')
        return ['SCRIPT', 'LOAD', remember(rest[0] ?? '').text]
      if (name === 'SCRIPT')
        return ['SCRIPT', first, ...rest.map((sha) => find(sha.toLowerCase())?.sha ?? sha)]
      return command
    },
    withText([name, sha, ...rest]) {
      const script = name === 'EVALSHA' ? find(sha?.toLowerCase()) : undefined
      return script && ['EVAL', script.text, ...rest]
    },
    nameOf([name, first, text = '']) {
      return name === 'SCRIPT' && first?.toUpperCase() === 'LOAD' ? sha1(text) : undefined
    },
  }
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
