import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { jarsFolder } from './kafka-jars.ts'

/** A program of the system that an engine needs, and that is not there. */
export interface MissingTool {
  what: string
  /** The command that brings it. */
  mend: string
}

const JAVA_MAJOR_MIN = 17

/** What this machine lacks for the engines that are asked for; Postgres comes with npm and lacks nothing. */
export function missingTools(wanted: { kafka: boolean; redis: boolean }): MissingTool[] {
  return [
    ...(wanted.kafka
      ? [
          javaMajor() < JAVA_MAJOR_MIN &&
            missing(`Java ${JAVA_MAJOR_MIN}`, 'openjdk-17-jre-headless', 'openjdk@17'),
          !existsSync(jarsFolder()) && !runs('mvn', '-v') && missing('Maven', 'maven', 'maven'),
        ]
      : []),
    wanted.redis &&
      !runs('redis-server', '--version') &&
      missing('redis-server', 'redis-server', 'redis'),
  ].filter((each) => each !== false)
}

/** One sentence of what is missing, and one command for all of it. */
export function sayMissing(tools: readonly MissingTool[]): [what: string, mend: string] {
  const [first = '', ...rest] = tools.map(({ mend }) => mend)
  return [
    `${new Intl.ListFormat('en').format(tools.map(({ what }) => what))} ${tools.length > 1 ? 'are' : 'is'} not on this machine's PATH.`,
    [first, ...rest.map((mend) => mend.split(' ').at(-1))].join(' '),
  ]
}

function missing(what: string, debian: string, brew: string): MissingTool {
  return {
    what,
    mend: process.platform === 'darwin' ? `brew install ${brew}` : `sudo apt-get install ${debian}`,
  }
}

/** 0 where there is none; macOS has a `java` that only says so. */
function javaMajor(): number {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) : 0
}

function runs(command: string, question: string): boolean {
  return spawnSync(command, [question], { stdio: 'ignore', timeout: 20_000 }).status === 0
}
