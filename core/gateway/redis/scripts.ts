import { createHash } from 'node:crypto'
import { LIMITS } from '../../../contract/limits.ts'
import { BadCommandError, type Command } from './commands.ts'

/**
 * Clients name a script by the SHA-1 of its text. Scripts made for Upstash begin with `#!lua flags=…`, and
 * with flags that a stock Redis refuses; without that line their text, and so their name, is another one. So
 * what a client calls by one name is sent to Redis by its own. That Redis was restarted, or its scripts
 * flushed, is never the client's business while this process remembers the text.
 */
export interface Scripts {
  /**
   * The command as Redis takes it.
   * @param whole whether scripts go with their text, so that not one of several commands can fail for the lack of it
   * @throws BadCommandError for a script that is too long
   */
  translate(command: Command, whole: boolean): Command
  /** The same command with the script's text, for when Redis does not know it; undefined when we do not either. */
  withText(command: Command): Command | undefined
  /** What the client calls the script that `SCRIPT LOAD` has loaded. */
  nameOf(command: Command): string | undefined
}

interface Script {
  /** Without its first line's shebang; that line stays, so that errors name the right one. */
  text: string
  sha: string
}

export function createScripts(scriptsMax: number = LIMITS.redisScriptsMax): Scripts {
  // By the client's name for it; the one used longest ago is forgotten first.
  const known = new Map<string, Script>()

  function learn(text: string): Script {
    if (Buffer.byteLength(text) > LIMITS.redisScriptBytesMax)
      throw new BadCommandError(
        413,
        `ERR a script is larger than ${LIMITS.redisScriptBytesMax} bytes`,
      )
    const name = sha1(text)
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
    translate(command, whole) {
      const [name, first = '', ...rest] = command
      if (name === 'EVAL') return ['EVAL', learn(first).text, ...rest]
      if (name === 'EVALSHA') {
        const script = find(first.toLowerCase())
        if (!script) return command
        return whole ? ['EVAL', script.text, ...rest] : ['EVALSHA', script.sha, ...rest]
      }
      if (name === 'SCRIPT' && first.toUpperCase() === 'LOAD')
        return ['SCRIPT', 'LOAD', learn(rest[0] ?? '').text]
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
