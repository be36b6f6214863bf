import { LIMITS } from '../../../contract/limits.ts'

/** A request without valid commands: a message as Upstash words it, and the HTTP status. */
export class BadCommandError extends Error {
  readonly status: 400 | 413

  constructor(status: 400 | 413, message: string) {
    super(message)
    this.name = 'BadCommandError'
    this.status = status
  }
}

/**
 * What the edge sends, and what @upstash/ratelimit sends besides. No command that blocks, scans all keys,
 * changes the server or talks to other clients.
 */
const ALLOWED = new Set([
  ...['PING', 'GET', 'MGET', 'SET', 'DEL', 'EXISTS', 'INCRBY', 'PEXPIRE', 'PTTL', 'HGETALL'],
  ...['EVAL', 'EVALSHA', 'SCRIPT EXISTS', 'SCRIPT LOAD'],
  // For its analytics and its deny lists.
  ...['ZINCRBY', 'SADD', 'SDIFFSTORE', 'SUNIONSTORE', 'SMISMEMBER'],
])

/** A command's name in upper case and its arguments, all as text. */
export type Command = readonly [name: string, ...args: string[]]

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws BadCommandError */
export function readCommand(body: ArrayBuffer | Uint8Array): Command {
  return checkCommand(parse(body))
}

/** @throws BadCommandError */
export function readCommands(body: ArrayBuffer | Uint8Array): Command[] {
  const commands = parse(body)
  if (!Array.isArray(commands) || commands.length === 0)
    throw new BadCommandError(400, 'ERR the body is a JSON array of commands')
  if (commands.length > LIMITS.redisCommandsMax)
    throw new BadCommandError(413, `ERR at most ${LIMITS.redisCommandsMax} commands in one request`)
  return commands.map(checkCommand)
}

function parse(body: ArrayBuffer | Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    throw new BadCommandError(400, 'ERR the body is not JSON in UTF-8')
  }
}

function checkCommand(command: unknown): Command {
  if (!Array.isArray(command) || typeof command[0] !== 'string')
    throw new BadCommandError(400, 'ERR a command is a JSON array that begins with its name')
  if (command.length > LIMITS.redisArgumentsMax)
    throw new BadCommandError(
      413,
      `ERR a command takes at most ${LIMITS.redisArgumentsMax - 1} arguments`,
    )
  const name = command[0].toUpperCase()
  const args = command.slice(1).map(readArgument)
  const fullName = name === 'SCRIPT' ? `SCRIPT ${args[0]?.toUpperCase()}` : name
  if (!ALLOWED.has(fullName))
    throw new BadCommandError(400, `ERR the command '${printable(fullName)}' is not available here`)
  return [name, ...args]
}

function readArgument(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string')
    throw new BadCommandError(400, 'ERR an argument is a string, a number or a boolean')
  if (!value.isWellFormed())
    throw new BadCommandError(400, 'ERR an argument must be well-formed Unicode')
  // Three bytes are the most that a UTF-16 unit becomes; counting them all is rarely needed.
  const { redisValueBytesMax: max } = LIMITS
  if (value.length * 3 > max && Buffer.byteLength(value) > max)
    throw new BadCommandError(413, `ERR an argument is larger than ${max} bytes`)
  return value
}

/** Only names that look like a command are repeated to the sender. */
function printable(name: string): string {
  return /^[A-Z0-9._ ]{1,40}$/.test(name) ? name : '?'
}
