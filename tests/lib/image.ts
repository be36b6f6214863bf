import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { ROOT } from '../../core/lib/paths.ts'

/** One `FROM … AS name` of Dockerfile. */
export interface Stage {
  name: string
  baseImage: string
  steps: { word: string; args: string[] }[]
}

export function readDockerfile(): Stage[] {
  const stages: Stage[] = []
  for (const line of readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\n')) {
    const [word = '', ...args] = line.trim().split(/\s+/)
    if (word === '' || word.startsWith('#')) continue
    if (word === 'FROM') stages.push({ name: args[2] ?? '', baseImage: args[0] ?? '', steps: [] })
    else stages.at(-1)?.steps.push({ word, args })
  }
  return stages
}

const RUN_MS_MAX = 180_000
/**
 * Packages in npm's cache are not requested again; an optional package for another platform that cannot be downloaded is
 * requested once more after a second, not for minutes.
 */
const NPM = {
  npm_config_prefer_offline: 'true',
  npm_config_fetch_timeout: '20000',
  npm_config_fetch_retries: '1',
  npm_config_fetch_retry_mintimeout: '1000',
}

/**
 * What `docker build` would do, done without it: each stage is a folder, COPY copies without what .dockerignore keeps out,
 * RUN runs. Not done are the system's packages, and whose processes they are.
 * @returns builds the stage of that name with all that it copies from; its folder stands for `/`
 */
export function createImages(folder: string): (target: string) => Promise<string> {
  const stages = readDockerfile()
  const built = new Map<string, Promise<string>>()

  async function build(target: string): Promise<string> {
    const stage = stages.find(({ name }) => name === target)
    if (!stage) throw new Error(`Dockerfile has no stage ${target}`)
    const root = join(folder, target)
    let cwd = root
    mkdirSync(root, { recursive: true })
    for (const { word, args } of stage.steps) {
      if (word === 'WORKDIR') {
        cwd = join(root, args[0] as string)
        mkdirSync(cwd, { recursive: true })
      }
      if (word === 'COPY') await copy(args, cwd, root)
      if (word === 'RUN' && args[0] !== 'apt-get') await run(args.join(' '), cwd, root)
    }
    return root
  }

  async function copy(args: string[], cwd: string, root: string): Promise<void> {
    const stage = /^--from=(.+)$/.exec(args[0] as string)?.[1]
    const from = stage && (await image(stage))
    const to = args.at(-1) as string
    for (const each of args.slice(from ? 1 : 0, -1)) {
      const source = join(from ?? ROOT, each)
      if (!from && isIgnored(source)) throw new Error(`.dockerignore keeps ${each} out`)
      // A folder's content is copied, a file goes by its name where the place is a folder.
      const isFile = statSync(source).isFile()
      const place = to.startsWith('/') ? join(root, to) : join(cwd, to)
      const target = isFile && to.endsWith('/') ? join(place, basename(each)) : place
      mkdirSync(dirname(target), { recursive: true })
      const filter = (file: string) => from !== undefined || !isIgnored(file)
      cpSync(source, target, { recursive: true, verbatimSymlinks: true, filter })
    }
  }

  function image(target: string): Promise<string> {
    const building = built.get(target) ?? build(target)
    built.set(target, building)
    return building
  }
  return image
}

async function run(command: string, cwd: string, root: string): Promise<void> {
  const bin = join(root, 'usr/local/bin')
  mkdirSync(bin, { recursive: true })
  const child = spawn('sh', ['-c', command.replaceAll('/usr/local/bin', bin)], {
    cwd,
    env: { ...process.env, ...NPM, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
  })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`RUN ${command} ended with ${code}\n${out}\n${err}`)
}

/** The three forms of pattern that .dockerignore has: `*`, `!name` at the top, and `∗∗/name` anywhere. */
function isIgnored(file: string): boolean {
  const path = relative(ROOT, file)
  const patterns = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
  if (!existsSync(file)) throw new Error(`Dockerfile copies ${path}, which is not there`)
  if (!patterns.includes(`!${path.split('/')[0]}`)) return true
  return patterns
    .filter((pattern) => pattern.startsWith('**/'))
    .map((pattern) => pattern.slice(3).split('*').map(RegExp.escape).join('[^/]*'))
    .some((pattern) => new RegExp(`(^|/)${pattern}(/|$)`).test(path))
}
