import pino, { type Logger } from 'pino'

/**
 * One JSON object a line, to standard output, standard error (2) or appended to a file; no line holds a key or an event's content.
 * @param level debug, info, warn (unexpected, nothing lost) or error (data lost, or a person is needed)
 */
export function createLogger(level: string, file: string | 1 | 2 = 1): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    typeof file === 'string'
      ? pino.destination({ dest: file, mkdir: true, mode: 0o600 })
      : pino.destination(file),
  )
}
