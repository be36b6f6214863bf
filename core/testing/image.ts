import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { ROOT } from '../config.ts'
import { buildAll } from '../embedded/build.ts'

/** One `FROM … AS name` of Dockerfile. */
export interface Stage {
  name: string
  from: string
  /** In their order, each split at spaces. */
  steps: { word: string; args: string[] }[]
}

export function readDockerfile(): Stage[] {
  const stages: Stage[] = []
  for (const line of readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\n')) {
    const [word = '', ...args] = line.trim().split(/\s+/)
    if (word === '' || word.startsWith('#')) continue
    if (word === 'FROM') stages.push({ name: args[2] ?? '', from: args[0] ?? '', steps: [] })
    else stages.at(-1)?.steps.push({ word, args })
  }
  return stages
}

/**
 * A folder with what the image has in its WORKDIR: every COPY of Dockerfile, without what .dockerignore keeps out. In
 * place of what the other stages would make stand the packages and the builds of this tree.
 * @returns the programs that the image has in /usr/local/bin
 */
export async function layOutImage(target: string, folder: string): Promise<Map<string, string>> {
  await buildAll()
  const programs = new Map([['node', process.execPath]])
  const stage = readDockerfile().find(({ name }) => name === target)
  for (const { word, args } of stage?.steps ?? []) {
    if (word !== 'COPY') continue
    const from = args[0]?.startsWith('--from=') ? args.shift()?.slice('--from='.length) : undefined
    const to = args.pop() as string
    for (const each of args) {
      if (to.startsWith('/usr/local/bin/')) {
        programs.set(basename(to), madeProgram(each))
        continue
      }
      const source = from === undefined ? join(ROOT, each) : join(ROOT, relative('/app', each))
      const place = join(folder, to.endsWith('/') ? join(to, basename(each)) : to)
      mkdirSync(dirname(place), { recursive: true })
      if (basename(each) === 'node_modules') symlinkSync(source, place)
      else if (from !== undefined) cpSync(source, place, { recursive: true })
      else copyFromContext(source, place)
    }
  }
  return programs
}

/** `RUN cp "$(node -p …)" /usr/local/bin/…` */
function madeProgram(path: string): string {
  if (basename(path) !== 'workerd') throw new Error(`nobody knows where ${path} comes from`)
  return createRequire(import.meta.url)('workerd').default
}

function copyFromContext(source: string, place: string): void {
  if (!existsSync(source)) throw new Error(`Dockerfile copies ${source}, which is not there`)
  if (isIgnored(source)) throw new Error(`.dockerignore keeps ${source} from Dockerfile`)
  cpSync(source, place, {
    recursive: statSync(source).isDirectory(),
    filter: (file) => file === source || !isIgnored(file),
  })
}

/** The two forms of pattern that .dockerignore has: `!name` at the top, and `∗∗/name` anywhere. */
function isIgnored(file: string): boolean {
  const path = relative(ROOT, file)
  const patterns = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
  const [top = ''] = path.split('/')
  if (!patterns.includes(`!${top}`)) return true
  return patterns
    .filter((pattern) => pattern.startsWith('**/'))
    .map((pattern) => pattern.slice(3).split('*').map(RegExp.escape).join('[^/]*'))
    .some((pattern) => new RegExp(`(^|/)${pattern}(/|$)`).test(path))
}
