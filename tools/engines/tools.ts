import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { jarsFolder } from './kafka-jars.ts'

/** A program of the system that an engine needs and this machine lacks. */
export interface MissingTool {
  name: string
  /** The command that installs it. */
  fix: string
}

const JAVA_MAJOR_MIN = 17

/** What this machine lacks for these engines; Postgres comes with npm. */
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
  ].filter((tool) => tool !== false)
}

/** One sentence that names them, and one command that installs all of them. */
export function describeMissing(tools: readonly MissingTool[]): [what: string, fix: string] {
  const [first = '', ...rest] = tools.map(({ fix }) => fix)
  return [
    `${new Intl.ListFormat('en').format(tools.map(({ name }) => name))} ${tools.length > 1 ? 'are' : 'is'} not on this machine's PATH.`,
    [first, ...rest.map((fix) => fix.split(' ').at(-1))].join(' '),
  ]
}

function missing(name: string, debian: string, brew: string): MissingTool {
  return {
    name,
    fix: process.platform === 'darwin' ? `brew install ${brew}` : `sudo apt-get install ${debian}`,
  }
}

/** 0 where Java is missing; macOS has a `java` that only reports that. */
function javaMajor(): number {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) : 0
}

function runs(command: string, versionFlag: string): boolean {
  return spawnSync(command, [versionFlag], { stdio: 'ignore', timeout: 20_000 }).status === 0
}
