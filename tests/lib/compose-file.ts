import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from '../../core/lib/paths.ts'

/** docker-compose.yml, the parts of it that a test can do something with. */
export interface ComposeFile {
  services: Record<string, ComposeService>
  volumes: Record<string, unknown>
  networks: Record<string, unknown>
}

export interface ComposeService {
  image: string
  build?: { context: string; target: string }
  command?: string[]
  environment?: Record<string, string | number>
  volumes?: string[]
  ports?: string[]
  healthcheck?: { test: string[] }
  restart?: string
  depends_on?: Record<string, { condition: string }>
  deploy?: { replicas: number }
  networks?: string[]
  cap_drop?: string[]
  security_opt?: string[]
  mem_limit?: string
  pids_limit?: number
  cpus?: number
  stop_grace_period?: string
}

export const COMPOSE_TEXT = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')

/** Variables that the file insists on: `${NAME:?}`. */
export const REQUIRED_VARIABLES = [
  ...new Set([...COMPOSE_TEXT.matchAll(/\$\{(\w+):\?[^}]*\}/g)].map(([, name]) => name as string)),
].sort()

/** With its variables filled in as Docker would. @throws where a required one is missing or empty */
export function readComposeFile(variables: Record<string, string>): ComposeFile {
  return fillIn(parse(COMPOSE_TEXT, { merge: true }), variables) as ComposeFile
}

function fillIn(value: unknown, variables: Record<string, string>): unknown {
  if (typeof value === 'string') return fillInText(value, variables)
  if (Array.isArray(value)) return value.map((each) => fillIn(each, variables))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, fillIn(each, variables)]),
  )
}

/** `${NAME:?}`, `${NAME:-otherwise}` and `$$`; the file has no other form. */
function fillInText(text: string, variables: Record<string, string>): string {
  return text.replace(
    /\$\$|\$\{(\w+)(?::([?-])([^}]*))?\}|\$/g,
    (form, name?: string, kind?: string, otherwise = '') => {
      if (form === '$$') return '$'
      if (name === undefined || kind === undefined) throw new Error(`${form} in "${text}"`)
      const is = variables[name]
      if (is) return is
      if (kind === '?') throw new Error(`required variable ${name} is missing`)
      return otherwise
    },
  )
}
